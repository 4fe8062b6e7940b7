//! Which streams this worker runs: admission, slots, and the way out.
//!
//! One task owns the table of jobs; requests go to it only to be handed a job, and then to the job itself, so a busy stream
//! holds up nobody else's. A stream whose last job is still closing is started anew once that one is gone: there is never a
//! second ffmpeg for it. A slot is free when the job is gone, not before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info_span};

use crate::board::Snapshot;
use crate::failure::{Code, Failure};
use crate::fence::Claim;
use crate::ffmpeg::Plan;
use crate::job::{Answer, Cause, Command, Ended, Farewell, Handle, Shared, job};
use crate::muxer::{Media, Stand};
use crate::stream::{Key, Spec};
use crate::viewers::{Viewer, Whom};

/// Requests that wait for the table: each has a caller that waits, and the task never does anything slow.
const REQUESTS: usize = 256;
/// How often a request looks for a job that does not close under its hands.
const ATTEMPTS: usize = 3;

enum Request {
    Admit { spec: Arc<Spec>, cause: Cause, answer: Answer<Result<Handle, Failure>> },
    Find { key: Key, answer: Answer<Option<Handle>> },
    Select { which: Which, answer: Answer<Vec<(Key, Handle)>> },
    Claimed(Claim),
    Drain,
    End(Answer<()>),
}

/// Streams of this worker.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// All.
    Any,
    /// All profiles of a source.
    OfSource(String),
    /// One.
    This(Key),
}

impl Which {
    fn includes(&self, key: &Key) -> bool {
        match self {
            Self::Any => true,
            Self::OfSource(source) => key.source == *source,
            Self::This(this) => key == this,
        }
    }
}

/// The streams of this worker. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Jobs {
    requests: mpsc::Sender<Request>,
    shared: Shared,
}

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drained {
    /// Nobody was watching any more when it ended.
    pub(crate) in_time: bool,
    /// Streams that were ended.
    pub(crate) streams: usize,
    /// Viewers that were told so.
    pub(crate) viewers: usize,
}

/// The table of jobs, and the task that owns it; that task ends only when something is wrong.
pub(crate) fn jobs(shared: Shared, slots: usize) -> (Jobs, impl Future<Output = ()> + Send) {
    let (requests, received) = mpsc::channel(REQUESTS);
    let table = Table {
        shared: shared.clone(),
        slots,
        running: HashMap::new(),
        names: HashMap::new(),
        tasks: JoinSet::new(),
        parked: Vec::new(),
        draining: false,
        token: CancellationToken::new(),
    };
    (Jobs { requests, shared }, table.run(received))
}

impl Jobs {
    /// What the worker tells about itself.
    pub(crate) fn board(&self) -> &crate::board::Board {
        &self.shared.board
    }

    /// What is in the stream; starts it if need be.
    pub(crate) async fn describe(&self, spec: Arc<Spec>, session: String) -> Result<Media, Failure> {
        self.with_job(spec, cause(session, None), || Command::Describe).await
    }

    /// Counts a viewer in; starts the stream if need be.
    pub(crate) async fn play(&self, spec: Arc<Spec>, viewer: Viewer, max_viewers: u32) -> Result<(), Failure> {
        let command = || {
            let (spec, viewer) = (spec.clone(), viewer.clone());
            move |answer| Command::Play { spec, viewer, max_viewers, answer }
        };
        self.with_job(spec.clone(), cause(viewer.session.clone(), None), command).await?;
        // A reply topic is one viewer: it has left whatever it watched before.
        let whom = Whom::ReplyTopic(viewer.reply_topic.clone());
        self.stop_in(Which::Any, |key| *key != spec.key, &whom, Farewell::Silent).await;
        Ok(())
    }

    /// A viewer is still there; false if it is not known.
    pub(crate) async fn refresh(&self, key: Key, reply_topic: String) -> bool {
        let found = self.ask(|answer| Request::Find { key, answer }).await.flatten();
        match found {
            Some(job) => job.ask(|answer| Command::Refresh(reply_topic, answer)).await.unwrap_or(false),
            None => false,
        }
    }

    /// Takes a stream over, of which another worker knew `plan`; answers once its first keyframe is out. When that fails,
    /// nothing stays behind.
    pub(crate) async fn adopt(
        &self,
        spec: Arc<Spec>,
        viewers: Vec<Viewer>,
        after: Option<Stand>,
        plan: Option<Plan>,
    ) -> Result<Media, Failure> {
        if let Some(plan) = plan {
            self.shared.ffmpeg.learned.hear(spec.source.url(), plan, Instant::now());
        }
        let command = || {
            let viewers = viewers.clone();
            move |answer| Command::Adopt(viewers, answer)
        };
        let session = viewers.first().map(|viewer| viewer.session.clone()).unwrap_or_default();
        self.with_job(spec, cause(session, after), command).await
    }

    /// Counts viewers out of streams; answers how many.
    pub(crate) async fn stop(&self, which: Which, whom: Whom, farewell: Farewell) -> usize {
        self.stop_in(which, |_| true, &whom, farewell).await
    }

    /// Somebody says that it publishes a stream, which is perhaps ours.
    pub(crate) async fn claimed(&self, claim: Claim) {
        self.requests.send(Request::Claimed(claim)).await.ok();
    }

