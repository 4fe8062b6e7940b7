//! Where a stream is in its life. Pure: events and time come in, decisions come out.
//!
//! ```text
//!               first picture         nobody watches
//!   ┌─ Starting ─────────────► Live ◄────────────────► Lingering ─┐
//!   │     │                    │  ▲     somebody does             │
//!   │     │ lost               │  │                              │ lost, or
//!   │     │ while watched      │  │ a picture                    │ unwatched
//!   │     │               lost ▼  │                              │ for `linger`
//!   │     └────────────────► Restarting ─┐                       │
//!   │ lost, or                           │ unwatched             │
//!   │ unwatched for `linger`             ▼ for `linger`          ▼
//!   └─────────────────────────────────► Ended ◄──────────────────┘
//! ```
//!
//! Watched means: somebody plays it, waits for its description, or has subscribed to it unasked. A stream that nobody
//! watches ends after `linger` in any state, and at once when its source is lost, as then there is nothing to keep warm.

use std::time::{Duration, Instant};

use crate::failure::Code;

/// A state, as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum State {
    /// There was no picture yet.
    Starting,
    /// Media flows.
    Live,
    /// Media flows and nobody watches.
    Lingering,
    /// The source was lost; viewers stay.
    Restarting,
}

impl State {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Starting, Self::Live, Self::Lingering, Self::Restarting];

    /// As operators read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Lingering => "lingering",
            Self::Restarting => "restarting",
        }
    }
}

/// What to do about a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Retry,
    /// End the stream.
    End,
}

/// The life of one stream.
#[derive(Debug)]
pub(crate) struct Life {
    flow: Flow,
    watch: Watch,
    linger: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Opening,
    Flowing,
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    Watched,
    Unwatched { since: Instant },
}

impl Life {
    /// A stream that was just asked for.
    pub(crate) fn new(linger: Duration, now: Instant) -> Self {
        Self { flow: Flow::Opening, watch: Watch::Unwatched { since: now }, linger }
    }

    /// Where it is.
    pub(crate) fn state(&self) -> State {
        match (self.flow, self.watch) {
            (Flow::Opening, _) => State::Starting,
            (Flow::Flowing, Watch::Watched) => State::Live,
            (Flow::Flowing, Watch::Unwatched { .. }) => State::Lingering,
            (Flow::Lost, _) => State::Restarting,
        }
    }

    /// Whether media flows.
    pub(crate) fn is_flowing(&self) -> bool {
        self.flow == Flow::Flowing
    }

    /// Somebody watches, or nobody does.
    pub(crate) fn watched(&mut self, somebody: bool, now: Instant) {
        match (self.watch, somebody) {
            (_, true) => self.watch = Watch::Watched,
            (Watch::Watched, false) => self.watch = Watch::Unwatched { since: now },
            (Watch::Unwatched { .. }, false) => {}
        }
    }

    /// A picture is out.
    pub(crate) fn flows(&mut self) {
        self.flow = Flow::Flowing;
    }

    /// A run ended and the next comes at once. Only from the outside it looks like a loss, if it was live.
    pub(crate) fn interrupted(&mut self) {
        if self.flow == Flow::Flowing {
            self.flow = Flow::Lost;
        }
    }

    /// The source was lost, or could not be opened.
    pub(crate) fn lost(&mut self, code: Code) -> Verdict {
        let never_flowed = self.flow == Flow::Opening;
        let unwatched = matches!(self.watch, Watch::Unwatched { .. });
        if unwatched || (never_flowed && code == Code::UnsupportedCodec) {
            return Verdict::End;
        }
        self.flow = Flow::Lost;
        Verdict::Retry
    }

    /// Whether it has lingered enough.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        match self.watch {
            Watch::Watched => false,
            Watch::Unwatched { since } => now.duration_since(since) >= self.linger,
        }
    }

    /// When [`Self::is_over`] will be true, if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.watch {
            Watch::Watched => None,
            Watch::Unwatched { since } => Some(since + self.linger),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINGER: Duration = Duration::from_secs(10);

    #[test]
    fn a_described_stream_stays_warm_for_linger() {
        let now = Instant::now();
        let mut life = Life::new(LINGER, now);
        life.watched(true, now);
        life.flows();
        assert_eq!(life.state(), State::Live);
        life.watched(false, now + Duration::from_secs(1));
        assert_eq!(life.state(), State::Lingering);
        life.watched(false, now + Duration::from_secs(5));
        assert_eq!(life.deadline(), Some(now + Duration::from_secs(11)));
        assert!(!life.is_over(now + Duration::from_secs(10)));
        assert!(life.is_over(now + Duration::from_secs(11)));
        life.watched(true, now + Duration::from_secs(10));
        assert!(!life.is_over(now + Duration::from_hours(1)));
    }

    #[test]
    fn a_lost_source_keeps_its_viewers_and_nobody_else() {
        let now = Instant::now();
        for flowed in [false, true] {
            for (watched, code, expected) in [
                (true, Code::SourceUnreachable, Verdict::Retry),
                (true, Code::SourceUnauthorized, Verdict::Retry),
                (true, Code::UnsupportedCodec, if flowed { Verdict::Retry } else { Verdict::End }),
                (false, Code::SourceUnreachable, Verdict::End),
            ] {
                let mut life = Life::new(LINGER, now);
                if flowed {
                    life.flows();
                }
                life.watched(watched, now);
                assert_eq!(life.lost(code), expected, "{flowed} {watched} {code:?}");
                if expected == Verdict::Retry {
                    assert_eq!(life.state(), State::Restarting);
                    life.flows();
                    assert_eq!(life.state(), State::Live);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_watched_stream_is_never_over(steps in prop::collection::vec((0u8..4, 0u64..30), 0..50)) {
            let mut now = Instant::now();
            let mut life = Life::new(LINGER, now);
            let mut watched = false;
            for (step, after) in steps {
                now += Duration::from_secs(after);
                match step {
                    0 => { watched = !watched; life.watched(watched, now); }
                    1 => life.flows(),
                    2 => life.interrupted(),
                    _ => if life.lost(Code::SourceUnreachable) == Verdict::End { prop_assert!(!watched); return Ok(()); },
                }
                prop_assert!(!(watched && life.is_over(now)));
                prop_assert_eq!(life.deadline().is_some(), !watched);
                if life.state() == State::Lingering { prop_assert!(!watched); }
            }
        }
    }
}
