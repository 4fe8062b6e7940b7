//! What runs beside the requests: whatever asks the Kubernetes API, if the flags say so.

use anyhow::{Context, Result, anyhow};
use runtime::readiness::Readiness;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

use crate::args::{Args, Kubernetes, Workers};
use crate::cluster::Cluster;
use crate::leader::Candidate;
use crate::metrics::Metrics;
use crate::pool::{DISCOVERY, Discovery, Pool};

/// The tasks that ask the Kubernetes API, and what they tell.
pub(super) struct Platform {
    cluster: Option<Cluster>,
    tasks: JoinSet<&'static str>,
    /// Ends the tasks; each returns soon after.
    token: CancellationToken,
    /// Each turns true once what it stands for is known.
    known: Vec<watch::Receiver<bool>>,
    /// Whether this replica leads.
    pub(super) leader: watch::Receiver<bool>,
    /// Keeps [`Self::leader`] as it is, where no lease decides.
    alone: watch::Sender<bool>,
}

impl Platform {
    /// Reads where the Kubernetes API is, if it is needed; dials nothing.
    pub(super) async fn connect(args: &Args) -> Result<Self> {
        let needed = args.workers.discover_service.is_some() || args.kubernetes.lease.is_some();
        let cluster = if needed { Some(Cluster::infer(args.kubernetes.namespace.clone()).await?) } else { None };
        let (alone, leader) = watch::channel(false);
        let (tasks, token) = (JoinSet::new(), CancellationToken::new());
        Ok(Self { cluster, tasks, token, known: Vec::new(), leader, alone })
    }

    /// What the certificates of discovered workers are for: not the addresses of their pods, which nobody knows before.
    pub(super) fn worker_name(&self, args: &Workers) -> Option<String> {
        let (service, cluster) = (args.discover_service.as_ref()?, self.cluster.as_ref()?);
        Some(format!("{service}.{}.svc", cluster.namespace()))
    }

    /// Adds what readiness waits for.
    pub(super) fn conditions(args: &Args, readiness: &Readiness) {
        if args.workers.discover_service.is_some() {
            readiness.set(DISCOVERY, Err("not yet".to_owned()));
        }
    }

    /// Begins to follow what the API tells.
    pub(super) fn follow(&mut self, args: &Args, pool: &Pool, readiness: &Readiness) {
        let Some(cluster) = &self.cluster else { return };
        if let Some(service) = &args.workers.discover_service {
            let (sender, complete) = watch::channel(false);
            let encrypted = args.workers.worker_ca.is_some();
            let discovery = Discovery { cluster: cluster.clone(), service: service.clone(), encrypted };
            let work = discovery.run(pool.clone(), readiness.clone(), sender);
            let span = info_span!("discovery", service);
            self.spawn("discovery", work.instrument(span));
            self.known.push(complete);
        }
    }

    /// Returns once everything that is followed is known.
    pub(super) async fn known(&self) {
        for known in &self.known {
            // A task that is gone is told by `ended`.
            known.clone().wait_for(|known| *known).await.ok();
        }
    }

    /// Begins to compete for the lease; without one, leads.
    pub(super) fn lead(&mut self, args: &Kubernetes, metrics: &Metrics) -> Result<()> {
        let (Some(cluster), Some(lease)) = (&self.cluster, &args.lease) else {
            metrics.leader(true);
            self.alone.send_replace(true);
            return Ok(());
        };
        let identity = match &args.identity {
            Some(identity) => identity.clone(),
            None => host_name()?,
        };
        let (candidate, leader) = Candidate::new(cluster, lease.clone(), identity, metrics.clone());
        self.leader = leader;
        let token = self.token.clone();
        self.tasks.spawn(async move {
            candidate.run(token).await;
            "leader"
        });
        Ok(())
    }

    /// Returns when a task ends that must not.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(ended) => anyhow!("a task ended: {ended:?}"),
            None => std::future::pending().await,
        }
    }

    /// Gives the lease back and ends all tasks.
    pub(super) async fn leave(&mut self) {
        self.token.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    fn spawn(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let token = self.token.clone();
        self.tasks.spawn(async move {
            token.run_until_cancelled(work).await;
            name
        });
    }
}

fn host_name() -> Result<String> {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").context("no host name; give one with --identity")?;
    Ok(name.trim().to_owned())
}
