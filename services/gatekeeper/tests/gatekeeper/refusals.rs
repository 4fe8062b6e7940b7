//! What is turned away: the right code, no call to a worker, no publish anywhere else.

use runtime::broker::{Message, Publication};
use serde_json::Value;

use crate::broker::Broker;
use crate::viewer::Viewer;
use crate::worker::Worker;
use crate::world::World;

#[tokio::test]
async fn every_refusal_has_its_code_and_touches_nothing_else() {
    let mut world = World::start().await;
    let mut everything = world.viewer(&["#"]).await;
    let long = format!(r#"{{"source":"lobby","reply_topic":"video_1","x":"{}"}}"#, "x".repeat(9000));
    let cases: &[(&str, &str, &str)] = &[
        ("video/play", r#"{"source":"nobody","reply_topic":"video_1"}"#, "not_allowed"),
        ("video/play", r#"{"url":"rtsp://127.0.0.1:8554/Lobby","reply_topic":"video_1"}"#, "not_allowed"),
        ("video/play", r#"{"url":"rtsp://u:p@127.0.0.1:8554/lobby","reply_topic":"video_1"}"#, "not_allowed"),
        ("video/play", r#"{"url":"rtsp://127.0.0.1:8554/x/../lobby","reply_topic":"video_1"}"#, "not_allowed"),
        ("video/play", r#"{"url":"rtsp://127.0.0.1:8554/lobb%79","reply_topic":"video_1"}"#, "not_allowed"),
        ("video/play", r#"{"url":"rtsp://127.0.0.1:8554/cam-1/../../x","reply_topic":"video_1"}"#, "not_allowed"),
        ("video/play", r#"{"source":"plain","profile":"legacy","reply_topic":"video_1"}"#, "not_allowed"),
        ("video/play", r#"{"source":"lobby","profile":"huge","reply_topic":"video_1"}"#, "bad_request"),
        ("video/play", r#"{"source":1,"reply_topic":"video_1"}"#, "bad_request"),
        ("video/dance", r#"{"source":"lobby","reply_topic":"video_1"}"#, "bad_request"),
        ("video/keepalive", r#"{"source":"lobby","reply_topic":"video_1"}"#, "bad_request"),
        ("video/play", &long, "bad_request"),
        ("client/play", r#"{"url":"rtsp://127.0.0.1:8554/nothing","resp_topic":"video_1"}"#, "not_allowed"),
    ];
    for (topic, payload, code) in cases {
        let reply = world.viewer.ask(topic, payload).await;
        assert_eq!(reply["code"], *code, "{topic} {payload}: {reply}");
        assert!(!reply["error"].as_str().unwrap().contains("u:p"), "{reply}");
    }
    assert_eq!(world.calls(), []);
    everything.send("end", "").await;
    let mut replies = 0;
    loop {
        match everything.next().await {
            Message { topic, .. } if topic == "end" => break,
            Message { topic, .. } if topic == "video_1" => replies += 1,
            Message { topic, .. } => {
                assert!(topic == "video/sources" || cases.iter().any(|case| case.0 == topic), "{topic}");
            }
        }
    }
    assert_eq!(replies, cases.len());
}

#[tokio::test]
async fn a_reply_topic_that_is_not_a_viewers_is_never_published_to() {
    let mut world = World::start().await;
    let mut everything = world.viewer(&["#"]).await;
    for topic in [
        "video/#",
        "+/x",
        "$SYS/broker/x",
        "video/play",
        "video/sources",
        "video/live/lobby/source/video",
        "client/play",
        "video/reply/1/status",
        "anything",
        "video/reply/a\\u0000b",
        "",
    ] {
        for (request, field) in [("video/play", "reply_topic"), ("client/describe", "resp_topic")] {
            let payload = format!(r#"{{"source":"lobby","{field}":"{topic}"}}"#);
            world.viewer.send(request, &payload).await;
        }
    }
    world.viewer.send("video/play", "{").await;
    world.viewer.send("video/play", "").await;
    world.viewer.heard_nothing().await;
    assert_eq!(world.calls(), []);
    everything.send("end", "").await;
    loop {
        let message = everything.next().await;
        if message.topic == "end" {
            break;
        }
        assert!(!message.payload.starts_with(br#"{"error"#) || message.topic == "video_2", "{message:?}");
    }
}

#[tokio::test]
async fn a_retained_request_of_another_time_is_nobodys() {
    let broker = Broker::start();
    let before = Viewer::connect(&broker, &[]).await;
    before.publish(Publication::new("client/unregister", r#"{"clientId":"id_0"}"#).retain()).await;
    before.publish(Publication::new("video/stop", r#"{"reply_topic":"video_1"}"#).retain()).await;
    before.publish(Publication::new("video/play", r#"{"source":"lobby","reply_topic":"video_1"}"#).retain()).await;
    let mut later = World::at(broker, vec![Worker::start("t0", 4).await], &[]).await;
    later.viewer.heard_nothing().await;
    assert_eq!(later.calls(), []);
}

#[tokio::test]
async fn with_a_token_file_only_its_lines_admit() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "# wall\nalpha\nbeta\n").unwrap();
    let flags = ["--viewer-token-file", file.path().to_str().unwrap()];
    let mut world = World::with(vec![Worker::start("t0", 4).await], &flags).await;
    for token in ["", r#","token":"alph""#, r#","token":"alpha ""#, r##","token":"# wall""##] {
        let reply = world
            .viewer
            .ask("video/describe", &format!(r#"{{"source":"lobby","reply_topic":"video_1"{token}}}"#))
            .await;
        assert_eq!(reply["code"], "unauthorized", "{token}: {reply}");
    }
    assert_eq!(world.calls(), []);
    let reply =
        world.viewer.ask("video/describe", r#"{"source":"lobby","reply_topic":"video_1","token":"beta"}"#).await;
    assert_eq!(reply["worker"], "t0", "{reply}");
}

#[tokio::test]
async fn the_list_of_sources_is_announced_without_urls_and_again_when_it_changes() {
    let world = World::start().await;
    let mut listener = world.viewer(&["video/sources"]).await;
    let announced = listener.next().await;
    assert!(announced.retain);
    let list: Value = serde_json::from_slice(&announced.payload).unwrap();
    let both = ["source", "legacy"];
    assert_eq!(
        list,
        serde_json::json!({"sources": [{"name": "lobby", "profiles": both}, {"name": "yard", "profiles": both},
            {"name": "plain", "profiles": ["source"]}]})
    );
    world.write_sources("sources: [");
    world.write_sources("sources: [{name: roof, url: 'rtsp://127.0.0.1:8554/roof'}]");
    let list: Value = serde_json::from_slice(&listener.next().await.payload).unwrap();
    assert_eq!(list, serde_json::json!({"sources": [{"name": "roof", "profiles": both}]}));
}
