//! Hears what the broker says about itself, while this replica leads.

use runtime::broker::Publisher;
use tokio::sync::watch;

use crate::metrics::{BROKER_FIGURES, Metrics};

/// Until whoever decides about leadership is gone. What is heard comes with the connection's other messages.
pub(super) async fn hear(publisher: Publisher, mut leader: watch::Receiver<bool>, metrics: Metrics) {
    loop {
        let subscription = leader.borrow_and_update().then(|| publisher.subscribe(BROKER_FIGURES));
        if leader.changed().await.is_err() {
            return;
        }
        drop(subscription);
        metrics.broker_figures().forget();
    }
}
