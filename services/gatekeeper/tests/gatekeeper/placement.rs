//! Which worker a stream lands on, and what the viewer reads when it lands on none.

use std::time::{Duration, Instant};

use runtime::broker::Publication;

use crate::worker::{Call, Mood, Worker};
use crate::world::World;

fn describe(source: &str) -> String {
    format!(r#"{{"source":"{source}","reply_topic":"video_1"}}"#)
}

#[tokio::test]
async fn a_describe_is_answered_with_what_the_worker_found() {
    let mut world = World::start().await;
    let request = Publication::new("video/describe", describe("lobby")).correlation("nonce-1");
    world.viewer.publish(request).await;
    let reply = world.viewer.next().await;
    assert_eq!((reply.topic.as_str(), reply.correlation_data.as_deref()), ("video_1", Some(b"nonce-1".as_slice())));
    let reply: serde_json::Value = serde_json::from_slice(&reply.payload).unwrap();
    let worker = reply["worker"].as_str().unwrap().to_owned();
    assert_eq!(
        reply,
        serde_json::json!({
            "mimeCodec": "video/mp4; codecs=\"avc1.42C01E\"", "source": "lobby", "profile": "source",
            "live_topic": "video/live/lobby/source", "generation": 1_790_000_000_000_u64,
            "tracks": {"video": {"mimeCodec": "video/mp4; codecs=\"avc1.42C01E\"", "codec": "avc1.42C01E",
                "width": 640, "height": 360}},
            "worker": worker, "delivery": ["reply", "live"],
        })
    );
    assert_eq!(world.calls(), [(worker.as_str(), Call::Describe("lobby".to_owned()))].map(|(w, c)| (name(w), c)));
}

fn name(worker: &str) -> &'static str {
    if worker == "t0" { "t0" } else { "t1" }
}

