//! `/status.json` of a gatekeeper. What is absent is not known; what is new is ignored.

use serde::{Deserialize, Deserializer};

/// What a gatekeeper knows.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    /// Of the gatekeeper.
    pub(super) version: Option<String>,
    /// When it was so, Unix time in milliseconds.
    pub(super) time: Option<u64>,
    /// Seconds since the gatekeeper started.
    pub(super) uptime_s: Option<u64>,
    /// Whether this replica leads.
    pub(super) leader: Option<bool>,
    /// The broker as the gatekeeper sees it.
    pub(super) broker: Option<Broker>,
    /// The pool.
    #[serde(deserialize_with = "or_nothing")]
    pub(super) workers: Vec<Worker>,
    /// What runs in it.
    #[serde(deserialize_with = "or_nothing")]
    pub(super) streams: Vec<Stream>,
    /// Streams that ended because their source failed, lately.
    #[serde(deserialize_with = "or_nothing")]
    pub(super) failures: Vec<Failed>,
    /// How those fare who watch.
    pub(super) viewers: Option<Viewers>,
}

/// The broker as the gatekeeper sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Broker {
    /// Whether it is there.
    pub(super) connected: Option<bool>,
}

/// A transcoder.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Worker {
    /// Its name.
    pub(super) name: Option<String>,
    /// `ready`, `draining` or `lost`.
    pub(super) state: Option<String>,
    /// Streams that it can run.
    pub(super) slots_total: Option<u64>,
    /// Streams that it runs.
    pub(super) slots_used: Option<u64>,
    /// CPU that its ffmpegs and itself use.
    pub(super) cpu_cores: Option<f64>,
    /// Streams that it runs.
    pub(super) streams: Option<u64>,
    /// Their viewers.
    pub(super) viewers: Option<u64>,
}

/// A source in a profile.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Stream {
    /// Name of the source.
    pub(super) source: Option<String>,
    /// How it is delivered.
    pub(super) profile: Option<String>,
    /// Who runs it.
    pub(super) worker: Option<String>,
    /// `starting`, `live`, `lingering` or `restarting`.
    pub(super) state: Option<String>,
    /// Who watch it.
    pub(super) viewers: Option<u64>,
    /// RFC 6381 codec string of the picture.
    pub(super) codec: Option<String>,
    /// Pixels.
    pub(super) width: Option<u64>,
    /// Pixels.
    pub(super) height: Option<u64>,
    /// As measured.
    pub(super) frames_per_second: Option<f64>,
    /// Runs after the first.
    pub(super) restarts: Option<u64>,
    /// Code of the protocol, of what went wrong last.
    pub(super) last_error: Option<String>,
}

/// A stream that ended because its source failed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Failed {
    /// Name of the source.
    pub(super) source: Option<String>,
    /// How it was to be delivered.
    pub(super) profile: Option<String>,
    /// Who tried.
    pub(super) worker: Option<String>,
    /// Code of the protocol.
    pub(super) error: Option<String>,
    /// Unix time in milliseconds.
    pub(super) time: Option<u64>,
}

/// What players report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Viewers {
    /// How many there are.
    pub(super) count: Option<u64>,
    /// End to end.
    pub(super) latency_ms: Option<Times>,
    /// From pressing play.
    pub(super) first_frame_ms: Option<Times>,
    /// Part of the time for which pictures stood.
    pub(super) rebuffer_ratio: Option<f64>,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Times {
    /// Of half of them.
    pub(super) p50: Option<f64>,
    /// Of 95 in 100.
    pub(super) p95: Option<f64>,
}

/// `null` is as good as absent.
fn or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}
