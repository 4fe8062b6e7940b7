//! What players reported within the last minute, and what that comes to. Pure: time is an argument.
//!
//! Reports come from whoever may publish them, so their number is bounded; who sent them is not known and not asked.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::rounded;
use crate::wire::Report;

/// Players report every 10 s, so this is a handful of each one's.
const WINDOW: Duration = Duration::from_mins(1);
/// The time that a report covers, by the protocol, if it does not say.
const USUAL_MS: f64 = 10_000.0;
/// Those of 2,000 viewers; of more, the figures cover less than a minute.
const MOST: usize = 12_000;

/// The reports.
#[derive(Debug, Default)]
pub(super) struct Audience(VecDeque<(Instant, Report)>);

/// Median and 95th percentile in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p95: f64,
}

/// What the reports come to; `None`: none of them says so.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Figures {
    /// How many reports there are.
    pub(super) reports: usize,
    /// Median of the reports' medians, and 95th percentile of their 95th percentiles.
    pub(super) latency_ms: Option<Percentiles>,
    /// From pressing play to the first frame.
    pub(super) first_frame_ms: Option<Percentiles>,
    /// Part of the time for which pictures stood.
    pub(super) rebuffer_ratio: Option<f64>,
}

impl Audience {
    /// A report came.
    pub(super) fn report(&mut self, report: &Report, now: Instant) {
        self.forget(now);
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((now, report.clone()));
    }

    /// What the reports of the last minute come to.
    pub(super) fn figures(&mut self, now: Instant) -> Figures {
        self.forget(now);
        let all = |of: fn(&Report) -> Option<f64>| self.0.iter().filter_map(move |(_, report)| of(report));
        let pair = |p50: fn(&Report) -> Option<f64>, p95: fn(&Report) -> Option<f64>| {
            let at = |part, of| percentile(part, all(of).collect()).map(f64::round);
            Some(Percentiles { p50: at(0.5, p50)?, p95: at(0.95, p95)? })
        };
        let stood: f64 = all(|report| Some(report.rebuffer_ms.min(covered_ms(report)))).sum();
        let covered: f64 = all(|report| Some(covered_ms(report))).sum();
        Figures {
            reports: self.0.len(),
            latency_ms: pair(|report| report.latency_p50_ms, |report| report.latency_p95_ms),
            first_frame_ms: pair(|report| report.first_frame_ms, |report| report.first_frame_ms),
            rebuffer_ratio: (covered > 0.0).then(|| rounded(stood / covered, 10_000.0)),
        }
    }

    fn forget(&mut self, now: Instant) {
        while self.0.front().is_some_and(|(came, _)| now.saturating_duration_since(*came) >= WINDOW) {
            self.0.pop_front();
        }
    }
}

/// The smallest value that is not below `part` of all; `None` of nothing.
fn percentile(part: f64, mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (part * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

fn covered_ms(report: &Report) -> f64 {
    report.watched_ms.unwrap_or(USUAL_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(p50: f64, p95: f64) -> Report {
        Report { latency_p50_ms: Some(p50), latency_p95_ms: Some(p95), ..Report::default() }
    }

    #[test]
    fn nobody_who_watches_is_no_latency_of_zero() {
        assert_eq!(Audience::default().figures(Instant::now()), Figures::default());
    }

    #[test]
    fn one_report_is_told_as_it_is() {
        let now = Instant::now();
        let mut audience = Audience::default();
        audience.report(&Report { first_frame_ms: Some(149.2), rebuffer_ms: 500.0, ..latency(68.4, 85.0) }, now);
        let figures = audience.figures(now);
        assert_eq!(figures.latency_ms, Some(Percentiles { p50: 68.0, p95: 85.0 }));
        assert_eq!(figures.first_frame_ms, Some(Percentiles { p50: 149.0, p95: 149.0 }));
        assert_eq!(figures.rebuffer_ratio, Some(0.05));
    }

    #[test]
    fn one_bad_viewer_among_many_moves_the_95th_percentile_and_not_the_median() {
        let now = Instant::now();
        let mut audience = Audience::default();
        for _ in 0..18 {
            audience.report(&latency(70.0, 80.0), now);
        }
        audience.report(&latency(900.0, 2000.0), now);
        audience.report(&latency(900.0, 2000.0), now);
        assert_eq!(audience.figures(now).latency_ms, Some(Percentiles { p50: 70.0, p95: 2000.0 }));
    }

    #[test]
    fn a_minute_later_it_is_forgotten() {
        let began = Instant::now();
        let mut audience = Audience::default();
        audience.report(&latency(70.0, 80.0), began);
        audience.report(&latency(90.0, 95.0), began + Duration::from_secs(30));
        assert_eq!(audience.figures(began + Duration::from_secs(59)).reports, 2);
        let figures = audience.figures(began + Duration::from_mins(1));
        assert_eq!((figures.reports, figures.latency_ms.map(|latency| latency.p50)), (1, Some(90.0)));
        assert_eq!(audience.figures(began + Duration::from_secs(90)), Figures::default());
    }

    #[test]
    fn a_flood_of_reports_takes_no_more_room_than_so_much() {
        let now = Instant::now();
        let mut audience = Audience::default();
        for nth in 0..MOST + 10 {
            audience.report(&latency(nth as f64, 0.0), now);
        }
        assert_eq!(audience.figures(now).reports, MOST);
    }
}
