//! Carries one move out: whether the stream may still run, who takes it, and when its old worker lets go.
//!
//! What is to be moved, when, and whom to ask first is decided before. When a worker refuses, the next is asked; a move that
//! fails is tried again by who began it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use runtime::backoff::Backoff;
use tracing::{debug, info, warn};

use super::pace::Pace;
use super::plan::{Cause, Task};
use crate::handler::Desk;
use crate::metrics::Move;
use crate::placement::{Job, Jobs, MemberId, Plan};
use crate::policy::AllowedSource;
use crate::refusal::{Code, Refusal};
use crate::sources::Login;
use crate::stream::StreamKey;
use crate::worker::{Client, Failure, Start, Stop};

/// A camera that serves one at a time takes this many tries until it has noticed that the last one left.
const RETAKES: usize = 8;
const RETAKE_MIN: Duration = Duration::from_millis(100);
const RETAKE_MAX: Duration = Duration::from_secs(1);
/// Cameras of which it is remembered that they serve one at a time. Beyond that they are found out anew.
const REMEMBERED: usize = 4096;

/// Carries tasks out.
pub(super) struct Mover {
    pub(super) desk: Arc<Desk>,
    pace: Mutex<Pace>,
    /// Sources whose cameras serve one at a time.
    single: Mutex<HashSet<String>>,
}