#[tokio::test]
async fn the_worker_is_given_our_url_the_profile_and_the_live_topic() {
    let mut world = World::start().await;
    world.viewer.ask("client/describe", r#"{"url":"rtsp://127.0.0.1:8554/lobby","resp_topic":"video_1"}"#).await;
    world.viewer.ask("video/describe", r#"{"url":"rtsp://127.0.0.1:8554/cam-7","reply_topic":"video_1"}"#).await;
    let specs: Vec<_> = world.workers.iter().flat_map(Worker::specs).collect();
    let spec = |source: &str| specs.iter().find(|spec| spec.key.as_ref().unwrap().source.starts_with(source)).unwrap();
    let lobby = spec("lobby");
    assert_eq!(
        (lobby.url.as_str(), lobby.live_topic.as_str()),
        ("rtsp://127.0.0.1:8554/lobby", "video/live/lobby/legacy")
    );
    let transcode = lobby.transcode.as_ref().unwrap();
    assert_eq!((transcode.width, transcode.height, transcode.video_bits_per_second), (320, 240, 192_000));
    assert_eq!((transcode.h264_profile.as_str(), transcode.h264_level.as_str()), ("baseline", "3.0"));
    assert_eq!(transcode.gop.as_ref().unwrap().seconds, 1);
    let camera = spec("site~");
    assert_eq!((camera.url.as_str(), camera.transcode.as_ref()), ("rtsp://127.0.0.1:8554/cam-7", None));
}

#[tokio::test]
async fn two_sources_land_on_two_workers() {
    let mut world = World::start().await;
    let lobby = world.viewer.ask("video/describe", &describe("lobby")).await;
    let yard = world.viewer.ask("video/describe", &describe("yard")).await;
    assert_ne!(lobby["worker"], yard["worker"]);
    for (source, reply) in [("lobby", lobby), ("yard", yard)] {
        let again = world.viewer.ask("video/describe", &describe(source)).await;
        assert_eq!(again["worker"], reply["worker"], "{source} stays where it runs");
    }
}

#[tokio::test]
async fn requests_for_one_stream_at_once_land_on_one_worker() {
    let mut world = World::start().await;
    world.workers.iter().for_each(Worker::keep_quiet);
    for _ in 0..20 {
        world.viewer.send("video/describe", &describe("lobby")).await;
    }
    let mut workers = Vec::new();
    for _ in 0..20 {
        let reply: serde_json::Value = serde_json::from_slice(&world.viewer.next().await.payload).unwrap();
        workers.push(reply["worker"].clone());
    }
    workers.dedup();
    assert_eq!(workers.len(), 1, "{workers:?}");
}

#[tokio::test]
async fn with_one_worker_full_or_draining_the_next_is_asked() {
    for mood in [Mood::Full, Mood::Draining] {
        let mut world = World::start().await;
        world.workers[0].set(mood);
        for source in ["lobby", "yard", "plain"] {
            let reply = world.viewer.ask("video/describe", &describe(source)).await;
            assert_eq!(reply["worker"], "t1", "{mood:?}: {reply}");
        }
    }
}

#[tokio::test]
async fn with_all_workers_full_the_viewer_reads_when_to_come_back() {
    let mut world = World::start().await;
    world.workers.iter().for_each(|worker| worker.set(Mood::Full));
    for topic in ["video/describe", "video/play"] {
        let reply = world.viewer.ask(topic, &describe("lobby")).await;
        assert_eq!(
            (reply["code"].as_str(), reply["retry_after_s"].as_u64()),
            (Some("no_capacity"), Some(7)),
            "{reply}"
        );
    }
    let asked: Vec<_> = world.calls().into_iter().map(|(name, _)| name).collect();
    assert_eq!(asked.len(), 4, "each of both was asked by both: {asked:?}");
}

#[tokio::test]
async fn without_any_worker_the_answer_comes_at_once() {
    let mut world = World::with(vec![], &["--transcoder", "http://127.0.0.1:1"]).await;
    let started = Instant::now();
    let reply = world.viewer.ask("video/describe", &describe("lobby")).await;
    assert_eq!((reply["code"].as_str(), reply["retry_after_s"].as_u64()), (Some("no_capacity"), Some(5)), "{reply}");
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_source_that_has_all_its_viewers_is_not_started_a_second_time() {
    let mut world = World::start().await;
    for n in 0..3 {
        world.viewer.send("video/play", &format!(r#"{{"source":"yard","reply_topic":"video_10{n}"}}"#)).await;
    }
    world.calls_until(|calls| calls.len() == 3).await;
    let reply = world.viewer.ask("video/play", r#"{"source":"yard","reply_topic":"video_1"}"#).await;
    assert_eq!(reply["code"], "no_capacity", "{reply}");
    assert!(reply["error"].as_str().unwrap().contains("all the viewers"), "{reply}");
    let mut asked: Vec<_> = world.calls().into_iter().map(|(name, _)| name).collect();
    asked.dedup();
    assert_eq!(asked.len(), 1, "only the worker that runs it was asked: {asked:?}");
}

#[tokio::test]
async fn what_no_other_worker_could_do_better_is_final() {
    let mut world = World::start().await;
    world.workers.iter().for_each(|worker| worker.set(Mood::NoCamera));
    let reply = world.viewer.ask("video/describe", &describe("lobby")).await;
    assert_eq!(reply, serde_json::json!({"error": "in the worker's words", "code": "source_unreachable"}));
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test]
async fn a_camera_that_never_answers_is_unreachable_after_the_deadline() {
    let worker = Worker::start("t0", 4).await;
    worker.set(Mood::Slow);
    let mut world = World::with(vec![worker], &["--describe-timeout", "300ms"]).await;
    let started = Instant::now();
    let reply = world.viewer.ask("video/describe", &describe("lobby")).await;
    assert_eq!(reply["code"], "source_unreachable", "{reply}");
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_waiting_describe_holds_nobody_up() {
    let worker = Worker::start("t0", 4).await;
    worker.set(Mood::Slow);
    let mut world = World::with(vec![worker], &[]).await;
    for _ in 0..600 {
        world.viewer.send("video/describe", r#"{"source":"lobby","reply_topic":"video_900"}"#).await;
    }
    let started = Instant::now();
    let reply = world.viewer.ask("video/describe", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    assert_eq!((reply["code"].as_str(), reply["retry_after_s"].as_u64()), (Some("no_capacity"), Some(2)), "{reply}");
    let reply = world.viewer.ask("video/play", r#"{"source":"nobody","reply_topic":"video_1"}"#).await;
    assert_eq!(reply["code"], "not_allowed", "{reply}");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_worker_that_freezes_is_found_dead_within_five_seconds() {
    let mut world = World::with(vec![Worker::start("t0", 4).await], &[]).await;
    world.workers[0].freeze();
    let started = Instant::now();
    let reply = world.viewer.ask("video/describe", &describe("lobby")).await;
    assert_eq!(reply["code"], "no_capacity", "{reply}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    let worker = Worker::start("t0", 4).await;
    worker.set(Mood::Slow);
    let mut world = World::with(vec![worker], &["--describe-timeout", "500ms"]).await;
    world.viewer.send("video/describe", &describe("lobby")).await;
    world.workers[0].called(1).await;
    assert!(world.terminate().await.success());
    let reply: serde_json::Value = serde_json::from_slice(&world.viewer.next().await.payload).unwrap();
    assert_eq!(reply["code"], "source_unreachable");
}
