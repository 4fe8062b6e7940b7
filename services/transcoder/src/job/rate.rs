//! Frames and bits per second of a stream, and how long its frames are with the worker, over the last few seconds. Pure: a
//! second is a call.

use std::collections::VecDeque;
use std::time::Duration;

/// Seconds that are looked back on: smooths out where the border of a second happens to fall.
const SECONDS: usize = 5;

/// What came within the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Rate {
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

    /// A second went by.
    pub(crate) fn second(&mut self) {
        // Before anything came there is nothing to average.
        if self.past.is_empty() && self.now.bytes == 0 {
            return;
        }
        if self.past.len() == SECONDS {
            self.past.pop_front();
        }
        self.past.push_back(std::mem::take(&mut self.now));
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
        (0..SECONDS).for_each(|_| rate.second());
        assert_eq!(rate.held(), None);
        assert!(rate.frames_per_second() < 0.01);
    }
}