impl Mover {
    /// Nothing is under way yet.
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, pace: Mutex::default(), single: Mutex::default() }
    }

    /// What is under way.
    pub(super) fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True: nothing is left to do about it.
    pub(super) async fn carry_out(&self, task: &Task, candidates: Plan) -> bool {
        let since = Instant::now();
        let first = candidates.first().cloned();
        let outcome = match self.prepare(task).await {
            Ok((source, login)) => {
                let transfer = Transfer { source: &source, login: login.as_ref(), job: &task.job };
                self.attempt(task, &transfer, candidates).await
            }
            Err(outcome) => {
                // It was noted as the place when the move began.
                if let Some(first) = first {
                    self.desk.books().fleet.refused(&task.key, &first);
                }
                outcome
            }
        };
        self.desk.parts.metrics.moved(task.cause.as_str(), outcome, since);
        matches!(outcome, Move::Done | Move::Refused)
    }

    /// Whether the stream may be started still, and the login that it takes.
    async fn prepare(&self, task: &Task) -> Result<(AllowedSource, Option<Login>), Move> {
        let source = match self.desk.readmit(&task.key, &task.job.pattern_url).await {
            Ok(source) => source,
            Err(refusal) if refusal.code == Code::NotAllowed => {
                info!("not allowed any more");
                self.desk.parts.pool.settle(&task.from, &task.key);
                self.let_go(&task.from, Stop::NotAllowed(task.key.source.clone())).await;
                return Err(Move::Refused);
            }
            Err(refusal) => return Err(failed(&refusal)),
        };
        let login = self.desk.login(&source).await.map_err(|refusal| failed(&refusal))?;
        Ok((source, login))
    }

    async fn attempt(&self, task: &Task, transfer: &Transfer<'_>, candidates: Plan) -> Move {
        let pool = &self.desk.parts.pool;
        match task.cause {
            Cause::Lost => match self.place(transfer, candidates).await {
                Ok(to) => {
                    pool.settle(&task.from, &task.key);
                    info!(%to, viewers = task.job.viewers.len(), "adopted");
                    Move::Done
                }
                Err(refusal) => failed(&refusal),
            },
            Cause::Draining if self.is_single(&task.key) => self.break_before_make(task, transfer).await,
            Cause::Draining => match self.place(transfer, candidates).await {
                Ok(to) => {
                    self.let_go(&task.from, Stop::Moved(StreamKey::clone(&task.key))).await;
                    info!(%to, viewers = task.job.viewers.len(), "moved");
                    Move::Done
                }
                // The camera plays where it is and does not elsewhere.
                Err(refusal) if is_the_cameras(refusal.code) && task.job.health.failure.is_none() => {
                    info!(code = refusal.code.as_str(), "the camera refuses a second connection");
                    self.break_before_make(task, transfer).await
                }
                Err(refusal) => failed(&refusal),
            },
        }
    }

    /// The old worker lets go before the new one begins. From then on the stream is like a lost worker's.
    async fn break_before_make(&self, task: &Task, transfer: &Transfer<'_>) -> Move {
        let pool = &self.desk.parts.pool;
        self.let_go(&task.from, Stop::Moved(StreamKey::clone(&task.key))).await;
        pool.lose(&task.from, &Jobs::from([(task.key.clone(), task.job.clone())]));
        let mut pause = Backoff::new(RETAKE_MIN, RETAKE_MAX);
        for _ in 0..RETAKES {
            let candidates = self.desk.books().seeing(pool).successors(&task.key, Some(&task.from), |_| false);
            match self.place(transfer, candidates).await {
                Ok(to) => {
                    pool.settle(&task.from, &task.key);
                    self.remember_single(&task.key);
                    info!(%to, viewers = task.job.viewers.len(), "moved after a break");
                    return Move::Done;
                }
                Err(refusal) => debug!(code = refusal.code.as_str(), "not yet"),
            }
            tokio::time::sleep(pause.next_delay()).await;
        }
        warn!("nobody could take the stream over yet");
        Move::Failed
    }

    /// Tries the candidates in order, except who is busy, until one has a keyframe out.
    async fn place(&self, transfer: &Transfer<'_>, candidates: Plan) -> Result<MemberId, Refusal> {
        let (desk, key) = (&self.desk, transfer.source.key());
        let live_topic = desk.parts.topics.live(key);
        let start = Start { source: transfer.source, login: transfer.login, live_topic: &live_topic };
        let running = candidates.running();
        for (nth, to) in candidates.enumerate() {
            if !self.pace().turn(key, &to, nth < running) {
                continue;
            }
            let Some(client) = desk.parts.pool.client(&to) else { continue };
            desk.books().fleet.place(key, &to, Instant::now());
            let job = transfer.job;
            let failure = match client.adopt(&start, job).await {
                Ok(()) => {
                    let now = Instant::now();
                    let mut books = desk.books();
                    books.fleet.place(key, &to, now);
                    for viewer in job.viewers.iter() {
                        books.watches(&viewer.reply_topic, to.clone(), now);
                    }
                    return Ok(to);
                }
                Err(failure) => failure,
            };
            desk.books().fleet.refused(key, &to);
            debug!(worker = %to, ?failure, "not taken over");
            if let Failure::Final(refusal) = failure {
                return Err(refusal);
            }
        }
        Err(Refusal::new(Code::NoCapacity, "no transcoder has room for it"))
    }

    async fn let_go(&self, from: &MemberId, stop: Stop) {
        let client: Option<Client> = self.desk.parts.pool.client(from);
        let Some(client) = client else { return };
        if let Err(failure) = client.stop(stop).await {
            debug!(?failure, "the old worker does not answer");
        }
    }

    fn is_single(&self, key: &StreamKey) -> bool {
        self.single.lock().unwrap_or_else(PoisonError::into_inner).contains(&key.source)
    }

    fn remember_single(&self, key: &StreamKey) {
        let mut single = self.single.lock().unwrap_or_else(PoisonError::into_inner);
        if single.len() >= REMEMBERED {
            single.clear();
        }
        single.insert(key.source.clone());
    }
}

/// What is handed over.
struct Transfer<'a> {
    source: &'a AllowedSource,
    login: Option<&'a Login>,
    job: &'a Job,
}

/// Whether it is the camera that does not want to.
fn is_the_cameras(code: Code) -> bool {
    matches!(code, Code::SourceUnreachable | Code::SourceUnauthorized)
}

fn failed(refusal: &Refusal) -> Move {
    warn!(code = refusal.code.as_str(), why = refusal.text, "not moved yet");
    Move::Failed
}
