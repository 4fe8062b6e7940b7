//! What a status says, and what it keeps to itself.

use super::*;
use crate::stream::{Delivery, Dialect, Health, Media, VideoTrack, Viewer};

fn key(source: &str) -> StreamKey {
    StreamKey { source: source.to_owned(), profile: "source".to_owned() }
}

/// A stream that these viewers watch.
fn watched(by: &[&str], restarts: u32) -> Arc<Job> {
    let viewer = |topic: &&str| Viewer {
        reply_topic: (*topic).to_owned(),
        delivery: Delivery::Live,
        dialect: Dialect::Video,
        session: "secret-session".to_owned(),
        video_only: false,
    };
    let media = Media {
        mime_codec: String::new(),
        generation: 1,
        video: VideoTrack { codec: "avc1.42C01E".to_owned(), width: 640, height: 360 },
        audio: None,
    };
    let health =
        Health { state: State::Live, restarts, media: Some(Arc::new(media)), frame_rate: Some(29.97), failure: None };
    let pattern_url = "rtsp://secret-host/stream".to_owned();
    Arc::new(Job { viewers: by.iter().map(viewer).collect(), pattern_url, health, ..Job::default() })
}

fn worker(name: &str, jobs: &[(&str, Arc<Job>)]) -> Worker {
    Worker {
        name: name.to_owned(),
        slots_total: 4,
        slots_used: jobs.len() as u32,
        cpu_cores: 0.304,
        jobs: jobs.iter().map(|(source, job)| (Arc::new(key(source)), job.clone())).collect(),
        ..Worker::default()
    }
}

fn ready(worker: Worker) -> (MemberId, Seen) {
    (format!("http://{}:50051", worker.name).into(), Seen::Ready(Arc::new(worker)))
}

fn snapshot(members: Vec<(MemberId, Seen)>) -> Snapshot {
    Snapshot {
        members,
        lost: Vec::new(),
        leader: true,
        several: false,
        connected: true,
        uptime: Duration::from_millis(12_900),
        figures: Figures::default(),
        history: Columns::default(),
    }
}

fn say(snapshot: Snapshot) -> serde_json::Value {
    let now = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    serde_json::to_value(describe(snapshot, now)).expect("JSON")
}

#[test]
fn it_is_what_its_readers_were_promised() {
    let mut snapshot = snapshot(vec![ready(worker("t0", &[("lobby", watched(&["video_1", "video_2"], 0))]))]);
    snapshot.figures = Figures {
        reports: 6,
        latency_ms: Some(Percentiles { p50: 68.0, p95: 85.0 }),
        first_frame_ms: None,
        rebuffer_ratio: Some(0.0),
    };
    assert_eq!(
        say(snapshot),
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"), "time": 1_790_000_000_000_u64, "uptime_s": 12, "leader": true,
            "several": false, "broker": {"connected": true},
            "workers": [{"name": "t0", "state": "ready", "slots_total": 4, "slots_used": 1, "cpu_cores": 0.3,
                "streams": 1, "viewers": 2}],
            "streams": [{"source": "lobby", "profile": "source", "worker": "t0", "state": "live", "viewers": 2,
                "codec": "avc1.42C01E", "width": 640, "height": 360, "frames_per_second": 30.0, "restarts": 0,
                "last_error": null}],
            "failures": [],
            "viewers": {"count": 2, "reports": 6, "latency_ms": {"p50": 68.0, "p95": 85.0}, "first_frame_ms": null,
                "rebuffer_ratio": 0.0},
            "history": {"time": [], "slots_total": [], "slots_used": [], "viewers": [], "latency_p50_ms": [],
                "latency_p95_ms": [], "first_frame_p50_ms": [], "first_frame_p95_ms": [],
                "rebuffer_ratio": [], "restarts": []},
        })
    );
}

#[test]
fn no_url_topic_or_session_is_in_it() {
    let lost = worker("t1", &[("yard", watched(&["video/reply/secret-two"], 0))]);
    let mut snapshot = snapshot(vec![ready(worker("t0", &[("site~0123", watched(&["video/reply/secret-one"], 0))]))]);
    snapshot.lost = vec![("http://t1:1".into(), Arc::new(key("yard")), lost.jobs[&key("yard")].clone())];
    snapshot.members.push(("http://t1:1".into(), Seen::Lost(Some(Arc::new(lost)))));
    let text = say(snapshot).to_string();
    assert!(text.contains("site~0123") && text.contains("yard"), "{text}");
    assert!(!text.contains("secret") && !text.contains("rtsp"), "{text}");
}

