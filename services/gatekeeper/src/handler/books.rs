//! Where streams and viewers are, as far as this process knows: what workers report, and what was placed a moment ago.
//!
//! One lock holds it, for looking and noting only, never while a worker answers.

use std::time::Instant;

use crate::placement::{Fleet, MemberId};
use crate::pool::Pool;
use crate::recent::Recent;

/// Streams and viewers, by who has them.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// The workers as last seen, with what was placed on them of late.
    pub(crate) fleet: Fleet,
    viewers: Recent<str>,
}

impl Books {
    /// The workers as they are now.
    pub(crate) fn seeing(&mut self, pool: &Pool) -> &mut Fleet {
        self.fleet.see(&pool.view());
        self.fleet.expire(Instant::now());
        &mut self.fleet
    }

    /// The viewer on `reply_topic` is with `member`.
    pub(crate) fn watches(&mut self, reply_topic: &str, member: MemberId, now: Instant) {
        self.expire(now);
        self.viewers.put(reply_topic.into(), member, now);
    }

    /// Where the viewer on `reply_topic` is, as far as remembered; it is forgotten by that.
    pub(crate) fn watched(&mut self, reply_topic: &str, now: Instant) -> Option<MemberId> {
        self.expire(now);
        self.viewers.take(reply_topic)
    }

    fn expire(&mut self, now: Instant) {
        while self.viewers.expired(now).is_some() {}
    }
}
