//! The workers there are, and what each last said about itself.
//!
//! One task a member watches its worker and owns its view; everybody else reads. Who belongs to the pool is told by
//! [`Pool::set_members`]: once, from a list of addresses, or by `discovery` whenever it learns something.
//! A member whose watch ends is not ready, and what it ran is unknown, until a new watch brings a snapshot.

mod cost;
mod discovery;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub(crate) use cost::Costs;
pub(crate) use discovery::{CONDITION as DISCOVERY, Discovery};
use futures::StreamExt;
use runtime::backoff::Backoff;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::ClientTlsConfig;
use tracing::{Instrument, info, info_span, warn};

use crate::metrics::Metrics;
use crate::placement::{Job, Jobs, MemberId, View, Worker};
use crate::stream::StreamKey;
use crate::worker::{AddressError, Client, Update};

const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// A worker reports at least once a second. One that misses two is taken for lost, be it stuck, or its machine without
/// power: pictures stand until its streams are elsewhere. Should it live, it yields to who has them.
const SILENCE: Duration = Duration::from_millis(2500);
/// For how long it is known what a lost worker ran. Viewers that nobody served for so long have asked again by themselves.
const MEMORY: Duration = Duration::from_mins(1);

/// The workers. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tls: Option<ClientTlsConfig>,
    metrics: Metrics,
    token: CancellationToken,
    tasks: TaskTracker,
    members: Mutex<BTreeMap<MemberId, Member>>,
    lost: Mutex<BTreeMap<MemberId, Lost>>,
    changes: watch::Sender<()>,
    /// Goes up after each change of what a worker said or of who belongs here.
    version: AtomicU64,
    /// The view as it was when somebody asked last, and at which version.
    view: Mutex<(u64, View)>,
}

/// What a worker ran when it was last heard of.
#[derive(Debug)]
struct Lost {
    jobs: Jobs,
    since: Instant,
}

/// What is known of a member of the pool.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    /// It reports; this is what it said last.
    Ready(Arc<Worker>),
    /// It does not report; this is what it said last, if it ever did.
    Lost(Option<Arc<Worker>>),
}

/// A worker that belongs to the pool, ready or not.
#[derive(Debug)]
struct Member {
    client: Client,
    /// `None`: not ready.
    view: watch::Receiver<Option<Arc<Worker>>>,
    /// As it was when it was lost, if it ever was.
    last: watch::Receiver<Option<Arc<Worker>>>,
    /// Turns true once it was heard of, be it that it cannot be reached.
    heard: watch::Receiver<bool>,
    /// Ends its watch.
    token: CancellationToken,
}

impl Pool {
    /// An empty pool, whose tasks end with `token`.
    pub(crate) fn new(tls: Option<ClientTlsConfig>, metrics: Metrics, token: CancellationToken) -> Self {
        let (members, lost, changes, version, view) = Default::default();
        Self(Arc::new(Shared { tls, metrics, token, tasks: TaskTracker::new(), members, lost, changes, version, view }))
    }

    /// Makes these addresses the pool: watches the new ones, forgets those that are gone.
    pub(crate) fn set_members(&self, addresses: &[String]) -> Result<(), AddressError> {
        let mut members = self.0.members.lock().unwrap_or_else(PoisonError::into_inner);
        for address in addresses {
            let id = MemberId::from(address.as_str());
            if members.contains_key(&id) {
                continue;
            }
            let client = Client::new(address, self.0.tls.as_ref())?;
            let (sender, view) = watch::channel(None);
            let (keep, last) = watch::channel(None);
            let (hear, heard) = watch::channel(false);
            let token = self.0.token.child_token();
            let watching = Watching {
                id: id.clone(),
                client: client.clone(),
                view: sender,
                last: keep,
                heard: hear,
                pool: self.clone(),
            };
            let span = info_span!("worker", address);
            let ended = token.clone();
            self.0.tasks.spawn(async move { ended.run_until_cancelled(watching.run()).await }.instrument(span));
            members.insert(id, Member { client, view, last, heard, token });
        }
        let wanted: HashSet<&str> = addresses.iter().map(String::as_str).collect();
        members.retain(|id, member| {
            let stays = wanted.contains(id.as_ref());
            if !stays {
                member.token.cancel();
                if let Some(worker) = member.view.borrow().as_ref() {
                    self.lose(id, &worker.jobs);
                }
            }
            stays
        });
        drop(members);
        self.count();
        Ok(())
    }

