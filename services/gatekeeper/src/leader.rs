//! Which replica leads, agreed on by a Lease in the Kubernetes API.
//!
//! ```text
//!              takes a lease that nobody holds, or that did not change for its duration
//!  following ───────────────────────────────────────────────────────────────────────────▶ leading
//!      ▲   not renewed for STEP_DOWN · somebody else holds it · shutdown                     │
//!      └─────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Times in a Lease come from other machines' clocks and are compared with nothing: a follower counts by its own clock
//! since it *saw* the lease change, and the leader since it *began* the request that renewed it. The first is later than
//! the change and the second earlier, so while [`STEP_DOWN`] is shorter than [`DURATION`] no two lead at a time. Two
//! writers at once are told apart by the resource version.
//!
//! Without a Lease there is one gatekeeper, and it leads; that is `app`'s to say.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cluster::{self, Cluster};
use crate::metrics::Metrics;

/// How long a lease is good for. A lost leader's streams wait for it, so it is as short as an API server's hiccups, a
/// second or two, let it be: nothing but rebalancing stops while nobody leads.
const DURATION: Duration = Duration::from_secs(4);
/// How long the leader believes a lease after it was last renewed; the second up to [`DURATION`] is for what it is
/// about to do when it must stop.
const STEP_DOWN: Duration = Duration::from_secs(3);
/// How often the leader renews: one small write a second, of which two may fail.
const RENEW: Duration = Duration::from_secs(1);
/// How often a follower looks, so that it sees a lease change, or be released, within it.
const LOOK: Duration = Duration::from_millis(500);
/// How long one request may take.
const ANSWER: Duration = Duration::from_secs(1);

/// What goes wrong with one request.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// Somebody wrote the lease since we read it.
    #[error("another replica was faster")]
    Conflict,
    /// The API server says no, or cannot be asked.
    #[error("{}", cluster::why(.0))]
    Api(#[from] kube::Error),
    /// The API server does not answer.
    #[error("no answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
}

/// One of the replicas that may lead.
pub(crate) struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    metrics: Metrics,
    leading: watch::Sender<bool>,
    /// What the lease said when it was last read, and since when it says so.
    seen: Option<(LeaseSpec, Instant)>,
    /// The lease as we wrote it last, which is renewed without reading it again.
    written: Option<Lease>,
    /// Until when a lease that we hold counts.
    until: Instant,
}

impl Candidate {
    /// Follows, at first; the receiver tells whether it leads.
    pub(crate) fn new(
        cluster: &Cluster,
        name: String,
        identity: String,
        metrics: Metrics,
    ) -> (Self, watch::Receiver<bool>) {
        metrics.leader(false);
        let (leading, receiver) = watch::channel(false);
        let (api, until) = (cluster.api(), Instant::now());
        (Self { api, name, identity, metrics, leading, seen: None, written: None, until }, receiver)
    }

    /// Until `token` is cancelled; then a lease that it holds is released, so that the next leads at once.
    pub(crate) async fn run(mut self, token: CancellationToken) {
        let mut told = false;
        while !token.is_cancelled() {
            let pause = match self.run_once().await {
                Ok(leads) => {
                    told = false;
                    self.set(leads);
                    if leads { RENEW } else { LOOK }
                }
                Err(error) => {
                    if !told && !matches!(error, Error::Conflict) {
                        warn!(lease = self.name, %error, "no news of the lease");
                        told = true;
                    }
                    LOOK
                }
            };
            let mut next = Instant::now() + pause;
            if self.leads() {
                next = next.min(self.until);
            }
            token.run_until_cancelled(sleep_until(next)).await;
            if Instant::now() >= self.until {
                self.set(false);
            }
        }
        if self.leads() {
            // Nobody may act as the leader any more when the next one begins.
            self.set(false);
            match timeout(ANSWER, self.release()).await.unwrap_or_else(|elapsed| Err(elapsed.into())) {
                Ok(()) => info!(lease = self.name, "lease released"),
                Err(error) => warn!(lease = self.name, %error, "lease not released; it expires"),
            }
        }
    }

    fn leads(&self) -> bool {
        *self.leading.borrow()
    }

    fn set(&self, leads: bool) {
        if self.leading.send_if_modified(|leading| std::mem::replace(leading, leads) != leads) {
            info!(lease = self.name, identity = self.identity, leads, "leadership changed");
            self.metrics.leader(leads);
        }
    }

    /// Takes or renews the lease if it may, and says whether it holds it.
    async fn run_once(&mut self) -> Result<bool, Error> {
        let began = Instant::now();
        let deadline = if self.leads() { self.until.min(began + ANSWER) } else { began + ANSWER };
        let holds = timeout_at(deadline, self.take()).await??;
        if holds {
            self.until = began + STEP_DOWN;
        }
        Ok(holds)
    }

    async fn take(&mut self) -> Result<bool, Error> {
        let Some(mut lease) = self.current().await? else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.renewed(&LeaseSpec::default())) };
            self.written = Some(self.api.create(&PostParams::default(), &lease).await.map_err(refused)?);
            return Ok(true);
        };
        let spec = lease.spec.unwrap_or_default();
        if !self.may_take(&spec) {
            return Ok(false);
        }
        lease.spec = Some(self.renewed(&spec));
        self.replace(&lease).await?;
        Ok(true)
    }

    /// The lease as we wrote it, or else as it is. If somebody wrote it after us, the resource version tells.
    async fn current(&mut self) -> Result<Option<Lease>, Error> {
        match self.written.take() {
            Some(lease) => Ok(Some(lease)),
            None => Ok(self.api.get_opt(&self.name).await?),
        }
    }

    async fn replace(&mut self, lease: &Lease) -> Result<(), Error> {
        let written = self.api.replace(&self.name, &PostParams::default(), lease).await.map_err(refused)?;
        self.written = Some(written);
        Ok(())
    }

    /// It is ours, nobody's, or was not renewed for as long as its holder promised, by our clock.
    fn may_take(&mut self, spec: &LeaseSpec) -> bool {
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder.is_empty() || holder == self.identity {
            return true;
        }
        let now = Instant::now();
        let since = match &self.seen {
            Some((seen, since)) if seen == spec => *since,
            _ => self.seen.insert((spec.clone(), now)).1,
        };
        let promised = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        now.duration_since(since) >= promised.map_or(DURATION, Duration::from_secs)
    }

    /// What a lease says when we take or renew it.
    fn renewed(&self, old: &LeaseSpec) -> LeaseSpec {
        let now = Some(MicroTime(Timestamp::now()));
        let ours = old.holder_identity.as_deref() == Some(&self.identity);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(DURATION.as_secs() as i32),
            acquire_time: if ours { old.acquire_time.clone() } else { now.clone() },
            renew_time: now,
            lease_transitions: Some(old.lease_transitions.map_or(0, |count| count.saturating_add(i32::from(!ours)))),
            ..LeaseSpec::default()
        }
    }

    async fn release(&mut self) -> Result<(), Error> {
        let Some(mut lease) = self.current().await? else { return Ok(()) };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return Ok(());
        }
        spec.holder_identity = None;
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        self.replace(&lease).await
    }
}

/// Tells a lost race from other refusals.
fn refused(error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) if status.code == 409 => Error::Conflict,
        error => Error::Api(error),
    }
}
