//! What the services say over HTTP.

use e2e::{World, http};
use serde_json::Value;

#[tokio::test]
async fn the_page_is_told_where_the_broker_is() {
    let world = World::describe().transcoders(1, "").start().await;
    let answer = http::get(world.gatekeeper.http, "/config.json").await.expect("an answer");
    assert_eq!(answer.status, 200);
    let config: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert!(config.to_string().contains(&format!("ws://{}", world.wire.address)), "{config}");
    assert!(config.to_string().contains("\"video\""), "{config}");
}

#[tokio::test]
async fn both_services_are_alive_ready_and_measured() {
    let mut world = World::describe().transcoders(1, "").start().await;
    let services = [world.gatekeeper.http, world.transcoders[0].http];
    for service in services {
        for (path, status) in [("/live", 200), ("/ready", 200), ("/metrics", 200)] {
            assert_eq!(http::get(service, path).await.expect("an answer").status, status, "{path}");
        }
    }
    world.broker.part.kill().await;
    let [gatekeeper, transcoder] = services;
    let unready = async {
        while http::get(transcoder, "/ready").await.expect("an answer").status == 200 {
            tokio::task::yield_now().await;
        }
    };
    e2e::wait::within("a transcoder is not ready without a broker", unready).await;
    let unconnected = async {
        while world.gatekeeper.count("broker_connected").await.expect("counted") > 0.0 {
            tokio::task::yield_now().await;
        }
    };
    e2e::wait::within("a gatekeeper notices that the broker is gone", unconnected).await;
    // No other gatekeeper would be better off, and the page says what is the matter.
    for (service, path) in
        [(gatekeeper, "/ready"), (gatekeeper, "/config.json"), (gatekeeper, "/live"), (transcoder, "/live")]
    {
        assert_eq!(http::get(service, path).await.expect("an answer").status, 200, "{path}");
    }
}