    /// The ready workers as last heard of. As long as nothing changes it is the same one.
    pub(crate) fn view(&self) -> View {
        let mut view = self.0.view.lock().unwrap_or_else(PoisonError::into_inner);
        // First, so that a change meanwhile has it made anew the next time.
        let version = self.0.version.load(Ordering::Acquire);
        if view.0 != version {
            let members = self.0.members.lock().unwrap_or_else(PoisonError::into_inner);
            let ready = |(id, member): (&MemberId, &Member)| Some((id.clone(), member.view.borrow().clone()?));
            *view = (version, members.iter().filter_map(ready).collect());
        }
        view.1.clone()
    }

    /// All members, whether they report or not.
    pub(crate) fn seen(&self) -> Vec<(MemberId, Seen)> {
        let members = self.0.members.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = |member: &Member| match member.view.borrow().as_ref() {
            Some(worker) => Seen::Ready(worker.clone()),
            None => Seen::Lost(member.last.borrow().clone()),
        };
        members.iter().map(|(id, member)| (id.clone(), seen(member))).collect()
    }

    /// Waits until every member was heard of: before, a stream that runs could be started a second time.
    pub(crate) async fn settled(&self) {
        let heard: Vec<_> = {
            let members = self.0.members.lock().unwrap_or_else(PoisonError::into_inner);
            members.values().map(|member| member.heard.clone()).collect()
        };
        for mut heard in heard {
            // A member that left the pool is not waited for.
            heard.wait_for(|heard| *heard).await.ok();
        }
    }

    /// The connection to a member.
    pub(crate) fn client(&self, id: &MemberId) -> Option<Client> {
        let members = self.0.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.get(id).map(|member| member.client.clone())
    }

    /// Streams of workers that were lost, with who watched them.
    pub(crate) fn lost(&self) -> Vec<(MemberId, Arc<StreamKey>, Arc<Job>)> {
        let mut lost = self.0.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.retain(|_, worker| worker.since.elapsed() < MEMORY && !worker.jobs.is_empty());
        let jobs = lost.iter().flat_map(|(id, worker)| worker.jobs.iter().map(move |(key, job)| (id, key, job)));
        jobs.map(|(id, key, job)| (id.clone(), key.clone(), job.clone())).collect()
    }

    /// Nobody serves these viewers of a stream that `id` ran.
    pub(crate) fn lose(&self, id: &MemberId, jobs: &Jobs) {
        let mut lost = self.0.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = lost.entry(id.clone()).or_insert_with(|| Lost { jobs: Jobs::new(), since: Instant::now() });
        entry.since = Instant::now();
        let watched = jobs.iter().filter(|(_, job)| !job.viewers.is_empty());
        entry.jobs.extend(watched.map(|(key, job)| (key.clone(), job.clone())));
        drop(lost);
        self.0.changes.send_replace(());
    }

    /// The viewers of a stream that `id` ran are served, or need not be.
    pub(crate) fn settle(&self, id: &MemberId, key: &StreamKey) {
        let mut lost = self.0.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = lost.get_mut(id) {
            worker.jobs.remove(key);
        }
    }

    /// Tells that a worker came, went, or reported.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    fn count(&self) {
        let members = self.0.members.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut ready, mut draining, mut lost) = (0, 0, 0);
        for member in members.values() {
            match member.view.borrow().as_ref() {
                Some(worker) if worker.draining => draining += 1,
                Some(_) => ready += 1,
                None => lost += 1,
            }
        }
        drop(members);
        self.0.metrics.workers(ready, draining, lost);
        self.changed();
    }

    /// A worker reported, or whatever [`Self::count`] counts changed.
    fn changed(&self) {
        self.0.version.fetch_add(1, Ordering::Release);
        self.0.changes.send_replace(());
    }
}

/// The watch of one worker.
struct Watching {
    id: MemberId,
    client: Client,
    view: watch::Sender<Option<Arc<Worker>>>,
    last: watch::Sender<Option<Arc<Worker>>>,
    heard: watch::Sender<bool>,
    pool: Pool,
}

