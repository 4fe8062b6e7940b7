//! Workers found by the `EndpointSlices` of a Service.

use crate::gatekeeper::Way;
use crate::world::World;

const DISCOVER: &[&str] = &["--discover-service", "transcoder"];

#[tokio::test]
async fn the_pool_follows_the_slices_whatever_their_readiness() {
    let world = World::start().await;
    let (one, two) = (world.worker("t0").await, world.worker("t1").await);
    let gatekeeper = world.gatekeeper(DISCOVER).await.ready().await;
    world.endpoints(&[&one]).await;
    gatekeeper.knows(1).await;
    let mut viewer = world.viewer().await;
    let reply = viewer.ask("video/describe", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    assert_eq!(reply["worker"], "t0", "{reply}");
    world.endpoints(&[&one, &two]).await;
    gatekeeper.knows(2).await;
    world.endpoints(&[]).await;
    gatekeeper.until("/metrics", |text| text.contains("workers{state=\"ready\"} 0\n")).await;
    gatekeeper.until("/metrics", |text| text.contains("workers{state=\"lost\"} 0\n")).await;
}

#[tokio::test]
async fn without_the_api_the_known_workers_serve_on() {
    let world = World::start().await;
    let (one, two) = (world.worker("t0").await, world.worker("t1").await);
    world.endpoints(&[&one]).await;
    let gatekeeper = world.gatekeeper(DISCOVER).await.ready().await;
    gatekeeper.knows(1).await;
    gatekeeper.way.cut();
    world.endpoints(&[&one, &two]).await;
    let mut viewer = world.viewer().await;
    let reply = viewer.ask("video/describe", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    assert_eq!(reply["worker"], "t0", "{reply}");
    for page in ["/live", "/ready"] {
        assert!(gatekeeper.get(page).await.contains("200 OK"), "{page}");
    }
    gatekeeper.way.restore();
    gatekeeper.knows(2).await;
}

#[tokio::test]
async fn nobody_is_ready_who_does_not_know_the_workers() {
    let world = World::start().await;
    let one = world.worker("t0").await;
    world.endpoints(&[&one]).await;
    let way = Way::to(&world.client_config().await).await;
    way.cut();
    let gatekeeper = world.gatekeeper_by(way, DISCOVER).await;
    let told =
        |text: &str| text.contains("503") && text.contains("workers: the Kubernetes API does not list endpoints");
    gatekeeper.until("/ready", told).await;
    assert!(gatekeeper.get("/live").await.contains("200 OK"));
    gatekeeper.way.restore();
    let gatekeeper = gatekeeper.ready().await;
    gatekeeper.knows(1).await;
}
