//! Which of ffmpeg's messages are logged.

use std::time::{Duration, Instant};

use tracing::{debug, warn};

/// Messages of ffmpeg that are logged within a period: enough for any failure to start.
const QUOTA: u32 = 10;
const QUOTA_PERIOD: Duration = Duration::from_secs(10);

/// Logs ffmpeg's messages as long as they are few and new: a damaged stream brings thousands, a camera that is away the
/// same ones again and again.
#[derive(Debug, Default)]
pub(crate) struct Chatter {
    period: Option<Instant>,
    lines: u32,
}

impl Chatter {
    /// A message; `again` if its like was logged before.
    pub(crate) fn message(&mut self, line: &str, again: bool) {
        if again {
            debug!(ffmpeg = line, "ffmpeg says");
            return;
        }
        let now = Instant::now();
        if self.period.is_none_or(|began| now.duration_since(began) >= QUOTA_PERIOD) {
            if self.lines > QUOTA {
                warn!(suppressed = self.lines - QUOTA, "more messages of ffmpeg");
            }
            *self = Self { period: Some(now), lines: 0 };
        }
        self.lines += 1;
        if self.lines <= QUOTA {
            warn!(ffmpeg = line, "ffmpeg says");
        }
    }
}
