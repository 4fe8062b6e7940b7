//! Percentiles of many times in little memory.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longer times count as this.
const LONGEST: Duration = Duration::from_hours(1);

/// Times, each kept to two significant digits: some kilobytes, whatever their number.
#[derive(Debug, Clone)]
pub(crate) struct Percentiles {
    histogram: Option<Histogram<u64>>,
}

/// What is told of times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// How many there were.
    pub(crate) count: u64,
    /// Half of them are at most so long.
    pub(crate) p50: u64,
    /// 95 of 100.
    pub(crate) p95: u64,
    /// 99 of 100.
    pub(crate) p99: u64,
    /// All of them.
    pub(crate) max: u64,
}

impl Default for Percentiles {
    fn default() -> Self {
        // The precision is a constant that the crate accepts, as a test shows.
        Self { histogram: Histogram::new(2).ok() }
    }
}

impl Percentiles {
    /// Takes a time.
    pub(crate) fn record(&mut self, time: Duration) {
        if let Some(histogram) = &mut self.histogram {
            // It grows with the longest time, which is bounded here.
            let _ = histogram.record(time.min(LONGEST).as_millis() as u64);
        }
    }

    /// Takes all times of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        if let (Some(all), Some(more)) = (&mut self.histogram, &other.histogram) {
            // It grows as far as the other did.
            let _ = all.add(more);
        }
    }

    /// Nothing, if there were none.
    pub(crate) fn summary(&self) -> Option<Summary> {
        let histogram = self.histogram.as_ref().filter(|histogram| !histogram.is_empty())?;
        // The end of a bucket may lie beyond the longest time that there was.
        let at = |quantile| histogram.value_at_quantile(quantile).min(histogram.max());
        let (p50, p95, p99) = (at(0.50), at(0.95), at(0.99));
        Some(Summary { count: histogram.len(), p50, p95, p99, max: histogram.max() })
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { p50, p95, p99, max, .. } = self;
        write!(f, "p50 {p50} ms, p95 {p95} ms, p99 {p99} ms, max {max} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(times: &[u64]) -> Percentiles {
        let mut percentiles = Percentiles::default();
        for time in times {
            percentiles.record(Duration::from_millis(*time));
        }
        percentiles
    }

    #[test]
    fn of_nothing_nothing_is_told() {
        assert!(Percentiles::default().histogram.is_some());
        assert_eq!(Percentiles::default().summary(), None);
    }

    #[test]
    fn what_lasts_longer_than_an_hour_counts_as_an_hour() {
        let longest = of(&[10, 999_999_999]).summary().unwrap().max;
        assert!(longest >= 3_600_000, "{longest}");
    }

    proptest! {
        /// By the definition of the nearest rank, to one part in a hundred.
        #[test]
        fn percentiles_are_those_of_the_sorted_times(mut times in prop::collection::vec(0u64..100_000, 1..300)) {
            let told = of(&times).summary().unwrap();
            times.sort_unstable();
            let rank = |share: f64| times[((share * times.len() as f64).ceil() as usize).max(1) - 1];
            for (told, exact) in [(told.p50, rank(0.5)), (told.p95, rank(0.95)), (told.p99, rank(0.99)), (told.max, rank(1.0))] {
                prop_assert!(told >= exact && told as f64 <= exact as f64 * 1.01 + 1.0, "{told} for {exact}");
            }
        }

        #[test]
        fn merged_they_are_as_if_recorded_in_one(a in prop::collection::vec(0u64..10_000, 0..50), b in prop::collection::vec(0u64..10_000, 0..50)) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(merged.summary(), of(&[a, b].concat()).summary());
        }
    }
}
