//! Stamps: when a picture reached the worker, told from how early pictures have reached it lately.
//!
//! One moment alone is a poor witness. ffmpeg may have been late to look, we may have been, or a busy machine made both
//! wait: always late, never early. The timeline however is as even as the camera's clock. So a picture reached us where the
//! timeline says that it did, as seen from the promptest picture of the last minute. Stamps are even that way, and a
//! transcode that falls behind the camera shows: its pictures are old by what waits unread.
//!
//! A minute, because a camera's clock drifts: by 50 parts in a million that is 3 ms. A clock that was set breaks the tie of
//! source and timeline, and everything is learnt anew. Pure: times are passed in.

use std::collections::VecDeque;

use crate::timeline::Ticks;

/// Length of a bucket on the timeline, and how many are looked back on.
const BUCKET: Ticks = 5 * crate::fmp4::VIDEO_TIMESCALE as Ticks;
const BUCKETS: usize = 12;

/// Where a generation's timeline lies in time.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// Each with its beginning, and the smallest difference of wall clock and timeline in microseconds.
    buckets: VecDeque<(Ticks, i64)>,
    /// What ties the timeline to the source's times.
    tie: i64,
}

impl Arrival {
    /// A picture at `decode_time` was seen to have come by `unix_us`; `tie` is what ties the timeline to the source. Returns
    /// when it reached us, in Unix microseconds; never later than it was seen.
    pub(crate) fn stamp(&mut self, decode_time: Ticks, tie: i64, unix_us: u64) -> u64 {
        if self.tie != tie {
            self.tie = tie;
            self.buckets.clear();
        }
        let media = microseconds(decode_time);
        let difference = unix_us as i64 - media;
        match self.buckets.back_mut() {
            Some((since, least)) if decode_time.saturating_sub(*since) < BUCKET => *least = difference.min(*least),
            _ => {
                if self.buckets.len() == BUCKETS {
                    self.buckets.pop_front();
                }
                self.buckets.push_back((decode_time, difference));
            }
        }
        let least = self.buckets.iter().map(|(_, least)| *least).min().unwrap_or(difference);
        (media + least) as u64
    }
}

fn microseconds(ticks: Ticks) -> i64 {
    (ticks * 100 / 9) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME_US: u64 = 40_000;
    const FRAME: Ticks = 3600;

    /// Pictures that are seen so many microseconds after they came; how wrong the last stamp is.
    #[track_caller]
    fn error(late: impl IntoIterator<Item = u64>) -> i64 {
        let mut arrival = Arrival::default();
        let mut error = 0;
        for (n, late) in (0..).zip(late) {
            let came = 1_000_000 + n * FRAME_US;
            error = arrival.stamp(n * FRAME, 0, came + late) as i64 - came as i64;
        }
        error
    }

    #[test]
    fn who_looks_late_once_makes_nothing_late() {
        assert_eq!(error([0, 0, 0, 300_000, 260_000, 220_000]), 0);
        assert_eq!(error([500_000, 460_000, 420_000, 0, 7_000]), 0);
    }

    #[test]
    fn a_backlog_that_grows_is_seen() {
        assert_eq!(error((0..250).map(|n| n * 8_000)), 0);
    }

    #[test]
    fn what_has_lasted_for_a_minute_is_how_it_is() {
        let minute = 60 * 25;
        assert_eq!(error([0].into_iter().chain((0..2 * minute).map(|_| 20_000))), 20_000);
        assert_eq!(error([0].into_iter().chain((0..minute / 2).map(|_| 20_000))), 0);
    }

    #[test]
    fn a_drifting_camera_is_followed() {
        let slow = |ppm: u64| error((0..5 * 60 * 25).map(|n| n * FRAME_US * ppm / 1_000_000));
        // The camera's clock is slow, so each picture seems to come later than the one before.
        assert!((-3_300..=0).contains(&(slow(50) - 15_000)), "{}", slow(50));
    }

    #[test]
    fn a_clock_that_was_set_begins_anew() {
        let mut arrival = Arrival::default();
        assert_eq!(arrival.stamp(0, 7, 1_000_000), 1_000_000);
        assert_eq!(arrival.stamp(FRAME, 7, 9_000_000), 1_040_000);
        assert_eq!(arrival.stamp(2 * FRAME, 8, 9_000_000), 9_000_000);
    }

    proptest! {
        #[test]
        fn no_stamp_is_later_than_the_picture_was_seen(seen in prop::collection::vec((0u64..20_000_000, 0u64..100_000), 1..200)) {
            let mut arrival = Arrival::default();
            let mut decode_time = 0;
            for (unix_us, step) in seen {
                decode_time += step;
                prop_assert!(arrival.stamp(decode_time, 0, 40_000_000 + unix_us) <= 40_000_000 + unix_us);
            }
        }
    }
}
