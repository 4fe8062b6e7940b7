//! Frames and bits per second of a stream, over the last few seconds. Pure: a second is a call.

use std::collections::VecDeque;

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
}

impl Rate {
    /// A fragment came, which is a frame if it is of video.
    pub(crate) fn count(&mut self, frame: bool, bytes: usize) {
        self.now.frames += u32::from(frame);
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
                rate.count(true, 1000);
            }
            assert!(!rate.second());
        }
    }

    #[test]
    fn rates_are_means_over_the_last_seconds() {
        let mut rate = Rate::default();
        for frames in [0, 0, 30, 31, 29, 30, 30] {
            (0..frames).for_each(|_| rate.count(true, 1000));
            rate.count(false, 500);
            rate.second();
        }
        assert!((rate.frames_per_second() - 30.0).abs() < 0.01);
        assert_eq!(rate.bits_per_second(), 30_500 * 8);
        (0..SECONDS).for_each(|_| assert!(rate.second(), "it stands"));
        assert!(rate.frames_per_second() < 0.01);
    }
}
