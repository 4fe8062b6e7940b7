//! What the board says, as gauges that are made when somebody asks.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts};

use super::named;
use crate::board::{Board, Snapshot};
use crate::job::life::State;
use crate::viewers::Delivery;

/// The worker as it is.
pub(super) struct Gauges {
    board: Board,
    slots: IntGauge,
    slots_free: IntGauge,
    draining: IntGauge,
    jobs: IntGaugeVec,
    viewers: IntGaugeVec,
}

impl Gauges {
    pub(super) fn new(board: Board) -> prometheus::Result<Self> {
        let gauges = |name: &str, help: &str, label: &str| IntGaugeVec::new(Opts::new(named(name), help), &[label]);
        Ok(Self {
            board,
            slots: IntGauge::new(named("slots"), "Streams that the worker can run.")?,
            slots_free: IntGauge::new(named("slots_free"), "Streams that it could take now.")?,
            draining: IntGauge::new(named("draining"), "1 while the worker shuts down.")?,
            jobs: gauges("jobs", "Streams that it runs.", "state")?,
            viewers: gauges("viewers", "Viewers.", "delivery")?,
        })
    }

    fn set(&self, snapshot: &Snapshot) {
        let worker = &snapshot.worker;
        let free = if worker.draining { 0 } else { worker.slots.saturating_sub(snapshot.streams.len()) };
        self.slots.set(worker.slots as i64);
        self.slots_free.set(free as i64);
        self.draining.set(worker.draining.into());
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

    fn all(&self) -> [&dyn Collector; 5] {
        [&self.slots, &self.slots_free, &self.draining, &self.jobs, &self.viewers]
    }
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.board.look(|snapshot| self.set(snapshot));
        self.all().into_iter().flat_map(Collector::collect).collect()
    }
}
