//! What the gatekeeper counts.
//!
//! Labels are closed sets: verbs, outcomes, rules, states. Nothing that a viewer wrote is ever a label. Everything is
//! there from the start, so that a rate over a first event is a rate and not a gap.

use std::time::Instant;

use prometheus::{
    Counter, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

use crate::policy::Rule;
use crate::refusal::Code;
use crate::stream::Dialect;
use crate::wire::{Report, Verb};

/// From a request of which the answer is known at once to a camera that never answers.
const ANSWER_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];
/// From a warm stream to a camera with a long GOP.
const FIRST_FRAME_BUCKETS: &[f64] = &[0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0];
/// From the delay of a decoder to a viewer that is lost.
const LATENCY_BUCKETS: &[f64] = &[0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 15.0];

/// Why a request was turned away before a worker was asked; [`Rule`]s of the policy and these two.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Denied {
    /// The allowlist says no.
    Policy(Rule),
    /// The reply topic is none that we publish to.
    ReplyTopic,
    /// No valid token.
    Token,
}

/// What became of an attempt to place a stream on a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Placement {
    /// It took it.
    Placed,
    /// It had no room.
    Full,
    /// It was gone or draining.
    Unavailable,
    /// It tried and failed.
    Failed,
    /// There was nobody left to ask.
    Nobody,
}

impl Placement {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Placed, "placed"),
        (Self::Full, "full"),
        (Self::Unavailable, "unavailable"),
        (Self::Failed, "failed"),
        (Self::Nobody, "nobody"),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// All metrics; clones count into the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: IntCounterVec,
    answer_seconds: HistogramVec,
    denials: IntCounterVec,
    placements: IntCounterVec,
    workers: IntGaugeVec,
    unpublished: IntCounter,
    reloads: IntCounterVec,
    list_stale: IntGauge,
    sources: IntGauge,
    broker: IntGauge,
    leader: IntGauge,
    reports: IntCounterVec,
    first_frame_seconds: Histogram,
    latency_seconds: HistogramVec,
    stalls: Counter,
    rebuffer_seconds: Counter,
    frames: prometheus::CounterVec,
    reconnects: Counter,
    decoder_errors: Counter,
}

