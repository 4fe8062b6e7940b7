//! Counters and gauges of a worker, as verbs. Labels are closed sets: no name, topic or URL is ever one.

use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector,
};
use std::time::Duration;

use crate::board::Snapshot;
use crate::job::life::State;
use crate::viewers::Delivery;

/// What a message was published for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Media on a live topic.
    Live,
    /// Catch-up of one viewer.
    CatchUp,
    /// Whole GOPs of one viewer.
    Reply,
    /// Status, tick and state.
    Report,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::CatchUp => "catch_up",
            Self::Reply => "reply",
            Self::Report => "report",
        }
    }
}

/// All metrics of a worker. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    slots: IntGaugeVec,
    jobs: IntGaugeVec,
    viewers: IntGaugeVec,
    draining: IntGauge,
    cpu: Gauge,
    published_messages: IntCounterVec,
    published_bytes: IntCounterVec,
    dropped: IntCounterVec,
    restarts: IntCounterVec,
    ended: IntCounterVec,
    startup: Histogram,
}

impl Metrics {
    /// Makes and registers them.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauges = |name: &str, help: &str, label: &str| {
            registered(registry, IntGaugeVec::new(Opts::new(named(name), help), &[label])?)
        };
        let counters = |name: &str, help: &str, label: &str| {
            registered(registry, IntCounterVec::new(Opts::new(named(name), help), &[label])?)
        };
        let buckets = vec![0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0];
        Ok(Self {
            slots: gauges("slots", "Streams that the worker can run and runs.", "kind")?,
            jobs: gauges("jobs", "Streams by state.", "state")?,
            viewers: gauges("viewers", "Viewers by delivery.", "delivery")?,
            draining: registered(registry, IntGauge::new(named("draining"), "1 while the worker shuts down.")?)?,
            cpu: registered(
                registry,
                Gauge::new(named("cpu_cores"), "CPU time per wall time of the worker and its ffmpegs.")?,
            )?,
            published_messages: counters("published_messages_total", "Messages handed to the broker.", "kind")?,
            published_bytes: counters("published_bytes_total", "Payload handed to the broker.", "kind")?,
            dropped: counters("dropped_messages_total", "Media that was not published, by reason.", "reason")?,
            restarts: counters("ffmpeg_restarts_total", "Runs of ffmpeg that were followed by another.", "reason")?,
            ended: counters("jobs_ended_total", "Streams that ended, by reason.", "reason")?,
            startup: registered(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new(named("startup_seconds"), "From the start of ffmpeg to the first keyframe out.")
                        .buckets(buckets),
                )?,
            )?,
        })
    }

    /// The worker as it is now.
    pub(crate) fn observe(&self, snapshot: &Snapshot) {
        self.slots.with_label_values(&["total"]).set(snapshot.worker.slots as i64);
        self.slots.with_label_values(&["used"]).set(snapshot.streams.len() as i64);
        self.draining.set(i64::from(snapshot.worker.draining));
        self.cpu.set(snapshot.worker.cpu_cores);
        for state in State::ALL {
            let jobs = snapshot.streams.values().filter(|stream| stream.state == state).count();
            self.jobs.with_label_values(&[state.as_str()]).set(jobs as i64);
        }
        for (delivery, label) in [(Delivery::Live, "live"), (Delivery::Reply, "reply")] {
            let viewers = snapshot.streams.values().flat_map(|stream| &stream.viewers);
            let viewers = viewers.filter(|viewer| viewer.delivery == delivery).count();
            self.viewers.with_label_values(&[label]).set(viewers as i64);
        }
    }

    /// A message went to the broker.
    pub(crate) fn published(&self, kind: Kind, bytes: usize) {
        self.published_messages.with_label_values(&[kind.as_str()]).inc();
        self.published_bytes.with_label_values(&[kind.as_str()]).inc_by(bytes as u64);
    }

    /// Media was dropped for a reason out of a closed set.
    pub(crate) fn dropped(&self, reason: &'static str, messages: usize) {
        if messages > 0 {
            self.dropped.with_label_values(&[reason]).inc_by(messages as u64);
        }
    }

    /// A run of ffmpeg is to be followed by another.
    pub(crate) fn restarted(&self, reason: &'static str) {
        self.restarts.with_label_values(&[reason]).inc();
    }

    /// A stream ended.
    pub(crate) fn ended(&self, reason: &'static str) {
        self.ended.with_label_values(&[reason]).inc();
    }

    /// A run's first keyframe is out.
    pub(crate) fn started(&self, after: Duration) {
        self.startup.observe(after.as_secs_f64());
    }
}

fn named(name: &str) -> String {
    format!("mqtt_video_{name}")
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
