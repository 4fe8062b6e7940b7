//! One of several gatekeepers leads, and another when it goes.

use std::time::{Duration, Instant};

use crate::gatekeeper::{Gatekeeper, Way};
use crate::world::{World, within};

/// The leader among two, and the other.
async fn two(world: &World) -> (Gatekeeper, Gatekeeper) {
    let start = async |identity| {
        let flags = ["--transcoder", "http://127.0.0.1:1", "--lease", "gatekeeper", "--identity", identity];
        world.gatekeeper(&flags).await.ready().await
    };
    let (one, two) = (start("one").await, start("two").await);
    within(async { while one.leads().await == two.leads().await {} }).await;
    if one.leads().await { (one, two) } else { (two, one) }
}

/// How long `next` takes to lead; all the while only one may.
async fn until_leads(next: &Gatekeeper, old: Option<&Gatekeeper>) -> Duration {
    let since = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(5));
    within(async {
        loop {
            let leads = next.leads().await;
            let still = match old {
                Some(old) => old.leads().await,
                None => false,
            };
            assert!(!(leads && still), "two lead");
            if leads {
                return since.elapsed();
            }
            look.tick().await;
        }
    })
    .await
}

#[tokio::test]
async fn one_of_two_leads_and_the_next_at_once_when_it_shuts_down() {
    let world = World::start().await;
    let (leader, other) = two(&world).await;
    leader.terminate();
    let took = until_leads(&other, None).await;
    assert!(took < Duration::from_secs(2), "{took:?}: the lease was not released");
}

#[tokio::test]
async fn a_leader_that_dies_is_followed_when_its_lease_is_over() {
    let world = World::start().await;
    let (mut leader, other) = two(&world).await;
    leader.kill().await;
    let took = until_leads(&other, None).await;
    // It was renewed up to a second before.
    assert!((Duration::from_secs(3)..Duration::from_secs(6)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_leader_that_cannot_renew_steps_down_before_another_leads() {
    for lose in [Way::cut, Way::silence] {
        let world = World::start().await;
        let (leader, other) = two(&world).await;
        lose(&leader.way);
        let took = until_leads(&other, Some(&leader)).await;
        assert!(!leader.leads().await);
        assert!((Duration::from_secs(3)..Duration::from_secs(6)).contains(&took), "{took:?}");
        leader.way.restore();
        assert!(other.leads().await, "who comes back follows");
    }
}

#[tokio::test]
async fn without_a_lease_the_only_gatekeeper_leads() {
    let world = World::start().await;
    let gatekeeper = world.gatekeeper(&["--transcoder", "http://127.0.0.1:1"]).await.ready().await;
    assert!(gatekeeper.leads().await);
}
