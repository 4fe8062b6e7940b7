//! Which worker a stream goes to.
//!
//! The one that runs it already; else rendezvous hashing with bounded load: each worker gets a score for the stream, the
//! highest wins unless that worker already carries more than its share. Every replica computes the same from the same
//! view, and a worker that comes or goes moves only what it has to. The answer is an order, because a worker may refuse:
//! admission is its business.
//!
//! A [`Fleet`] is what is known of the workers, kept such that a pool of thousands is looked through in microseconds; a
//! [`Plan`] is the order. Pure: reports, placements that they cannot show yet, and time come in as arguments.

mod fleet;
mod index;
mod order;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

pub use self::fleet::Fleet;
pub use self::order::Plan;
use crate::stream::{Continuation, Failure, Health, StreamKey, Viewer};

/// Address of a worker; what tells members of the pool apart.
pub type MemberId = Arc<str>;

/// The ready workers as last heard of, by address.
pub type View = Arc<[(MemberId, Arc<Worker>)]>;

/// Streams of a worker. A report changes little of them, and what it does not change is shared with what was known before.
pub type Jobs = HashMap<Arc<StreamKey>, Arc<Job>>;

/// A ready worker as last heard of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Worker {
    /// Unique name.
    pub name: String,
    /// How many streams it runs at most.
    pub slots_total: u32,
    /// How many it runs.
    pub slots_used: u32,
    /// It admits nothing new.
    pub draining: bool,
    /// CPU time per wall time over the last seconds, its ffmpegs included.
    pub cpu_cores: f64,
    /// What it runs.
    pub jobs: Jobs,
    /// Streams that it ran until their source failed, of late, and when that was heard.
    pub failed: HashMap<StreamKey, (Failure, SystemTime)>,
}

/// A stream on a worker, as last heard of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Job {
    /// Who watches.
    pub viewers: Arc<[Viewer]>,
    /// The URL that was asked for, if it matched a pattern; else empty.
    pub pattern_url: String,
    /// How its source has to be treated, in the workers' words; only handed on.
    pub treatment: String,
    /// Where its numbering stood, and when that was heard.
    pub stood: Option<(Continuation, Instant)>,
    /// How it does.
    pub health: Health,
}

impl Job {
    /// Shares with `known`, an earlier report of the same stream, what is as it was.
    pub(crate) fn share(&mut self, known: &Self) {
        if self.viewers == known.viewers {
            self.viewers = known.viewers.clone();
        }
        if self.health.media == known.health.media {
            self.health.media.clone_from(&known.health.media);
        }
    }
}

impl Worker {
    /// Whether the viewer on this reply topic watches here.
    pub fn serves(&self, reply_topic: &str) -> bool {
        self.jobs.values().any(|job| job.viewers.iter().any(|viewer| viewer.reply_topic == reply_topic))
    }
}