impl Watching {
    async fn run(self) {
        let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        let mut told = String::new();
        loop {
            let why = self.run_once(&mut backoff).await;
            let before = self.view.borrow().clone();
            if before.is_some() {
                // First, so that whoever sees that it is gone sees what it was.
                self.last.send_replace(before.clone());
                self.view.send_replace(None);
            }
            let was_ready = before.is_some();
            if let Some(worker) = before {
                self.pool.lose(&self.id, &worker.jobs);
            }
            self.heard.send_replace(true);
            self.pool.count();
            // A worker that stays away is told of once, not every other second.
            if was_ready || told != why {
                warn!(%why, "worker lost");
                told = why;
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    async fn run_once(&self, backoff: &mut Backoff) -> String {
        let updates = match tokio::time::timeout(SILENCE, self.client.watch()).await {
            Ok(Ok(updates)) => updates,
            Ok(Err(why)) => return why,
            Err(_) => return "it does not answer".to_owned(),
        };
        let mut updates = std::pin::pin!(updates);
        loop {
            match tokio::time::timeout(SILENCE, updates.next()).await {
                Ok(Some(Ok(update))) => self.apply(update, backoff),
                Ok(Some(Err(why))) => return why,
                Ok(None) => return "it hung up".to_owned(),
                Err(_) => return "it fell silent".to_owned(),
            }
        }
    }

    fn apply(&self, update: Update, backoff: &mut Backoff) {
        let before = self.view.borrow().clone();
        // Changes before the first snapshot are changes to nothing.
        if before.is_none() && !update.snapshot {
            return;
        }
        let mut worker = before.as_deref().cloned().unwrap_or_default();
        merge(&mut worker, update);
        if before.is_none() {
            backoff.reset();
            info!(id = %self.id, name = worker.name, slots = worker.slots_total, "worker ready");
            // What it still runs was not lost; a process that was started anew runs nothing.
            for key in worker.jobs.keys() {
                self.pool.settle(&self.id, key);
            }
        }
        let known = before.is_some();
        let draining = before.is_some_and(|before| before.draining);
        if worker.draining != draining {
            info!(name = worker.name, draining = worker.draining, "worker changed");
        }
        let same = known && worker.draining == draining;
        self.view.send_replace(Some(Arc::new(worker)));
        self.heard.send_replace(true);
        if same { self.pool.changed() } else { self.pool.count() }
    }
}

fn merge(worker: &mut Worker, update: Update) {
    if update.snapshot {
        worker.jobs = Jobs::new();
    }
    if let Some(load) = update.load {
        worker.name = load.name;
        worker.slots_total = load.slots_total;
        worker.slots_used = load.slots_used;
        worker.draining = load.draining;
        worker.cpu_cores = load.cpu_cores;
    }
    for (key, mut job) in update.jobs {
        if let Some(known) = worker.jobs.get_mut(&key) {
            job.share(known);
            *known = Arc::new(job);
        } else {
            worker.jobs.insert(Arc::new(key), Arc::new(job));
        }
    }
    for key in &update.ended {
        worker.jobs.remove(key);
    }
    worker.failed.retain(|_, (_, heard)| heard.elapsed().is_ok_and(|age| age < MEMORY));
    let now = SystemTime::now();
    worker.failed.extend(update.failed.into_iter().map(|(key, failure)| (key, (failure, now))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::Load;

    fn key(source: &str) -> StreamKey {
        StreamKey { source: source.to_owned(), profile: "source".to_owned() }
    }

    #[test]
    fn a_snapshot_replaces_and_changes_add_up() {
        let mut worker = Worker::default();
        let load = |used| {
            Some(Load { name: "t0".to_owned(), slots_total: 4, slots_used: used, draining: false, cpu_cores: 0.5 })
        };
        let jobs = |names: &[&str]| names.iter().map(|name| (key(name), Job::default())).collect();
        merge(&mut worker, Update { snapshot: true, load: load(1), jobs: jobs(&["a"]), ..Update::default() });
        merge(&mut worker, Update { jobs: jobs(&["b"]), load: load(2), ..Update::default() });
        assert_eq!((worker.jobs.len(), worker.slots_used), (2, 2));
        merge(&mut worker, Update { ended: vec![key("a")], ..Update::default() });
        assert_eq!(worker.jobs.keys().collect::<Vec<_>>(), [&Arc::new(key("b"))]);
        assert_eq!(worker.slots_used, 2, "unset means unchanged");
        merge(&mut worker, Update { snapshot: true, jobs: jobs(&["c"]), ..Update::default() });
        assert_eq!(worker.jobs.keys().collect::<Vec<_>>(), [&Arc::new(key("c"))]);
    }
}
