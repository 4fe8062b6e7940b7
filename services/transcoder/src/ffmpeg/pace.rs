//! How long to pause between two runs of ffmpeg.
//!
//! Short at first and for minutes, since most losses are a camera that restarts; long where only somebody's deed can help.
//! Pure, but for the jitter: time is passed in.

use std::time::{Duration, Instant};

use runtime::backoff::Backoff;

use crate::failure::Code;

/// First pause: short, as most losses are over at once, and its freeze is what viewers see.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause while a camera may just be restarting, so that its picture is back within seconds of its return.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a camera may just be restarting.
const PATIENCE: Duration = Duration::from_mins(5);
/// Longest pause after that.
const LONGEST_PAUSE_LATER: Duration = Duration::from_secs(15);
/// Between attempts that cannot succeed unless somebody changes something; cameras lock out who tries more often.
const PAUSE_IF_HOPELESS: Duration = Duration::from_secs(30);
/// A run this long was healthy: what fails after it fails anew.
const HEALTHY: Duration = Duration::from_secs(10);
/// How long to pause.
#[derive(Debug)]
pub(crate) struct Pace {
    backoff: Backoff,
    failing_since: Option<Instant>,
    later: bool,
}

impl Pace {
    /// Nothing has failed yet.
    pub(crate) fn new() -> Self {
        Self { backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), failing_since: None, later: false }
    }

    /// An attempt failed, and none was healthy since.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing_since.is_some()
    }

    /// A run that began then is over, and gave pictures or did not.
    pub(crate) fn ran(&mut self, pictures: bool, began: Instant, now: Instant) {
        if pictures && now.duration_since(began) >= HEALTHY {
            *self = Self::new();
        }
    }

    /// The pause after an attempt that failed for this reason.
    pub(crate) fn pause(&mut self, code: Code, now: Instant) -> Duration {
        let since = *self.failing_since.get_or_insert(now);
        if matches!(code, Code::SourceUnauthorized | Code::UnsupportedCodec | Code::Internal) {
            return PAUSE_IF_HOPELESS;
        }
        if !self.later && now.duration_since(since) >= PATIENCE {
            self.later = true;
            self.backoff = Backoff::new(LONGEST_PAUSE, LONGEST_PAUSE_LATER);
        }
        self.backoff.next_delay()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_that_restarts_is_tried_every_two_seconds_for_minutes() {
        let (mut pace, mut now) = (Pace::new(), Instant::now());
        let began = now;
        while now.duration_since(began) < PATIENCE {
            let pause = pace.pause(Code::SourceUnreachable, now);
            assert!(pause <= LONGEST_PAUSE, "{pause:?}");
            now += pause;
        }
        for _ in 0..20 {
            let pause = pace.pause(Code::SourceUnreachable, now);
            assert!(pause <= LONGEST_PAUSE_LATER, "{pause:?}");
        }
    }

    #[test]
    fn a_refused_login_is_not_hammered() {
        let mut pace = Pace::new();
        assert_eq!(pace.pause(Code::SourceUnauthorized, Instant::now()), PAUSE_IF_HOPELESS);
    }
}
