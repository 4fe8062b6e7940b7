//! Exponential back-off with full jitter between half and the whole of each step.
//!
//! Exactly one layer owns a retry; it holds one of these and resets it when the thing it retries has worked.

use std::time::Duration;

/// Delays that double from `min` up to `max`.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    step: Duration,
}

impl Backoff {
    /// Starts at `min`; never waits longer than `max`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), step: min }
    }

    /// The next delay: random in `[step / 2, step]`, where `step` doubles at each call.
    pub fn next_delay(&mut self) -> Duration {
        let step = self.step;
        self.step = (step * 2).min(self.max);
        step.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// Starts over at `min`.
    pub fn reset(&mut self) {
        self.step = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn delays_stay_between_half_of_min_and_max(min_ms in 1u64..1_000, factor in 1u64..100, calls in 1usize..40) {
            let (min, max) = (Duration::from_millis(min_ms), Duration::from_millis(min_ms * factor));
            let mut backoff = Backoff::new(min, max);
            for _ in 0..calls {
                let delay = backoff.next_delay();
                prop_assert!(delay >= min / 2 && delay <= max);
            }
            backoff.reset();
            prop_assert!(backoff.next_delay() <= min);
        }
    }

    #[test]
    fn a_max_below_min_is_raised_to_min() {
        let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(1));
        backoff.next_delay();
        assert!(backoff.next_delay() >= Duration::from_secs(1));
    }
}
