//! Counters and gauges of a worker, as verbs. Labels are closed sets; only [`streams`] has names in them, those of sources.
//!
//! What the board says is read from it when somebody asks, so it cannot be out of date. docs/metrics.md has the table.

mod snapshot;
mod streams;

use std::time::{Duration, Instant};

use prometheus::{
    Counter, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

use self::snapshot::Gauges;
pub(crate) use self::streams::StreamFigures;
use self::streams::Streams;
use crate::board::Board;
use crate::ffmpeg::feed::Reason;
use crate::job::Ended;
use crate::stream::Key;

/// From a camera that begins with a keyframe to one that has to be asked again and again.
const STARTUP_BUCKETS: &[f64] = &[0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0];
/// From a broker on the same machine to one that is lost.
const PUBLISH_BUCKETS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

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
    /// In the order in which they are declared.
    const ALL: [Self; 4] = [Self::Live, Self::CatchUp, Self::Reply, Self::Report];

    fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::CatchUp => "catch_up",
            Self::Reply => "reply",
            Self::Report => "report",
        }
    }
}

/// Why a fragment was not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The broker or the network is slower than we are.
    QueueFull,
    /// There is no connection.
    Disconnected,
    /// The broker does not take it.
    Refused,
    /// It builds on one that was not published.
    BehindGap,
}

impl Loss {
    const ALL: [Self; 4] = [Self::QueueFull, Self::Disconnected, Self::Refused, Self::BehindGap];

    fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Disconnected => "disconnected",
            Self::Refused => "refused",
            Self::BehindGap => "behind_gap",
        }
    }
}

/// What the ffmpegs of a worker use.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct FfmpegUsage {
    /// How many run.
    pub(crate) processes: usize,
    /// Of all that ever ran, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Of those that run.
    pub(crate) resident_bytes: u64,
}

/// All metrics of a worker. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// Messages and bytes, by [`Kind`]: looked up once and not with each message.
    published: [(IntCounter, IntCounter); 4],
    dropped_fragments: IntCounterVec,
    dropped_gops: IntCounter,
    publish_delay: Histogram,
    publish_ack: Histogram,
    in_flight: IntGauge,
    broker: IntGauge,
    restarts: IntCounterVec,
    ffmpeg_processes: IntGauge,
    ffmpeg_cpu: Counter,
    ffmpeg_resident: IntGauge,
    ended: IntCounterVec,
    startup: Histogram,
    stall: Counter,
    streams: Option<Streams>,
}

