//! Subscriptions that come and go while the service runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rumqttc::{AsyncClient, QoS, SubscribeNoticeError};
use tokio::sync::watch;
use tracing::{debug, warn};

/// Filters that somebody wants now, and how many do. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted(Arc<Mutex<BTreeMap<String, usize>>>);

/// Keeps a subscription up; ends it when dropped.
#[derive(Debug)]
pub struct Subscription {
    filter: String,
    wanted: Wanted,
    current: watch::Receiver<Option<AsyncClient>>,
}

/// Why nothing will come from a subscription.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// There is no connection, or it went before the broker answered.
    #[error("the broker is not connected")]
    NotConnected,
    /// The broker refused it.
    #[error("the broker refused a subscription to {filter}: {why}")]
    Refused {
        /// What was asked for.
        filter: String,
        /// In the broker's words.
        why: String,
    },
}

impl Wanted {
    pub(super) fn add(&self, filter: String, current: watch::Receiver<Option<AsyncClient>>) -> Subscription {
        let subscription = self.want(filter, current);
        let client = subscription.current.borrow().clone();
        if let Some(client) = client {
            subscribe(client, subscription.filter.clone());
        }
        subscription
    }

    pub(super) async fn add_granted(
        &self,
        filter: String,
        current: watch::Receiver<Option<AsyncClient>>,
    ) -> Result<Subscription, SubscribeError> {
        let client = current.borrow().clone().ok_or(SubscribeError::NotConnected)?;
        let subscription = self.want(filter, current);
        let filter = subscription.filter.as_str();
        let notice = client.subscribe_tracked(filter, QoS::AtLeastOnce).await;
        match notice.map_err(|_| SubscribeError::NotConnected)?.wait_completion_async().await {
            Ok(()) => Ok(subscription),
            Err(SubscribeNoticeError::V5SubAckFailure(codes)) => {
                Err(SubscribeError::Refused { filter: filter.to_owned(), why: format!("{codes:?}") })
            }
            Err(_) => Err(SubscribeError::NotConnected),
        }
    }

    fn want(&self, filter: String, current: watch::Receiver<Option<AsyncClient>>) -> Subscription {
        *self.lock().entry(filter.clone()).or_default() += 1;
        Subscription { filter, wanted: self.clone(), current }
    }

    /// On a new connection.
    pub(super) fn subscribe_all(&self, client: &AsyncClient) {
        for filter in self.lock().keys() {
            subscribe(client.clone(), filter.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Neither the task that polls nor the caller waits for room in the queue.
fn subscribe(client: AsyncClient, filter: String) {
    tokio::spawn(async move {
        match client.subscribe_tracked(filter.as_str(), QoS::AtLeastOnce).await {
            Ok(notice) => {
                if let Err(error) = notice.wait_completion_async().await {
                    warn!(filter, %error, "not subscribed");
                }
            }
            Err(error) => debug!(filter, %error, "not subscribed: the connection went"),
        }
    });
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut wanted = self.wanted.lock();
        let others = wanted.get_mut(&self.filter).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if others > 0 {
            return;
        }
        wanted.remove(&self.filter);
        drop(wanted);
        if let Some(client) = self.current.borrow().as_ref() {
            // With the queue full it stays until the connection goes, and its messages concern nobody.
            client.try_unsubscribe(self.filter.as_str()).ok();
        }
    }
}
