//! Frames and bits per second of a stream, and how long its frames are with the worker, over the last few seconds. Pure: a
//! second is a call.

use std::collections::VecDeque;
use std::time::Duration;

/// Seconds that are looked back on: smooths out where the border of a second happens to fall.
const SECONDS: usize = 5;

/// What came within the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// Frames per second when pictures came last.
    usual: f64,
    now: Count,
    past: VecDeque<Count>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    frames: u32,
    bytes: usize,
    held: Duration,
}

impl Rate {
    /// A fragment came. If it is a frame of video: how long ago that had reached us.
    pub(crate) fn count(&mut self, held: Option<Duration>, bytes: usize) {
        if let Some(held) = held {
            self.now.frames += 1;
            self.now.held += held;
        }
        self.now.bytes += bytes;
    }

    /// A second went by. Returns whether it lacked the pictures that are usual.
    pub(crate) fn second(&mut self) -> bool {
        // Before anything came there is nothing to average.
        if self.past.is_empty() && self.now.bytes == 0 {
            return false;
        }
        let came = self.now.frames > 0;
        if self.past.len() == SECONDS {
            self.past.pop_front();
        }
        self.past.push_back(std::mem::take(&mut self.now));
        if came {
            self.usual = self.frames_per_second();
        }
        // Slower ones have seconds without a picture by their nature.
        !came && self.usual >= 2.0
    }

    /// To a tenth.
    pub(crate) fn frames_per_second(&self) -> f64 {
        let frames: u32 = self.past.iter().map(|count| count.frames).sum();
        (f64::from(frames) / self.seconds() * 10.0).round() / 10.0
    }

    /// Of all tracks, as they are published.
    pub(crate) fn bits_per_second(&self) -> u64 {
        let bytes: usize = self.past.iter().map(|count| count.bytes).sum();
        (bytes as f64 * 8.0 / self.seconds()) as u64
    }

    /// For how long frames were with the worker, ffmpeg included, before they were published: the mean. `None` without any.
    pub(crate) fn held(&self) -> Option<Duration> {
        let frames: u32 = self.past.iter().map(|count| count.frames).sum();
        self.past.iter().map(|count| count.held).sum::<Duration>().checked_div(frames)
    }

    fn seconds(&self) -> f64 {
        self.past.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_that_sends_a_picture_every_few_seconds_does_not_stand() {
        let mut rate = Rate::default();
        for second in 0..20 {
            if second % 4 == 0 {
                rate.count(Some(Duration::ZERO), 1000);
            }
            assert!(!rate.second());
        }
    }

    #[test]
    fn rates_are_means_over_the_last_seconds() {
        let mut rate = Rate::default();
        for frames in [0, 0, 30, 31, 29, 30, 30] {
            (0..frames).for_each(|n| rate.count(Some(Duration::from_millis(30 + n % 2 * 10)), 1000));
            rate.count(None, 500);
            rate.second();
        }
        assert!((rate.frames_per_second() - 30.0).abs() < 0.01);
        assert_eq!(rate.bits_per_second(), 30_500 * 8);
        assert_eq!(rate.held().map(|held| held.as_millis()), Some(34));
        (0..SECONDS).for_each(|_| assert!(rate.second(), "it stands"));
        assert_eq!(rate.held(), None);
        assert!(rate.frames_per_second() < 0.01);
    }
}