impl Metrics {
    /// Makes and registers them; with `sources` also those that name sources.
    pub(crate) fn register(registry: &Registry, sources: bool) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, label: &str, values: &[&str]| {
            let counters = registered(registry, IntCounterVec::new(Opts::new(named(name), help), &[label])?)?;
            for value in values {
                counters.with_label_values(&[*value]);
            }
            Ok::<_, prometheus::Error>(counters)
        };
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(named(name), help)?);
        let seconds = |name: &str, help: &str| registered(registry, Counter::new(named(name), help)?);
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(named(name), help).buckets(buckets.to_vec());
            registered(registry, Histogram::with_opts(options)?)
        };
        let info = IntGaugeVec::new(Opts::new(named("info"), "Always 1."), &["version"])?;
        registered(registry, info)?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let kinds = Kind::ALL.map(Kind::as_str);
        let messages = counters("published_messages_total", "Messages handed to the broker.", "kind", &kinds)?;
        let bytes = counters("published_bytes_total", "Payload handed to the broker.", "kind", &kinds)?;
        Ok(Self {
            published: kinds.map(|kind| (messages.with_label_values(&[kind]), bytes.with_label_values(&[kind]))),
            dropped_fragments: counters(
                "dropped_fragments_total",
                "Media fragments that were not published.",
                "reason",
                &Loss::ALL.map(Loss::as_str),
            )?,
            dropped_gops: registered(
                registry,
                IntCounter::new(
                    named("dropped_gops_total"),
                    "Groups of pictures of which something was not published on a live topic.",
                )?,
            )?,
            publish_delay: histogram(
                "publish_delay_seconds",
                "From a keyframe that is ready to its last byte handed to the network.",
                PUBLISH_BUCKETS,
            )?,
            publish_ack: histogram(
                "publish_ack_seconds",
                "From a report's publish to the broker's acknowledgement.",
                PUBLISH_BUCKETS,
            )?,
            in_flight: gauge("in_flight", "Acknowledgements that are awaited from the broker.")?,
            broker: gauge("broker_connected", "1 while the broker is connected.")?,
            restarts: counters(
                "ffmpeg_restarts_total",
                "Runs of ffmpeg that were followed by another.",
                "reason",
                &[&Reason::ALL.map(Reason::as_str)[..], &["learnt"]].concat(),
            )?,
            ffmpeg_processes: gauge("ffmpeg_processes", "ffmpegs that run.")?,
            ffmpeg_cpu: seconds("ffmpeg_cpu_seconds_total", "CPU time of all ffmpegs, of those that ended as well.")?,
            ffmpeg_resident: gauge("ffmpeg_resident_bytes", "Memory of the ffmpegs that run.")?,
            ended: counters("jobs_ended_total", "Streams that ended.", "reason", &Ended::REASONS)?,
            startup: histogram(
                "startup_seconds",
                "From the request for a stream that did not run to its first keyframe published.",
                STARTUP_BUCKETS,
            )?,
            stall: seconds("stall_seconds_total", "Time for which streams that somebody watches gave no picture.")?,
            streams: if sources { Some(registered(registry, Streams::new()?)?) } else { None },
        })
    }

    /// From now on what the board says is shown as well.
    pub(crate) fn observe(registry: &Registry, board: Board) -> prometheus::Result<()> {
        registry.register(Box::new(Gauges::new(board)?))
    }

    /// A message went to the broker.
    pub(crate) fn published(&self, kind: Kind, bytes: usize) {
        let (messages, total) = &self.published[kind as usize];
        messages.inc();
        total.inc_by(bytes as u64);
    }

    /// Media was dropped.
    pub(crate) fn dropped(&self, why: Loss, fragments: usize) {
        self.dropped_fragments.with_label_values(&[why.as_str()]).inc_by(fragments as u64);
    }

    /// A group of pictures has a hole.
    pub(crate) fn broken_gop(&self) {
        self.dropped_gops.inc();
    }

    /// The last byte of a keyframe went to the network.
    pub(crate) fn keyframe_out(&self, after: Duration) {
        self.publish_delay.observe(after.as_secs_f64());
    }

    /// Something is on its way that the broker is to acknowledge.
    pub(crate) fn awaits_ack(&self) -> AwaitedAck {
        self.in_flight.inc();
        AwaitedAck { in_flight: self.in_flight.clone(), ack: self.publish_ack.clone(), since: Instant::now() }
    }

    /// The broker came or went.
    pub(crate) fn broker(&self, connected: bool) {
        self.broker.set(connected.into());
    }

    /// A run of ffmpeg is to be followed by another.
    pub(crate) fn restarted(&self, reason: &'static str) {
        self.restarts.with_label_values(&[reason]).inc();
    }

    /// What the ffmpegs use.
    pub(crate) fn ffmpeg(&self, usage: FfmpegUsage) {
        self.ffmpeg_processes.set(usage.processes as i64);
        self.ffmpeg_resident.set(usage.resident_bytes as i64);
        // A child that ends between two reads is missing in one of them; a counter never goes back.
        self.ffmpeg_cpu.inc_by((usage.cpu_seconds - self.ffmpeg_cpu.get()).max(0.0));
    }

    /// A stream ended.
    pub(crate) fn ended(&self, ended: &Ended) {
        self.ended.with_label_values(&[ended.as_str()]).inc();
    }

    /// The first keyframe of a stream is out.
    pub(crate) fn started(&self, after: Duration) {
        self.startup.observe(after.as_secs_f64());
    }

    /// A stream that somebody watches gave no picture for so long.
    pub(crate) fn stalled(&self, time: Duration) {
        self.stall.inc_by(time.as_secs_f64());
    }

    /// Room for the figures of one stream; `None` if sources are not to be named.
    pub(crate) fn stream(&self, key: &Key) -> Option<StreamFigures> {
        self.streams.as_ref().map(|streams| streams.enter(key))
    }
}

