//! How long the worker's messages take to the broker: half of the smallest recent round trip.
//!
//! Every report is acknowledged, so it costs nothing to know. What waits in a queue, or for us to look, only adds; the
//! smallest is nearest to what the network takes. Nobody can tell from here whether the way back is as long as the way there.
//! Pure: durations come in.

use std::collections::VecDeque;
use std::time::Duration;

/// Acknowledgements that are looked back on: a minute of ticks, so that a network that changed is noticed.
const RECENT: usize = 60;

/// The recent round trips.
#[derive(Debug, Default)]
pub(super) struct Way(VecDeque<Duration>);

impl Way {
    /// A report was acknowledged after so long.
    pub(super) fn observe(&mut self, round_trip: Duration) {
        if self.0.len() == RECENT {
            self.0.pop_front();
        }
        self.0.push_back(round_trip);
    }

    /// One way, if it is known.
    pub(super) fn half(&self) -> Option<Duration> {
        self.0.iter().min().map(|least| *least / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_of_the_last_minute_counts() {
        let mut way = Way::default();
        assert_eq!(way.half(), None);
        for ms in [30, 8, 400] {
            way.observe(Duration::from_millis(ms));
        }
        assert_eq!(way.half(), Some(Duration::from_millis(4)));
        (0..RECENT).for_each(|_| way.observe(Duration::from_millis(20)));
        assert_eq!(way.half(), Some(Duration::from_millis(10)));
    }
}