#[test]
fn a_lost_worker_keeps_its_name_and_what_nobody_has_taken_over() {
    let lost = worker("t1", &[]);
    let mut snapshot = snapshot(vec![
        ready(worker("t0", &[("lobby", watched(&["video_1"], 0))])),
        ("http://10.0.0.7:50051".into(), Seen::Lost(Some(Arc::new(lost)))),
        ("http://10.0.0.8:50051".into(), Seen::Lost(None)),
    ]);
    snapshot.lost = vec![
        ("http://10.0.0.7:50051".into(), Arc::new(key("lobby")), watched(&["video_1"], 0)),
        ("http://10.0.0.7:50051".into(), Arc::new(key("yard")), watched(&["video_2"], 0)),
    ];
    let status = describe(snapshot, UNIX_EPOCH);
    let workers: Vec<_> = status.workers.iter().map(|w| (w.name.as_str(), w.state, w.streams, w.viewers)).collect();
    assert_eq!(workers, [("10.0.0.8:50051", "lost", 0, 0), ("t0", "ready", 1, 1), ("t1", "lost", 1, 1)]);
    let streams: Vec<_> = status.streams.iter().map(|s| (s.source.as_str(), s.worker.as_str(), s.state)).collect();
    assert_eq!(streams, [("lobby", "t0", "live"), ("yard", "t1", "restarting")]);
    assert_eq!(status.slots(), (4, 1), "a lost worker's slots are nobody's");
}

#[test]
fn a_viewer_whose_stream_moves_is_counted_once() {
    let job = watched(&["video_1"], 0);
    let status = describe(
        snapshot(vec![ready(worker("t0", &[("lobby", job.clone())])), ready(worker("t1", &[("lobby", job)]))]),
        UNIX_EPOCH,
    );
    assert_eq!((status.streams.len(), status.viewers.count), (2, 1));
}

#[test]
fn a_stream_that_failed_is_told_unless_it_runs_again() {
    let mut failing = worker("t0", &[("lobby", watched(&[], 0))]);
    failing.failed = [("lobby", 1), ("yard", 2), ("gate", 3)]
        .map(|(source, second)| (key(source), (Failure::Unreachable, UNIX_EPOCH + Duration::from_secs(second))))
        .into();
    let status = describe(snapshot(vec![ready(failing)]), UNIX_EPOCH);
    let failures: Vec<_> = status.failures.iter().map(|failure| (failure.source.as_str(), failure.time)).collect();
    assert_eq!(failures, [("gate", 3000), ("yard", 2000)]);
    assert_eq!(status.failures[0].error, "source_unreachable");
}

#[test]
fn restarts_are_counted_from_when_a_stream_was_first_seen() {
    let at = |restarts| snapshot(vec![ready(worker("t0", &[("lobby", watched(&[], restarts))]))]);
    let gone = || snapshot(vec![("http://t0:50051".into(), Seen::Lost(None))]);
    let mut history = history::History::default();
    for (snapshot, news) in
        [(at(7), 0), (at(7), 0), (at(9), 2), (gone(), 0), (at(10), 1), (snapshot(vec![]), 0), (at(11), 0), (at(0), 0)]
    {
        assert_eq!(history.restarts(&snapshot), news);
    }
}

#[test]
fn history_is_five_minutes_and_all_its_lists_are_of_one_length() {
    let mut history = history::History::default();
    for second in 0..61 {
        let now = UNIX_EPOCH + Duration::from_secs(second * 5);
        history.sample(&describe(snapshot(vec![ready(worker("t0", &[]))]), now), 1);
    }
    let columns = serde_json::to_value(history.columns()).expect("JSON");
    for (name, column) in columns.as_object().expect("an object") {
        assert_eq!(column.as_array().map(Vec::len), Some(60), "{name}");
    }
    assert_eq!((&columns["time"][0], &columns["time"][59]), (&5000.into(), &300_000.into()));
    assert_eq!(columns["slots_total"][59], 4);
}
