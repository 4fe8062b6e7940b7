//! Waiting for a condition instead of for a time.
//!
//! The backstop says only that something hangs. It is generous, because a slow machine is no failure, and no claim of a
//! test rests on it.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

/// After this a wait is a hang.
pub const BACKSTOP: Duration = Duration::from_secs(40);

/// How often a condition without a notification of its own is looked at.
pub(crate) const PERIOD: Duration = Duration::from_millis(20);

/// Looks until `look` finds something.
///
/// # Panics
///
/// When the backstop passes; the message names `what`.
pub async fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    match try_until(look).await {
        Some(found) => found,
        None => panic!("waited {BACKSTOP:?} in vain: {what}"),
    }
}

/// Looks until `look` returns `expected`; says what it saw last if it never does.
pub async fn until_equal<T: PartialEq + Debug>(what: &str, expected: T, mut look: impl FnMut() -> T) {
    let mut last = None;
    let look = || {
        let seen = look();
        let reached = seen == expected;
        last = Some(seen);
        reached.then_some(())
    };
    let reached = try_until(look).await.is_some();
    assert!(reached, "waited {BACKSTOP:?} in vain: {what}: expected {expected:?}, last seen {last:?}");
}

/// Looks until `look` finds something; nothing when the backstop passes.
pub async fn try_until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    timeout(BACKSTOP, async {
        let mut turns = interval(PERIOD);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            if let Some(found) = look() {
                return found;
            }
        }
    })
    .await
    .ok()
}

/// Awaits `event`, at most until the backstop.
///
/// # Panics
///
/// When the backstop passes; the message names `what`.
pub async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    let Ok(value) = timeout(BACKSTOP, event).await else { panic!("waited {BACKSTOP:?} in vain: {what}") };
    value
}
