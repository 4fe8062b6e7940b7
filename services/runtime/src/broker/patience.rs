//! How long an attempt to connect may take.
//!
//! The way to a broker that has just gone may swallow an attempt whole: a Service of Kubernetes leads to its address for a moment
//! longer, where nobody answers, and connection tracking keeps every retransmission on that way, even once the Service leads to the
//! next broker. A new attempt gets through, so the first one is short. A network or a broker that is slow and not gone must not be
//! shut out by that: each attempt that ran out of time is followed by one with twice as much.

use std::time::Duration;

/// When TCP would send its first packet again, the next attempt does so from another port. A broker so far away that name, TCP, TLS and
/// MQTT take longer costs an attempt or two.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(8);

/// From the name to the broker's CONNACK.
#[derive(Debug)]
pub(super) struct Patience(Duration);

impl Patience {
    pub(super) fn new() -> Self {
        Self(SHORTEST)
    }

    /// What the next attempt may take.
    pub(super) fn limit(&self) -> Duration {
        self.0
    }

    /// An attempt took longer than that.
    pub(super) fn ran_out(&mut self) {
        self.0 = (self.0 * 2).min(LONGEST);
    }

    /// There was a connection: the next attempt is a first one.
    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }
}
