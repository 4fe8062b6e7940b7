//! What runs beside the requests: whatever asks the Kubernetes API, if the flags say so.

use std::sync::Arc;

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
use crate::pool::{Costs, DISCOVERY, Discovery, Pool};
use crate::sources::{self, Judged, Objects, StatusWriter, VIDEO_SOURCES};

/// The tasks that ask the Kubernetes API, and what they tell.
pub(super) struct Platform {
    pub(super) cluster: Option<Cluster>,
    tasks: JoinSet<&'static str>,
    /// Ends the tasks; each returns soon after.
    token: CancellationToken,
    /// Turns true once the workers are known.
    workers: watch::Receiver<bool>,
    /// The custom resources, once they are known.
    objects: Option<watch::Receiver<Option<Arc<Objects>>>>,
    /// Whether this replica leads.
    pub(super) leader: watch::Receiver<bool>,
    /// Keeps [`Self::leader`] as it is, where no lease decides.
    alone: watch::Sender<bool>,
}

impl Platform {
    /// Reads where the Kubernetes API is, if it is needed; dials nothing.
    pub(super) async fn connect(args: &Args) -> Result<Self> {
        let Kubernetes { lease, video_sources, .. } = &args.kubernetes;
        let needed = args.workers.discover_service.is_some() || lease.is_some() || *video_sources;
        let cluster = if needed { Some(Cluster::infer(args.kubernetes.namespace.clone()).await?) } else { None };
        let (alone, leader) = watch::channel(false);
        let (tasks, token) = (JoinSet::new(), CancellationToken::new());
        Ok(Self { cluster, tasks, token, workers: watch::channel(true).1, objects: None, leader, alone })
    }

    /// What the certificates of discovered workers are for: not the addresses of their pods, which nobody knows before.
    pub(super) fn worker_name(&self, args: &Workers) -> Option<String> {
        let (service, cluster) = (args.discover_service.as_ref()?, self.cluster.as_ref()?);
        Some(format!("{service}.{}.svc", cluster.namespace()))
    }

    /// Adds what readiness waits for.
    pub(super) fn conditions(args: &Args, readiness: &Readiness) {
        if args.workers.discover_service.is_some() {
            readiness.set(DISCOVERY, Err("the Kubernetes API has not listed endpoints yet".to_owned()));
        }
        if args.kubernetes.video_sources {
            readiness.set(VIDEO_SOURCES, Err("the Kubernetes API has not listed video sources yet".to_owned()));
        }
    }

    /// Begins to follow what the API tells.
    pub(super) fn follow(&mut self, args: &Args, pool: &Pool, readiness: &Readiness) {
        let Some(cluster) = self.cluster.clone() else { return };
        if let Some(service) = args.workers.discover_service.clone() {
            let (sender, complete) = watch::channel(false);
            let span = info_span!("discovery", service);
            let discovery =
                Discovery { cluster: cluster.clone(), service, encrypted: args.workers.worker_ca.is_some() };
            self.spawn("discovery", discovery.run(pool.clone(), readiness.clone(), sender).instrument(span));
            self.workers = complete;
        }
        if args.kubernetes.video_sources {
            let (sender, objects) = watch::channel(None);
            let work = sources::follow(cluster, readiness.clone(), sender);
            self.spawn("video sources", work.instrument(info_span!("video_sources")));
            self.objects = Some(objects);
        }
    }

    /// Waits until everything that is followed is known, and returns the custom resources.
    pub(super) async fn known(&mut self) -> Option<watch::Receiver<Option<Arc<Objects>>>> {
        // A task that is gone is told by `ended`.
        self.workers.wait_for(|known| *known).await.ok();
        let mut objects = self.objects.clone()?;
        objects.wait_for(Option::is_some).await.ok();
        Some(objects)
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

    /// Whether this replica leads, once [`Self::lead`] was called.
    pub(super) fn leader(&self) -> watch::Receiver<bool> {
        self.leader.clone()
    }

    /// Begins to write what this replica, if it leads, tells the API.
    pub(super) fn tell(&mut self, args: &Args, pool: &Pool, judged: watch::Receiver<Judged>) {
        let Some(cluster) = self.cluster.clone() else { return };
        let leader = self.leader.clone();
        if args.workers.discover_service.is_some() {
            let costs = Costs { cluster: cluster.clone(), pool: pool.clone(), leader: leader.clone() };
            self.spawn("costs", costs.run().instrument(info_span!("costs")));
        }
        if args.kubernetes.video_sources {
            let writer = StatusWriter { cluster, judged, pool: pool.clone(), leader };
            self.spawn("status", writer.run().instrument(info_span!("status")));
        }
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
