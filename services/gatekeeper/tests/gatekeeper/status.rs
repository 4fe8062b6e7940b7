//! What `/status.json` tells of workers, streams and viewers, and what of them stays unsaid.

use serde_json::{Value, json};

use crate::worker::Worker;
use crate::world::World;

/// Waits until the status is as `wanted` says, and returns it.
async fn status(world: &World, wanted: impl Fn(&Value) -> bool) -> Value {
    world.until("/status.json", |text| wanted(&body(text))).await;
    body(&world.get("/status.json").await)
}

fn body(text: &str) -> Value {
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_stream_is_told_with_its_worker_and_its_viewers_but_without_their_topics() {
    let mut world = World::start().await;
    world.viewer.ask("video/describe", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    world.viewer.send("video/play", r#"{"source":"lobby","reply_topic":"video/reply/mine","session":"tab-7"}"#).await;
    let status = status(&world, |status| status["viewers"]["count"] == 1 && status["leader"] == true).await;
    assert_eq!(status["broker"], json!({"connected": true}));
    let stream = &status["streams"][0];
    assert_eq!(
        (&stream["source"], &stream["profile"], &stream["viewers"]),
        (&json!("lobby"), &json!("source"), &json!(1))
    );
    let workers = status["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 2);
    let of_it = workers.iter().find(|worker| worker["name"] == stream["worker"]).unwrap();
    assert_eq!((&of_it["state"], &of_it["slots_total"], &of_it["streams"]), (&json!("ready"), &json!(4), &json!(1)));
    let text = status.to_string();
    for secret in ["rtsp", "8554", "video/reply", "mine", "tab-7"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn what_players_report_is_told_for_a_minute() {
    let world = World::start().await;
    let before = status(&world, |status| status["viewers"]["reports"] == 0).await;
    assert_eq!(before["viewers"]["latency_ms"], Value::Null);
    world
        .viewer
        .send("video/qoe", r#"{"first_frame_ms":149,"latency_ms":{"p50":68,"p95":85},"rebuffer_ms":1000}"#)
        .await;
    world.viewer.send("video/qoe", r#"{"latency_ms":"slow"}"#).await;
    let told = status(&world, |status| status["viewers"]["reports"] == 1).await;
    assert_eq!(
        told["viewers"],
        json!({"count": 0, "reports": 1, "latency_ms": {"p50": 68.0, "p95": 85.0},
            "first_frame_ms": {"p50": 149.0, "p95": 149.0}, "rebuffer_ratio": 0.1})
    );
}

#[tokio::test]
async fn a_lost_worker_stays_on_the_list_by_its_name() {
    let world = World::with(vec![Worker::start("t0", 4).await, Worker::start("t1", 4).await], &[]).await;
    world.workers[1].hang_up();
    let states = |status: &Value| {
        let workers = status["workers"].as_array().unwrap().iter();
        workers.map(|worker| (worker["name"].clone(), worker["state"].clone())).collect::<Vec<_>>()
    };
    let expected = vec![(json!("t0"), json!("ready")), (json!("t1"), json!("lost"))];
    status(&world, |status| states(status) == expected).await;
}

#[tokio::test]
async fn a_page_that_was_just_opened_has_history() {
    let world = World::start().await;
    let status = status(&world, |status| !status["history"]["time"].as_array().unwrap().is_empty()).await;
    assert_eq!(
        status["history"]["slots_used"].as_array().unwrap().len(),
        status["history"]["time"].as_array().unwrap().len()
    );
}
