//! What players report of what is seen and heard, without a word of who they are.

use prometheus::{Counter, CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::add;
use crate::wire::Report;

/// From a warm stream to a camera with a long GOP.
const FIRST_FRAME_BUCKETS: &[f64] = &[0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0];
/// From the delay of a decoder to a viewer that is lost.
const LATENCY_BUCKETS: &[f64] = &[0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 15.0];

/// From a picture that always moves to one that never does.
const REBUFFER_BUCKETS: &[f64] = &[0.0, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Clones count into the same ones.
#[derive(Debug, Clone)]
pub(super) struct Players {
    reports: IntCounterVec,
    first_frame_seconds: Histogram,
    latency_seconds: HistogramVec,
    rebuffer_ratio: Histogram,
    watched_seconds: Counter,
    stalls: Counter,
    rebuffer_seconds: Counter,
    frames: CounterVec,
    reconnects: Counter,
    decoder_errors: Counter,
}

impl Players {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let players = Self {
            reports: add(registry, IntCounterVec::new(player("reports_total", "Reports of players."), &["outcome"])?)?,
            first_frame_seconds: add(
                registry,
                Histogram::with_opts(
                    HistogramOpts::from(player("first_frame_seconds", "From pressing play to the first frame."))
                        .buckets(FIRST_FRAME_BUCKETS.to_vec()),
                )?,
            )?,
            latency_seconds: add(
                registry,
                HistogramVec::new(
                    HistogramOpts::from(player(
                        "latency_seconds",
                        "Latency of players; each report counts once, by its own median or 95th percentile.",
                    ))
                    .buckets(LATENCY_BUCKETS.to_vec()),
                    &["of_report"],
                )?,
            )?,
            rebuffer_ratio: add(
                registry,
                Histogram::with_opts(
                    HistogramOpts::from(player(
                        "rebuffer_ratio",
                        "Part of the time since a player's report before for which its picture stood.",
                    ))
                    .buckets(REBUFFER_BUCKETS.to_vec()),
                )?,
            )?,
            watched_seconds: add(
                registry,
                Counter::with_opts(player("watched_seconds_total", "Time that reports cover."))?,
            )?,
            stalls: add(registry, Counter::with_opts(player("stalls_total", "Times that a picture stood."))?)?,
            rebuffer_seconds: add(
                registry,
                Counter::with_opts(player("rebuffer_seconds_total", "Time that pictures stood."))?,
            )?,
            frames: add(
                registry,
                CounterVec::new(player("frames_total", "Frames that players decoded or dropped."), &["fate"])?,
            )?,
            reconnects: add(
                registry,
                Counter::with_opts(player("reconnects_total", "Connections that players lost and made again."))?,
            )?,
            decoder_errors: add(
                registry,
                Counter::with_opts(player("decoder_errors_total", "Decoders that gave up."))?,
            )?,
        };
        for outcome in ["ok", "bad_request"] {
            players.reports.with_label_values(&[outcome]);
        }
        for fate in ["decoded", "dropped"] {
            players.frames.with_label_values(&[fate]);
        }
        for of_report in ["p50", "p95"] {
            players.latency_seconds.with_label_values(&[of_report]);
        }
        Ok(players)
    }

    /// A player reported; `None`: what nobody can read.
    pub(super) fn report(&self, report: Option<&Report>) {
        let Some(report) = report else {
            self.reports.with_label_values(&["bad_request"]).inc();
            return;
        };
        self.reports.with_label_values(&["ok"]).inc();
        if let Some(ms) = report.first_frame_ms {
            self.first_frame_seconds.observe(ms / 1e3);
        }
        for (of_report, latency) in [("p50", report.latency_p50_ms), ("p95", report.latency_p95_ms)] {
            if let Some(ms) = latency {
                self.latency_seconds.with_label_values(&[of_report]).observe(ms / 1e3);
            }
        }
        if let Some(watched_ms) = report.watched_ms {
            self.watched_seconds.inc_by(watched_ms / 1e3);
            if watched_ms > 0.0 {
                self.rebuffer_ratio.observe((report.rebuffer_ms / watched_ms).min(1.0));
            }
        }
        self.stalls.inc_by(report.stalls);
        self.rebuffer_seconds.inc_by(report.rebuffer_ms / 1e3);
        self.frames.with_label_values(&["decoded"]).inc_by(report.decoded_frames);
        self.frames.with_label_values(&["dropped"]).inc_by(report.dropped_frames);
        self.reconnects.inc_by(report.reconnects);
        self.decoder_errors.inc_by(report.decoder_errors);
    }
}

fn player(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("mqtt_video").subsystem("player")
}