/// An acknowledgement that is awaited, until dropped.
#[derive(Debug)]
pub(crate) struct AwaitedAck {
    in_flight: IntGauge,
    ack: Histogram,
    since: Instant,
}

impl AwaitedAck {
    /// It came. Returns after how long.
    pub(crate) fn came(self) -> Duration {
        let round_trip = self.since.elapsed();
        self.ack.observe(round_trip.as_secs_f64());
        round_trip
    }
}

impl Drop for AwaitedAck {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

fn named(name: &str) -> String {
    format!("mqtt_video_transcoder_{name}")
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Worker;
    use prometheus::TextEncoder;

    fn text(registry: &Registry) -> String {
        TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    #[track_caller]
    fn has(registry: &Registry, line: &str) {
        let text = text(registry);
        assert!(text.lines().any(|one| one == line), "{line} in\n{text}");
    }

    #[test]
    fn what_never_happened_is_zero_and_not_absent() {
        let registry = Registry::new();
        Metrics::register(&registry, true).unwrap();
        for line in [
            "mqtt_video_transcoder_dropped_fragments_total{reason=\"behind_gap\"} 0",
            "mqtt_video_transcoder_ffmpeg_restarts_total{reason=\"crashed\"} 0",
            "mqtt_video_transcoder_ffmpeg_restarts_total{reason=\"learnt\"} 0",
            "mqtt_video_transcoder_jobs_ended_total{reason=\"unwatched\"} 0",
            "mqtt_video_transcoder_published_bytes_total{kind=\"catch_up\"} 0",
        ] {
            has(&registry, line);
        }
    }

    #[test]
    fn acknowledgements_that_never_come_are_not_awaited_for_good() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry, false).unwrap();
        let (came, lost) = (metrics.awaits_ack(), metrics.awaits_ack());
        has(&registry, "mqtt_video_transcoder_in_flight 2");
        came.came();
        drop(lost);
        has(&registry, "mqtt_video_transcoder_in_flight 0");
        has(&registry, "mqtt_video_transcoder_publish_ack_seconds_count 1");
    }

    #[test]
    fn cpu_time_never_goes_back() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry, false).unwrap();
        for cpu_seconds in [1.5, 0.5, 2.0] {
            metrics.ffmpeg(FfmpegUsage { processes: 1, cpu_seconds, resident_bytes: 7 });
        }
        has(&registry, "mqtt_video_transcoder_ffmpeg_cpu_seconds_total 2");
        has(&registry, "mqtt_video_transcoder_ffmpeg_resident_bytes 7");
    }

    #[test]
    fn a_worker_that_drains_has_no_free_slot() {
        let registry = Registry::new();
        let board = Board::new(Worker { name: "w".to_owned(), slots: 4, draining: false, cpu_cores: 0.0 });
        Metrics::observe(&registry, board.clone()).unwrap();
        has(&registry, "mqtt_video_transcoder_slots_free 4");
        has(&registry, "mqtt_video_transcoder_jobs{state=\"live\"} 0");
        board.worker(|worker| worker.draining = true);
        has(&registry, "mqtt_video_transcoder_slots 4");
        has(&registry, "mqtt_video_transcoder_slots_free 0");
        has(&registry, "mqtt_video_transcoder_draining 1");
    }
}
