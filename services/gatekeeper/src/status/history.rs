//! The last minutes, for the charts of a page that was just opened. Pure: who calls says what time it is.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{Snapshot, Status};
use crate::placement::MemberId;
use crate::pool::Seen;
use crate::stream::StreamKey;

/// Between two samples.
pub(super) const STEP: Duration = Duration::from_secs(5);
/// Five minutes of them.
const SAMPLES: usize = 60;

/// Samples, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    samples: VecDeque<Sample>,
    /// Restarts that each job told last. Those of a worker that is lost count on from there when it is back.
    restarts: HashMap<(MemberId, Arc<StreamKey>), u32>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    time: u64,
    slots_total: u32,
    slots_used: u32,
    viewers: usize,
    latency_p50_ms: Option<f64>,
    latency_p95_ms: Option<f64>,
    first_frame_p50_ms: Option<f64>,
    first_frame_p95_ms: Option<f64>,
    rebuffer_ratio: Option<f64>,
    restarts: u32,
}

/// The samples as charts take them: all lists are of one length.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(super) struct Columns {
    /// Unix time in milliseconds.
    time: Vec<u64>,
    /// Of workers that report.
    slots_total: Vec<u32>,
    slots_used: Vec<u32>,
    viewers: Vec<usize>,
    latency_p50_ms: Vec<Option<f64>>,
    latency_p95_ms: Vec<Option<f64>>,
    first_frame_p50_ms: Vec<Option<f64>>,
    first_frame_p95_ms: Vec<Option<f64>>,
    rebuffer_ratio: Vec<Option<f64>>,
    /// Restarts of ffmpeg since the sample before.
    restarts: Vec<u32>,
}

impl History {
    /// The restarts since this was asked last, in all jobs that were there then.
    pub(super) fn restarts(&mut self, snapshot: &Snapshot) -> u32 {
        let mut before = std::mem::take(&mut self.restarts);
        let mut news = 0u32;
        for (member, seen) in &snapshot.members {
            match seen {
                Seen::Ready(worker) => {
                    for (key, job) in &worker.jobs {
                        let (id, told) = ((member.clone(), key.clone()), job.health.restarts);
                        // What a job did before it was first seen is not news.
                        let known = before.remove(&id).unwrap_or(told);
                        news = news.saturating_add(told.saturating_sub(known));
                        self.restarts.insert(id, told);
                    }
                }
                Seen::Lost(_) => self.restarts.extend(before.extract_if(|(of, _), _| of == member)),
            }
        }
        news
    }

    /// One more sample; the oldest goes.
    pub(super) fn sample(&mut self, status: &Status, restarts: u32) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        let (slots_total, slots_used) = status.slots();
        let (latency, first_frame) = (status.viewers.latency_ms, status.viewers.first_frame_ms);
        self.samples.push_back(Sample {
            time: status.time,
            slots_total,
            slots_used,
            viewers: status.viewers.count,
            latency_p50_ms: latency.map(|latency| latency.p50),
            latency_p95_ms: latency.map(|latency| latency.p95),
            first_frame_p50_ms: first_frame.map(|first_frame| first_frame.p50),
            first_frame_p95_ms: first_frame.map(|first_frame| first_frame.p95),
            rebuffer_ratio: status.viewers.rebuffer_ratio,
            restarts,
        });
    }

    /// All samples.
    pub(super) fn columns(&self) -> Columns {
        fn column<T>(samples: &VecDeque<Sample>, of: fn(&Sample) -> T) -> Vec<T> {
            samples.iter().map(of).collect()
        }
        let samples = &self.samples;
        Columns {
            time: column(samples, |sample| sample.time),
            slots_total: column(samples, |sample| sample.slots_total),
            slots_used: column(samples, |sample| sample.slots_used),
            viewers: column(samples, |sample| sample.viewers),
            latency_p50_ms: column(samples, |sample| sample.latency_p50_ms),
            latency_p95_ms: column(samples, |sample| sample.latency_p95_ms),
            first_frame_p50_ms: column(samples, |sample| sample.first_frame_p50_ms),
            first_frame_p95_ms: column(samples, |sample| sample.first_frame_p95_ms),
            rebuffer_ratio: column(samples, |sample| sample.rebuffer_ratio),
            restarts: column(samples, |sample| sample.restarts),
        }
    }
}
