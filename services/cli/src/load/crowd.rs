//! The figures of many viewers, as one.

use serde_json::{Value, json};

use super::{Failures, Outcome};
use crate::args::Load;
use crate::exit::Failure;
use crate::percentiles::{Percentiles, Summary};

/// What is known of all viewers.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    viewers: u64,
    failures: Failures,
    first_frame: Percentiles,
    largest_gap: Percentiles,
    latency: Percentiles,
    clock_ahead: bool,
    frames: u64,
    gaps: u64,
    lost_messages: u64,
}

impl Crowd {
    /// Takes what became of one.
    pub(super) fn add(&mut self, outcome: Outcome) {
        let Outcome { figures, faults, failure } = outcome;
        self.viewers += 1;
        if let Some(failure) = failure {
            self.failures.entry(failure.code().to_owned()).or_insert((0, failure)).0 += 1;
        }
        if let Some(first) = figures.first_keyframe() {
            self.first_frame.record(first);
            self.largest_gap.record(figures.largest_gap());
        }
        self.latency.merge(figures.latency());
        self.clock_ahead |= figures.clock_ahead();
        self.frames += figures.frames();
        self.gaps += faults.gaps;
        self.lost_messages += faults.lost_messages;
    }

    /// How many failed.
    pub(super) fn failed(&self) -> u64 {
        self.failures.values().map(|(count, _)| count).sum()
    }

    /// All of it, for programs.
    pub(super) fn told(&self, args: &Load, connections: u32) -> Value {
        let failures: serde_json::Map<_, _> =
            self.failures.iter().map(|(code, (count, _))| (code.clone(), json!(count))).collect();
        json!({
            "sources": args.sources, "delivery": args.delivery.delivery.name(),
            "viewers": args.viewers, "connections": connections,
            "ramp_ms": args.ramp.as_millis() as u64, "duration_ms": args.duration.as_millis() as u64,
            "played": self.first_frame.summary().map_or(0, |summary| summary.count),
            "failed": self.failed(), "failures": failures,
            "first_frame_ms": self.first_frame.summary(),
            "largest_gap_ms": self.largest_gap.summary(),
            "latency_ms": self.latency.summary(), "clock_ahead": self.clock_ahead,
            "frames": self.frames, "gaps": self.gaps, "lost_messages": self.lost_messages,
        })
    }

    /// The failure that stands for all: of the lowest exit status, because what is nearer explains what is behind it.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let worst = self.failures.values().map(|(_, failure)| failure).min_by_key(|failure| failure.status());
        worst.cloned().map_or(Ok(()), Err)
    }
}

impl std::fmt::Display for Crowd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = |summary: Option<Summary>| summary.map_or("–".to_owned(), |summary| summary.to_string());
        let played = self.first_frame.summary().map_or(0, |summary| summary.count);
        writeln!(f, "played       {played} of {}, {} frames", self.viewers, self.frames)?;
        writeln!(f, "first frame  {}", line(self.first_frame.summary()))?;
        writeln!(f, "largest gap  {}", line(self.largest_gap.summary()))?;
        if self.clock_ahead {
            writeln!(f, "latency      unknown: a worker's clock is ahead of this machine's")?;
        } else {
            writeln!(f, "latency      {}", line(self.latency.summary()))?;
        }
        write!(f, "trouble      {} gaps, {} messages lost", self.gaps, self.lost_messages)?;
        for (code, (count, failure)) in &self.failures {
            write!(f, "\nfailed       {count} × {code}: {failure}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::figures::Figures;
    use crate::media::intake::Faults;

    fn refused(code: &str) -> Failure {
        Failure::Refused { code: code.to_owned(), text: "no".to_owned(), retry_after_s: None }
    }

    #[test]
    fn failures_are_counted_by_code_and_the_nearest_is_the_verdict() {
        let mut crowd = Crowd::default();
        let late = Failure::TooLate { what: "no keyframe", after: Duration::from_secs(20) };
        for failure in [None, Some(late), Some(refused("no_capacity")), Some(refused("no_capacity"))] {
            crowd.add(Outcome { figures: Figures::default(), faults: Faults::default(), failure });
        }
        assert_eq!(crowd.failed(), 3);
        assert_eq!(crowd.verdict(), Err(refused("no_capacity")));
        insta::assert_snapshot!(crowd.to_string());
    }

    #[test]
    fn viewers_without_a_failure_are_a_success() {
        let mut crowd = Crowd::default();
        crowd.add(Outcome { figures: Figures::default(), faults: Faults::default(), failure: None });
        assert_eq!((crowd.verdict(), crowd.failed()), (Ok(()), 0));
    }
}
