//! Where the status is made when somebody asks, and its history while nobody does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::audience::Audience;
use super::history::{Columns, History, STEP};
use super::{Snapshot, Status, describe};
use crate::pool::Pool;
use crate::wire::Report;

/// What the status is made of. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Board(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: Pool,
    /// Whether other gatekeepers may run beside this one.
    several: bool,
    started: Instant,
    connected: AtomicBool,
    leader: OnceLock<watch::Receiver<bool>>,
    audience: Mutex<Audience>,
    history: Mutex<History>,
}

impl Board {
    /// A gatekeeper that begins now; `several`: others may run beside it.
    pub(crate) fn new(pool: Pool, several: bool) -> Self {
        Self(Arc::new(Shared {
            pool,
            several,
            started: Instant::now(),
            connected: AtomicBool::new(false),
            leader: OnceLock::new(),
            audience: Mutex::default(),
            history: Mutex::default(),
        }))
    }

    /// The broker came or went.
    pub(crate) fn broker(&self, connected: bool) {
        self.0.connected.store(connected, Ordering::Relaxed);
    }

    /// From now on `leader` says whether this gatekeeper leads; only the first one counts.
    pub(crate) fn leader(&self, leader: watch::Receiver<bool>) {
        self.0.leader.get_or_init(|| leader);
    }

    /// A player reported.
    pub(crate) fn report(&self, report: &Report) {
        let mut audience = self.0.audience.lock().unwrap_or_else(PoisonError::into_inner);
        audience.report(report, Instant::now());
    }

    /// The status as it is.
    pub(crate) fn status(&self) -> Status {
        let history = self.0.history.lock().unwrap_or_else(PoisonError::into_inner).columns();
        describe(self.snapshot(history), SystemTime::now())
    }

    /// Keeps the history until `token` is cancelled.
    pub(crate) async fn run(self, token: CancellationToken) {
        let mut step = tokio::time::interval(STEP);
        step.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while token.run_until_cancelled(step.tick()).await.is_some() {
            let snapshot = self.snapshot(Columns::default());
            let mut history = self.0.history.lock().unwrap_or_else(PoisonError::into_inner);
            let restarts = history.restarts(&snapshot);
            history.sample(&describe(snapshot, SystemTime::now()), restarts);
        }
    }

    fn snapshot(&self, history: Columns) -> Snapshot {
        let Shared { pool, several, started, connected, leader, audience, .. } = &*self.0;
        Snapshot {
            members: pool.seen(),
            lost: pool.lost(),
            leader: leader.get().is_some_and(|leader| *leader.borrow()),
            several: *several,
            connected: connected.load(Ordering::Relaxed),
            uptime: started.elapsed(),
            figures: audience.lock().unwrap_or_else(PoisonError::into_inner).figures(Instant::now()),
            history,
        }
    }
}