    /// Admits nothing new, waits until nobody watches or `patience` is over, and ends what is left.
    pub(crate) async fn drain(&self, patience: Duration) -> Drained {
        self.requests.send(Request::Drain).await.ok();
        let mut snapshots = self.shared.board.subscribe();
        let unwatched = snapshots.wait_for(|snapshot| snapshot.worker.draining && snapshot.viewers() == 0);
        let in_time = tokio::time::timeout(patience, unwatched).await.is_ok();
        let (streams, viewers) =
            self.shared.board.look(|snapshot: &Snapshot| (snapshot.streams.len(), snapshot.viewers()));
        self.ask(Request::End).await;
        Drained { in_time, streams, viewers }
    }

    async fn stop_in(&self, which: Which, also: impl Fn(&Key) -> bool, whom: &Whom, farewell: Farewell) -> usize {
        let jobs = self.ask(|answer| Request::Select { which, answer }).await.unwrap_or_default();
        let jobs = jobs.into_iter().filter(|(key, _)| also(key));
        let stopped = jobs.map(async |(_, job)| {
            let whom = whom.clone();
            job.ask(|answer| Command::Stop(whom, farewell, answer)).await.unwrap_or(0)
        });
        futures::future::join_all(stopped).await.into_iter().sum()
    }

    async fn with_job<T, C>(&self, spec: Arc<Spec>, cause: Cause, command: impl Fn() -> C) -> Result<T, Failure>
    where
        C: FnOnce(Answer<Result<T, Failure>>) -> Command,
    {
        for _ in 0..ATTEMPTS {
            let (spec, cause) = (spec.clone(), cause.clone());
            let admitted = self.ask(|answer| Request::Admit { spec, cause, answer }).await;
            let job = admitted.unwrap_or_else(|| Err(Code::Draining.into()))?;
            if let Some(answer) = job.ask(command()).await {
                return answer;
            }
        }
        Err(Code::Internal.into())
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.ok()?;
        answered.await.ok()
    }
}

/// For whom, and what for: we are in the span of the request.
fn cause(session: String, after: Option<Stand>) -> Cause {
    Cause { after, session, trace: runtime::trace::current() }
}

struct Table {
    shared: Shared,
    slots: usize,
    running: HashMap<Key, Handle>,
    /// Which job a task is.
    names: HashMap<Id, Key>,
    tasks: JoinSet<Ended>,
    /// Requests for streams whose last job is closing.
    parked: Vec<Request>,
    draining: bool,
    token: CancellationToken,
}

impl Table {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(Request::End(answer)) => {
                        self.end().await;
                        answer.send(()).ok();
                    }
                    Some(request) => self.request(request),
                    None => return self.end().await,
                },
                Some(joined) = self.tasks.join_next_with_id() => self.gone(&joined),
            }
        }
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Admit { ref spec, .. } if self.running.get(&spec.key).is_some_and(Handle::is_closed) => {
                self.parked.push(request);
            }
            Request::Admit { spec, cause, answer } => {
                answer.send(self.admit(spec, &cause)).ok();
            }
            Request::Find { key, answer } => {
                answer.send(self.running.get(&key).cloned()).ok();
            }
            Request::Select { which, answer } => {
                let jobs = self.running.iter().filter(|(key, _)| which.includes(key));
                answer.send(jobs.map(|(key, job)| (key.clone(), job.clone())).collect()).ok();
            }
            Request::Claimed(claim) => {
                if let Some(job) = self.running.values().find(|job| job.live_topic() == claim.live_topic) {
                    job.tell(Command::Claimed(claim));
                }
            }
            Request::Drain => {
                self.draining = true;
                self.shared.board.worker(|worker| worker.draining = true);
            }
            Request::End(_) => {}
        }
    }

    fn admit(&mut self, spec: Arc<Spec>, cause: &Cause) -> Result<Handle, Failure> {
        // Also while draining: whoever comes now moves with the others, and nobody starts the stream a second time.
        if let Some(job) = self.running.get(&spec.key).filter(|job| !job.is_closed()) {
            return Ok(job.clone());
        }
        if self.draining {
            return Err(Failure::from(Code::Draining).retry_after(Duration::from_secs(1)));
        }
        if self.running.len() >= self.slots {
            return Err(Failure::from(Code::NoCapacity).retry_after(self.shared.linger));
        }
        let key = spec.key.clone();
        let span = info_span!("stream", source = key.source, profile = key.profile, session = cause.session);
        let (handle, task) = span.in_scope(|| job(self.shared.clone(), spec, cause, self.token.child_token()));
        let task = self.tasks.spawn(task.instrument(span));
        self.names.insert(task.id(), key.clone());
        self.running.insert(key, handle.clone());
        Ok(handle)
    }

    fn gone(&mut self, joined: &Result<(Id, Ended), tokio::task::JoinError>) {
        let id = match joined {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        if let Some(key) = self.names.remove(&id) {
            if let Err(error) = joined {
                error!(source = key.source, profile = key.profile, %error, "a job ended in an unforeseen way");
            }
            self.running.remove(&key);
        }
        for request in std::mem::take(&mut self.parked) {
            self.request(request);
        }
    }

    async fn end(&mut self) {
        self.draining = true;
        self.token.cancel();
        while let Some(joined) = self.tasks.join_next_with_id().await {
            self.gone(&joined);
        }
    }
}
