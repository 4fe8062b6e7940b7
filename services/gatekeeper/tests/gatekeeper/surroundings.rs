//! What the gatekeeper lives among: other gatekeepers, a broker that goes, workers that come and go.

use serde_json::Value;

use crate::worker::Worker;
use crate::world::World;

#[tokio::test]
async fn replicas_share_the_requests_and_agree_where_streams_go() {
    let mut world = World::start().await;
    world.workers.iter().for_each(Worker::keep_quiet);
    world.replicate().await;
    for _ in 0..20 {
        world.viewer.send("video/describe", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    }
    let mut workers = Vec::new();
    for _ in 0..20 {
        let reply: Value = serde_json::from_slice(&world.viewer.next().await.payload).unwrap();
        workers.push(reply["worker"].clone());
    }
    world.viewer.heard_nothing().await;
    assert_eq!(world.calls().len(), 20, "each was carried out once");
    workers.dedup();
    assert_eq!(workers.len(), 1, "{workers:?}");
}

#[tokio::test]
async fn pages_are_served_without_the_broker_and_requests_are_answered_again_after_it_returns() {
    let mut world = World::start().await;
    world.until("/ready", |text| text.contains("200 OK")).await;
    world.broker.stop();
    world.until("/metrics", |text| text.contains("broker_connected 0")).await;
    for page in ["/live", "/ready", "/config.json"] {
        assert!(world.get(page).await.contains("200 OK"), "{page}");
    }
    world.broker.restart();
    world.until("/metrics", |text| text.contains("broker_connected 1")).await;
    let mut viewer = world.viewer(&["video_1", "video/sources"]).await;
    assert_eq!(viewer.next().await.topic, "video/sources", "announced to the broker that forgot it");
    let reply = viewer.ask("video/describe", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    assert_eq!(reply["source"], "lobby", "{reply}");
}

#[tokio::test]
async fn a_worker_that_reconnects_is_used_again() {
    let mut world = World::with(vec![Worker::start("t0", 4).await], &[]).await;
    world.workers[0].freeze();
    world.until("/metrics", |text| text.contains("workers{state=\"ready\"} 0")).await;
    let refusal = world.viewer.ask("video/describe", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    assert_eq!(refusal["code"], "no_capacity");
    world.workers[0].thaw();
    world.until("/metrics", |text| text.contains("workers{state=\"ready\"} 1")).await;
    let reply = world.viewer.ask("video/describe", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    assert_eq!(reply["worker"], "t0", "{reply}");
}