impl Metrics {
    /// Registers everything.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            requests: add(
                registry,
                IntCounterVec::new(
                    named("requests_total", "Requests of viewers, by what was answered; `dropped` had no reply topic."),
                    &["verb", "dialect", "outcome"],
                )?,
            )?,
            answer_seconds: add(
                registry,
                HistogramVec::new(
                    buckets("answer_seconds", "From a request's arrival to its answer.", ANSWER_BUCKETS),
                    &["verb"],
                )?,
            )?,
            denials: add(
                registry,
                IntCounterVec::new(named("denials_total", "Requests turned away, by the rule that did."), &["rule"])?,
            )?,
            placements: add(
                registry,
                IntCounterVec::new(named("placements_total", "Attempts to place a stream on a worker."), &["outcome"])?,
            )?,
            workers: add(
                registry,
                IntGaugeVec::new(named("workers", "Workers in the pool, by state as last heard of."), &["state"])?,
            )?,
            unpublished: add(
                registry,
                IntCounter::with_opts(named("unpublished_total", "Answers that the broker did not take."))?,
            )?,
            reloads: add(
                registry,
                IntCounterVec::new(named("sources_reloads_total", "Changes of the file of sources."), &["outcome"])?,
            )?,
            list_stale: add(
                registry,
                IntGauge::with_opts(named(
                    "sources_stale",
                    "1 while the file of sources is bad and an older list is in effect.",
                ))?,
            )?,
            sources: add(registry, IntGauge::with_opts(named("sources", "Entries of the allowlist."))?)?,
            broker: add(registry, IntGauge::with_opts(named("broker_connected", "1 while the broker is connected."))?)?,
            leader: add(registry, IntGauge::with_opts(named("leader", "1 while this replica leads."))?)?,
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
            stalls: add(registry, Counter::with_opts(player("stalls_total", "Times that a picture stood."))?)?,
            rebuffer_seconds: add(
                registry,
                Counter::with_opts(player("rebuffer_seconds_total", "Time that pictures stood."))?,
            )?,
            frames: add(
                registry,
                prometheus::CounterVec::new(
                    player("frames_total", "Frames that players decoded or dropped."),
                    &["fate"],
                )?,
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
        metrics.touch();
        Ok(metrics)
    }

    fn touch(&self) {
        for (_, outcome) in Placement::ALL {
            self.placements.with_label_values(&[outcome]);
        }
        for rule in [Rule::Name, Rule::Url, Rule::Form, Rule::Address, Rule::Resolve, Rule::Profile] {
            self.denials.with_label_values(&[rule.as_str()]);
        }
        for rule in ["reply_topic", "token"] {
            self.denials.with_label_values(&[rule]);
        }
        for outcome in ["ok", "error"] {
            self.reloads.with_label_values(&[outcome]);
        }
        for outcome in ["ok", "bad_request"] {
            self.reports.with_label_values(&[outcome]);
        }
        self.workers(0, 0, 0);
    }

    /// A request was answered with `code`, or was done.
    pub(crate) fn answered(&self, verb: Verb, dialect: Dialect, code: Option<Code>, since: Instant) {
        self.request(verb, dialect, code.map_or("ok", Code::as_str));
        self.answer_seconds.with_label_values(&[verb.as_str()]).observe(since.elapsed().as_secs_f64());
    }

    /// A request was bad and named no topic that we may answer on.
    pub(crate) fn dropped(&self, verb: Verb, dialect: Dialect) {
        self.request(verb, dialect, "dropped");
    }

    fn request(&self, verb: Verb, dialect: Dialect, outcome: &str) {
        let dialect = match dialect {
            Dialect::Video => "video",
            Dialect::Client => "client",
        };
        self.requests.with_label_values(&[verb.as_str(), dialect, outcome]).inc();
    }

    /// A request was turned away.
    pub(crate) fn denied(&self, by: Denied) {
        let rule = match by {
            Denied::Policy(rule) => rule.as_str(),
            Denied::ReplyTopic => "reply_topic",
            Denied::Token => "token",
        };
        self.denials.with_label_values(&[rule]).inc();
    }

    /// A worker was asked, or there was none to ask.
    pub(crate) fn placement(&self, outcome: Placement) {
        self.placements.with_label_values(&[outcome.as_str()]).inc();
    }

    /// How many workers there are.
    pub(crate) fn workers(&self, ready: i64, draining: i64, lost: i64) {
        for (state, count) in [("ready", ready), ("draining", draining), ("lost", lost)] {
            self.workers.with_label_values(&[state]).set(count);
        }
    }

    /// The broker did not take an answer.
    pub(crate) fn unpublished(&self) {
        self.unpublished.inc();
    }

    /// The file was read and took effect.
    pub(crate) fn list_loaded(&self) {
        self.reloads.with_label_values(&["ok"]).inc();
        self.list_stale.set(0);
    }

    /// The list in effect has this many entries, of whatever origin.
    pub(crate) fn listed(&self, entries: usize) {
        self.sources.set(entries as i64);
    }

    /// The file is bad, and the list in effect older than it.
    pub(crate) fn list_refused(&self) {
        self.reloads.with_label_values(&["error"]).inc();
        self.list_stale.set(1);
    }

    /// The broker came or went.
    pub(crate) fn broker(&self, connected: bool) {
        self.broker.set(connected.into());
    }

    /// This replica leads from now on, or does not.
    pub(crate) fn leader(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// A player reported; `None`: what nobody can read.
    pub(crate) fn report(&self, report: Option<&Report>) {
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
        self.stalls.inc_by(report.stalls);
        self.rebuffer_seconds.inc_by(report.rebuffer_ms / 1e3);
        self.frames.with_label_values(&["decoded"]).inc_by(report.decoded_frames);
        self.frames.with_label_values(&["dropped"]).inc_by(report.dropped_frames);
        self.reconnects.inc_by(report.reconnects);
        self.decoder_errors.inc_by(report.decoder_errors);
    }
}

fn named(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("mqtt_video").subsystem("gatekeeper")
}

fn player(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("mqtt_video").subsystem("player")
}

fn buckets(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::from(named(name, help)).buckets(buckets.to_vec())
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::TextEncoder;

    #[test]
    fn a_report_reaches_the_metrics_without_a_word_of_the_viewers() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).expect("metrics");
        let report = Report { first_frame_ms: Some(149.0), stalls: 2.0, rebuffer_ms: 500.0, ..Report::default() };
        metrics.report(Some(&report));
        metrics.report(None);
        metrics.placement(Placement::Nobody);
        let text = TextEncoder::new().encode_to_string(&registry.gather()).expect("text");
        for line in [
            "mqtt_video_player_first_frame_seconds_bucket{le=\"0.2\"} 1",
            "mqtt_video_player_stalls_total 2",
            "mqtt_video_player_rebuffer_seconds_total 0.5",
            "mqtt_video_player_reports_total{outcome=\"bad_request\"} 1",
            "mqtt_video_gatekeeper_placements_total{outcome=\"nobody\"} 1",
            "mqtt_video_gatekeeper_placements_total{outcome=\"placed\"} 0",
            "mqtt_video_gatekeeper_denials_total{rule=\"reply_topic\"} 0",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn placement_names_are_in_the_order_of_the_variants() {
        for (outcome, name) in Placement::ALL {
            assert_eq!(outcome.as_str(), name);
        }
    }
}
