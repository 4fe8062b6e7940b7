//! Workers found by the `EndpointSlices` of a Service.

use std::path::Path;
use std::process::Command;

use tonic::transport::{Identity, ServerTlsConfig};

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

#[tokio::test]
async fn an_api_server_that_falls_silent_keeps_news_away_for_a_bounded_time() {
    let world = World::start().await;
    let (one, two) = (world.worker("t0").await, world.worker("t1").await);
    world.endpoints(&[&one]).await;
    let gatekeeper = world.gatekeeper(DISCOVER).await.ready().await;
    gatekeeper.knows(1).await;
    gatekeeper.way.silence();
    world.endpoints(&[&one, &two]).await;
    // What is silent stays so; only new connections get through.
    gatekeeper.way.restore();
    gatekeeper.knows(2).await;
}

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A certificate for `name` by an authority that is made with it, in `directory`.
fn certify(directory: &Path, name: &str) -> ServerTlsConfig {
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(directory, &format!("req -x509 {curve} -keyout ca.key -out ca.pem -days 1 -subj /CN=authority"));
    openssl(directory, &format!("req {curve} -keyout key.pem -out request.pem -subj /CN=worker"));
    std::fs::write(directory.join("extensions"), format!("subjectAltName=DNS:{name}\n")).unwrap();
    let sign = "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -extfile extensions";
    openssl(directory, &format!("{sign} -out certificate.pem"));
    let read = |file: &str| std::fs::read(directory.join(file)).unwrap();
    ServerTlsConfig::new().identity(Identity::from_pem(read("certificate.pem"), read("key.pem")))
}

#[tokio::test]
async fn the_certificate_of_a_discovered_worker_is_for_its_service() {
    let world = World::start().await;
    for (name, workers) in [(format!("transcoder.{}.svc", world.namespace), 1), ("transcoder.other.svc".to_owned(), 0)]
    {
        let directory = tempfile::tempdir().unwrap();
        let worker = world.worker_with("t0", Some(certify(directory.path(), &name))).await;
        world.endpoints(&[&worker]).await;
        let authority = directory.path().join("ca.pem");
        let flags = ["--discover-service", "transcoder", "--worker-ca", authority.to_str().unwrap()];
        let gatekeeper = world.gatekeeper(&flags).await.ready().await;
        let known = format!("workers{{state=\"lost\"}} {}\n", 1 - workers);
        gatekeeper.until("/metrics", |text| text.contains(&known)).await;
        gatekeeper.knows(workers).await;
    }
}
