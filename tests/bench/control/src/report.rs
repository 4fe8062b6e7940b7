//! What a measurement comes to, in the words that the bench's runner reads.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

use crate::distribution::Distribution;

/// Everything that one subcommand found out.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Numbers, each with its goal.
    pub(crate) figures: Vec<Figure>,
    /// Lines over something.
    pub(crate) plots: Vec<Plot>,
    /// What a reader has to know of all of them.
    pub(crate) notes: Vec<String>,
}

/// One number, or the percentiles of many.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figure {
    /// Stays the same from run to run.
    id: String,
    title: String,
    unit: &'static str,
    /// How many samples it is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    distribution: Option<Quantiles>,
    /// Upper bounds, by the names of the fields above.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    goal: BTreeMap<&'static str, f64>,
    /// Lower bounds, likewise.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    goal_min: BTreeMap<&'static str, f64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    conditions: String,
}

/// Where the samples lie, in the figure's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    /// Half of them are at most so much.
    pub(crate) p50: f64,
    /// 95 of 100.
    pub(crate) p95: f64,
    /// 99 of 100.
    pub(crate) p99: f64,
    /// All of them.
    pub(crate) max: f64,
}

/// Lines over a common axis.
#[derive(Debug, Serialize)]
pub(crate) struct Plot {
    /// Stays the same from run to run.
    pub(crate) id: String,
    /// For people.
    pub(crate) title: String,
    /// What the horizontal axis is.
    pub(crate) x: &'static str,
    /// What the vertical axis is.
    pub(crate) y: &'static str,
    /// The lines.
    pub(crate) series: Vec<Series>,
}

/// One line.
#[derive(Debug, Serialize)]
pub(crate) struct Series {
    /// What tells it from the others.
    pub(crate) name: String,
    /// From left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Figure {
    /// A single number.
    pub(crate) fn number(id: impl Into<String>, title: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { id: id.into(), title: title.into(), unit, value: Some(rounded(value)), ..Self::default() }
    }

    /// Percentiles of times.
    pub(crate) fn times(id: impl Into<String>, title: impl Into<String>, unit: Unit, times: &Distribution) -> Self {
        let (n, distribution) = (Some(times.count()), times.quantiles(unit));
        Self { id: id.into(), title: title.into(), unit: unit.symbol(), n, distribution, ..Self::default() }
    }

    /// It is to be at most so much.
    pub(crate) fn at_most(mut self, field: &'static str, bound: f64) -> Self {
        self.goal.insert(field, bound);
        self
    }

    /// It is to be at least so much.
    pub(crate) fn at_least(mut self, field: &'static str, bound: f64) -> Self {
        self.goal_min.insert(field, bound);
        self
    }

    /// Under which conditions it was found.
    pub(crate) fn under(mut self, conditions: impl Into<String>) -> Self {
        self.conditions = conditions.into();
        self
    }
}

/// A unit of time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// 1/1,000,000 s.
    Microseconds,
    /// 1/1,000 s.
    Milliseconds,
}

impl Unit {
    fn symbol(self) -> &'static str {
        match self {
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
        }
    }

    /// How many nanoseconds it has.
    pub(crate) fn nanoseconds(self) -> f64 {
        match self {
            Self::Microseconds => 1e3,
            Self::Milliseconds => 1e6,
        }
    }
}

/// To three decimals: more would be noise.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Tells what is being done, on standard error.
pub(crate) fn say(what: impl Display) {
    // Who does not listen does not miss it.
    let _ = writeln!(std::io::stderr(), "{what}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_figure_is_what_the_runner_reads() {
        let mut times = Distribution::default();
        times.record(Duration::from_micros(2));
        let figure = Figure::times("a.b", "Title", Unit::Microseconds, &times).at_most("p50", 50.0).under("alone");
        let expected = serde_json::json!({
            "id": "a.b", "title": "Title", "unit": "µs", "n": 1, "p50": 2.0, "p95": 2.0, "p99": 2.0, "max": 2.0,
            "goal": {"p50": 50.0}, "conditions": "alone",
        });
        assert_eq!(serde_json::to_value(figure).expect("JSON"), expected);
        let figure = Figure::number("c", "Number", "/s", 1234.56789).at_least("value", 3000.0);
        let expected = serde_json::json!({
            "id": "c", "title": "Number", "unit": "/s", "value": 1234.568, "goal_min": {"value": 3000.0},
        });
        assert_eq!(serde_json::to_value(figure).expect("JSON"), expected);
    }
}
