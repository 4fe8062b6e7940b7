//! What is going on, for people without a monitoring system: the object behind `/status.json`.
//!
//! [`describe`] makes it from what the pool knows of the workers and what players reported lately. It is pure; `board`
//! holds what it is made of, and reads the clock. Names of sources are in it; their URLs, reply topics and sessions are
//! not.

mod audience;
mod board;
mod history;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use self::audience::{Figures, Percentiles};
pub(crate) use self::board::Board;
use self::history::Columns;
use crate::placement::{Job, MemberId, Worker};
use crate::pool::Seen;
use crate::refusal::Code;
use crate::stream::{Failure, State, StreamKey};

/// Failures that are told, the latest first: more of them are one disaster, and not many.
const FAILURES: usize = 20;

/// What a status is made of.
#[derive(Debug)]
pub(crate) struct Snapshot {
    members: Vec<(MemberId, Seen)>,
    /// Streams of lost workers that nobody has taken over yet.
    lost: Vec<(MemberId, Arc<StreamKey>, Arc<Job>)>,
    leader: bool,
    several: bool,
    connected: bool,
    uptime: Duration,
    figures: Figures,
    history: Columns,
}

/// The object, in the words of its JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Status {
    version: &'static str,
    /// Unix time in milliseconds.
    time: u64,
    uptime_s: u64,
    /// Whether this gatekeeper leads.
    leader: bool,
    /// Whether others may run beside it, who then got a part of the reports.
    several: bool,
    broker: Broker,
    workers: Vec<WorkerStatus>,
    streams: Vec<StreamStatus>,
    /// Streams that ended within the last minute because their source failed, and do not run now; the latest first.
    failures: Vec<FailureStatus>,
    viewers: Viewers,
    history: Columns,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Broker {
    connected: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct WorkerStatus {
    /// Its address, if it never said its name.
    name: String,
    state: &'static str,
    slots_total: u32,
    slots_used: u32,
    cpu_cores: f64,
    streams: usize,
    viewers: usize,
}

/// Empty and zero: not known yet.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct StreamStatus {
    source: String,
    profile: String,
    worker: String,
    state: &'static str,
    viewers: usize,
    codec: String,
    width: u32,
    height: u32,
    frames_per_second: f64,
    restarts: u32,
    last_error: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct FailureStatus {
    source: String,
    profile: String,
    worker: String,
    error: &'static str,
    /// Unix time in milliseconds.
    time: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Viewers {
    count: usize,
    /// Reports of players within the last minute that the figures are made of.
    reports: usize,
    latency_ms: Option<Percentiles>,
    first_frame_ms: Option<Percentiles>,
    rebuffer_ratio: Option<f64>,
}

/// What the status is at `now`.
fn describe(snapshot: Snapshot, now: SystemTime) -> Status {
    let Snapshot { members, lost, leader, several, connected, uptime, figures, history } = snapshot;
    let ready =
        || members.iter().filter_map(|(_, seen)| if let Seen::Ready(worker) = seen { Some(worker) } else { None });
    let running: HashSet<&StreamKey> = ready().flat_map(|worker| worker.jobs.keys().map(Arc::as_ref)).collect();
    // A viewer who asked again by itself may be elsewhere before anybody has struck its stream off the list.
    let homeless: Vec<_> = lost.iter().filter(|(_, key, _)| !running.contains(key.as_ref())).collect();

    let names: BTreeMap<&MemberId, String> = members.iter().map(|(id, seen)| (id, name(id, seen))).collect();
    let mut workers: Vec<_> = members
        .iter()
        .map(|(id, seen)| match seen {
            Seen::Ready(worker) => at_work(worker),
            Seen::Lost(last) => {
                let left = || homeless.iter().filter(|(member, ..)| member == id);
                WorkerStatus {
                    name: name(id, seen),
                    state: "lost",
                    slots_total: last.as_ref().map_or(0, |worker| worker.slots_total),
                    slots_used: 0,
                    cpu_cores: 0.0,
                    streams: left().count(),
                    viewers: left().map(|(_, _, job)| job.viewers.len()).sum(),
                }
            }
        })
        .collect();
    workers.sort_by(|a, b| a.name.cmp(&b.name));

    let mut streams: Vec<_> = ready()
        .flat_map(|worker| worker.jobs.iter().map(|(key, job)| stream(key, job, worker.name.clone())))
        .chain(homeless.iter().map(|(member, key, job)| StreamStatus {
            state: state(State::Restarting),
            frames_per_second: 0.0,
            ..stream(key, job, names.get(member).cloned().unwrap_or_default())
        }))
        .collect();
    streams.sort_by(|a, b| (&a.source, &a.profile, &a.worker).cmp(&(&b.source, &b.profile, &b.worker)));

    let mut failures: Vec<_> = ready()
        .flat_map(|worker| worker.failed.iter().map(move |(key, failed)| (key, failed, &worker.name)))
        .filter(|(key, ..)| !running.contains(key))
        .map(|(key, (failure, heard), worker)| FailureStatus {
            source: key.source.clone(),
            profile: key.profile.clone(),
            worker: worker.clone(),
            error: code(*failure),
            time: milliseconds(*heard),
        })
        .collect();
    failures.sort_by(|a, b| (b.time, &a.source, &a.profile).cmp(&(a.time, &b.source, &b.profile)));
    failures.truncate(FAILURES);

    let jobs = ready().flat_map(|worker| worker.jobs.values()).chain(homeless.iter().map(|(_, _, job)| job));
    // While a stream moves, two workers have its viewers.
    let viewers: HashSet<&str> =
        jobs.flat_map(|job| job.viewers.iter()).map(|viewer| viewer.reply_topic.as_str()).collect();
    let count = viewers.len();
    let Figures { reports, latency_ms, first_frame_ms, rebuffer_ratio } = figures;
    Status {
        version: env!("CARGO_PKG_VERSION"),
        time: milliseconds(now),
        uptime_s: uptime.as_secs(),
        leader,
        several,
        broker: Broker { connected },
        workers,
        streams,
        failures,
        viewers: Viewers { count, reports, latency_ms, first_frame_ms, rebuffer_ratio },
        history,
    }
}

impl Status {
    /// Slots of the workers that report: all, and those in use.
    fn slots(&self) -> (u32, u32) {
        let sum = |of: fn(&WorkerStatus) -> u32| {
            let slots = self.workers.iter().filter(|worker| worker.state != "lost").map(of);
            slots.fold(0, u32::saturating_add)
        };
        (sum(|worker| worker.slots_total), sum(|worker| worker.slots_used))
    }
}

fn name(id: &MemberId, seen: &Seen) -> String {
    match seen {
        Seen::Ready(worker) | Seen::Lost(Some(worker)) => worker.name.clone(),
        Seen::Lost(None) => id.split_once("://").map_or(id.as_ref(), |(_, address)| address).to_owned(),
    }
}

fn at_work(worker: &Worker) -> WorkerStatus {
    WorkerStatus {
        name: worker.name.clone(),
        state: if worker.draining { "draining" } else { "ready" },
        slots_total: worker.slots_total,
        slots_used: worker.slots_used,
        cpu_cores: rounded(worker.cpu_cores, 100.0),
        streams: worker.jobs.len(),
        viewers: worker.jobs.values().map(|job| job.viewers.len()).sum(),
    }
}

fn stream(key: &StreamKey, job: &Job, worker: String) -> StreamStatus {
    let health = &job.health;
    let video = health.media.as_ref().map(|media| &media.video);
    StreamStatus {
        source: key.source.clone(),
        profile: key.profile.clone(),
        worker,
        state: state(health.state),
        viewers: job.viewers.len(),
        codec: video.map(|video| video.codec.clone()).unwrap_or_default(),
        width: video.map_or(0, |video| video.width),
        height: video.map_or(0, |video| video.height),
        frames_per_second: rounded(health.frame_rate.unwrap_or_default(), 10.0),
        restarts: health.restarts,
        last_error: health.failure.map(code),
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Live => "live",
        State::Lingering => "lingering",
        State::Restarting => "restarting",
    }
}

fn code(failure: Failure) -> &'static str {
    match failure {
        Failure::Unreachable => Code::SourceUnreachable,
        Failure::Unauthorized => Code::SourceUnauthorized,
        Failure::UnsupportedCodec => Code::UnsupportedCodec,
        Failure::Other => Code::Internal,
    }
    .as_str()
}

/// Unix time; before the epoch there is none.
fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// To one part in `per`: nobody reads more, and it is sent again and again.
fn rounded(value: f64, per: f64) -> f64 {
    (value * per).round() / per
}

#[cfg(test)]
mod tests;
