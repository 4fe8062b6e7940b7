//! What the gatekeeper counts.
//!
//! Labels are closed sets: verbs, outcomes, rules, states. Nothing that a viewer wrote is ever a label. Everything is
//! there from the start, so that a rate over a first event is a rate and not a gap.

mod broker;
mod players;

use std::time::Instant;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector,
};

pub(crate) use self::broker::{BrokerFigures, FILTER as BROKER_FIGURES};
use self::players::Players;
use crate::policy::Rule;
use crate::refusal::Code;
use crate::stream::Dialect;
use crate::wire::{Report, Verb};

/// From a request of which the answer is known at once to a camera that never answers.
const ANSWER_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];

/// From a camera that begins with a keyframe to one that has to be asked again and again.
const MOVE_BUCKETS: &[f64] = &[0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0];

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

/// What became of an attempt to move a stream from one worker to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// Its viewers are served elsewhere.
    Done,
    /// It is not allowed any more.
    Refused,
    /// Nobody could take it; it is tried again.
    Failed,
}

impl Move {
    const ALL: [(Self, &'static str); 3] = [(Self::Done, "done"), (Self::Refused, "refused"), (Self::Failed, "failed")];

    fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// All metrics; clones count into the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: IntCounterVec,
    request_duration: HistogramVec,
    denials: IntCounterVec,
    placements: IntCounterVec,
    moves: IntCounterVec,
    move_duration: HistogramVec,
    workers: IntGaugeVec,
    unpublished: IntCounter,
    reloads: IntCounterVec,
    list_stale: IntGauge,
    sources: IntGauge,
    broker: IntGauge,
    leader: IntGauge,
    players: Players,
    broker_figures: BrokerFigures,
}

impl Metrics {
    /// Registers everything.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let info = add(registry, IntGaugeVec::new(named("info", "Always 1."), &["version"])?)?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let metrics = Self {
            requests: add(
                registry,
                IntCounterVec::new(
                    named("requests_total", "Requests of viewers, by what was answered; `dropped` had no reply topic."),
                    &["verb", "dialect", "outcome"],
                )?,
            )?,
            request_duration: add(
                registry,
                HistogramVec::new(
                    buckets("request_duration_seconds", "From a request's arrival to its answer.", ANSWER_BUCKETS),
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
            moves: add(
                registry,
                IntCounterVec::new(
                    named("moves_total", "Attempts to move a stream from a worker that is lost or drains."),
                    &["cause", "outcome"],
                )?,
            )?,
            move_duration: add(
                registry,
                HistogramVec::new(
                    buckets(
                        "move_duration_seconds",
                        "From the decision to move a stream to its viewers being served.",
                        MOVE_BUCKETS,
                    ),
                    &["cause"],
                )?,
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
            players: Players::register(registry)?,
            broker_figures: add(registry, BrokerFigures::new()?)?,
        };
        metrics.touch();
        Ok(metrics)
    }

    fn touch(&self) {
        for verb in [Verb::Describe, Verb::Play] {
            self.request_duration.with_label_values(&[verb.as_str()]);
            for outcome in Code::ALL.iter().map(|code| code.as_str()).chain(["ok", "dropped"]) {
                self.requests.with_label_values(&[verb.as_str(), "video", outcome]);
            }
        }
        for (_, outcome) in Placement::ALL {
            self.placements.with_label_values(&[outcome]);
        }
        for cause in ["lost", "draining"] {
            self.move_duration.with_label_values(&[cause]);
            for (_, outcome) in Move::ALL {
                self.moves.with_label_values(&[cause, outcome]);
            }
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
        self.workers(0, 0, 0);
    }

    /// A request was answered with `code`, or was done.
    pub(crate) fn answered(&self, verb: Verb, dialect: Dialect, code: Option<Code>, since: Instant) {
        self.request(verb, dialect, code.map_or("ok", Code::as_str));
        self.request_duration.with_label_values(&[verb.as_str()]).observe(since.elapsed().as_secs_f64());
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

    /// A stream was to be moved since then.
    pub(crate) fn moved(&self, cause: &str, outcome: Move, since: Instant) {
        self.moves.with_label_values(&[cause, outcome.as_str()]).inc();
        if outcome == Move::Done {
            self.move_duration.with_label_values(&[cause]).observe(since.elapsed().as_secs_f64());
        }
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

    /// What the broker says about itself.
    pub(crate) fn broker_figures(&self) -> &BrokerFigures {
        &self.broker_figures
    }

    /// A player reported; `None`: what nobody can read.
    pub(crate) fn report(&self, report: Option<&Report>) {
        self.players.report(report);
    }
}

fn named(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("mqtt_video").subsystem("gatekeeper")
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
    fn names_are_in_the_order_of_the_variants() {
        for (outcome, name) in Placement::ALL {
            assert_eq!(outcome.as_str(), name);
        }
        for (outcome, name) in Move::ALL {
            assert_eq!(outcome.as_str(), name);
        }
    }
}
