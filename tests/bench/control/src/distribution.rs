//! Percentiles of many times in little memory.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::report::{Quantiles, Unit, rounded};

/// Times to the nanosecond, kept to three significant digits.
#[derive(Debug, Clone)]
pub(crate) struct Distribution(Option<Histogram<u64>>);

impl Default for Distribution {
    fn default() -> Self {
        // The precision is a constant that the crate accepts, as a test shows.
        Self(Histogram::new(3).ok())
    }
}

impl Distribution {
    /// Takes a time.
    pub(crate) fn record(&mut self, time: Duration) {
        if let Some(histogram) = &mut self.0 {
            // It grows as need be.
            let _ = histogram.record(time.as_nanos() as u64);
        }
    }

    /// Takes all times of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        if let (Some(all), Some(more)) = (&mut self.0, &other.0) {
            let _ = all.add(more);
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// Nothing, if there were none.
    pub(crate) fn quantiles(&self, unit: Unit) -> Option<Quantiles> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        // The end of a bucket may lie beyond the longest time that there was.
        let at = |share| rounded(histogram.value_at_quantile(share).min(histogram.max()) as f64 / unit.nanoseconds());
        Some(Quantiles { p50: at(0.50), p95: at(0.95), p99: at(0.99), max: at(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_nothing_is_told() {
        assert!(Distribution::default().0.is_some());
        assert_eq!(Distribution::default().quantiles(Unit::Milliseconds), None);
    }

    #[test]
    fn percentiles_are_those_of_the_ranks_whatever_the_order() {
        let (mut odd, mut even) = (Distribution::default(), Distribution::default());
        for n in (1..=1000).rev() {
            let half = if n % 2 == 0 { &mut even } else { &mut odd };
            half.record(Duration::from_millis(n));
        }
        odd.merge(&even);
        let told = odd.quantiles(Unit::Milliseconds).expect("some");
        for (told, exact) in [(told.p50, 500.0), (told.p95, 950.0), (told.p99, 990.0), (told.max, 1000.0)] {
            assert!((told - exact).abs() <= exact / 1000.0, "{told} for {exact}");
        }
        assert_eq!(odd.count(), 1000);
    }
}
