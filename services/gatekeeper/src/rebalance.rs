//! Takes streams from workers that are lost or on their way out to others, with their viewers, who notice little or nothing.
//!
//! One replica leads and does it; the others only watch, and know all that is needed to go on from there. A draining
//! worker's streams are moved make-before-break: the new worker's first keyframe is out before the old one is told to let
//! go. A camera that does not serve two at a time refuses the new worker; then the old one lets go first, and that is
//! remembered. The streams of a lost worker are started elsewhere where its numbering stood. Should it be alive after all,
//! it hears by the broker that it was replaced (see the transcoder's `fence`).
//!
//! What is to be done is found anew from the view each time ([`plan`]), and how much of it at once is limited by who is to
//! receive it ([`pace`]); nothing is kept that a new leader would miss.

pub mod pace;
pub mod plan;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use runtime::backoff::Backoff;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, info_span, warn};

use self::pace::Pace;
use self::plan::{Cause, Task, plan};
use crate::handler::Desk;
use crate::metrics::Move;
use crate::placement::{Job, Jobs, MemberId, Plan};
use crate::policy::AllowedSource;
use crate::refusal::{Code, Refusal};
use crate::sources::Login;
use crate::stream::StreamKey;
use crate::worker::{Client, Failure, Start, Stop};

/// Looks again although nothing changed: a stream that could not be moved may be now.
const LOOK: Duration = Duration::from_millis(500);
/// After a look, changes are left alone for so long: thousands of workers report thousands of times a second, and hundreds
/// of moves end.
const PAUSE: Duration = Duration::from_millis(20);
/// Or for so many times as long as the look took: with tens of thousands of streams to be moved it takes tens of
/// milliseconds, for which requests wait.
const REST: u32 = 4;
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// A camera that serves one at a time takes this many tries until it has noticed that the last one left.
const RETAKES: usize = 8;
const RETAKE_MIN: Duration = Duration::from_millis(100);
const RETAKE_MAX: Duration = Duration::from_secs(1);
/// Cameras of which it is remembered that they serve one at a time. Beyond that they are found out anew.
const REMEMBERED: usize = 4096;

/// Rebalances while `leads` says so, until `token` is cancelled and what is under way is done.
pub(crate) async fn run(desk: Arc<Desk>, mut leads: watch::Receiver<bool>, token: CancellationToken) {
    let mover = Arc::new(Mover { desk, pace: Mutex::default(), single: Mutex::default() });
    let mut news = mover.desk.parts.pool.changes();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = UnderWay::default();
    let mut rested = tokio::time::Instant::now() + PAUSE;
    loop {
        let changed = async {
            tokio::time::sleep_until(rested).await;
            news.changed().await
        };
        let ended = async {
            tokio::time::sleep_until(rested).await;
            under_way.tasks.join_next().await
        };
        tokio::select! {
            () = token.cancelled() => break,
            _ = look.tick() => {}
            Ok(()) = changed => {}
            Ok(()) = leads.changed() => {}
            Some(done) = ended => under_way.done(&mover, done),
        }
        while let Some(done) = under_way.tasks.try_join_next() {
            under_way.done(&mover, done);
        }
        let looks = tokio::time::Instant::now();
        // Whoever leads: so no request has to catch up with what a whole pool reported since the last one.
        mover.desk.books().seeing(&mover.desk.parts.pool);
        if *leads.borrow_and_update() {
            under_way.start(&mover);
        }
        let looked = tokio::time::Instant::now();
        rested = looked + PAUSE.max((looked - looks) * REST);
    }
    while let Some(done) = under_way.tasks.join_next().await {
        under_way.done(&mover, done);
    }
}

#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<(Arc<StreamKey>, bool)>,
    /// Streams that could not be moved, or whose old worker has yet to let go.
    later: HashMap<Arc<StreamKey>, Later>,
}

/// When to look at a stream again.
struct Later {
    at: Instant,
    backoff: Backoff,
    failures: u32,
}

impl UnderWay {
    fn start(&mut self, mover: &Arc<Mover>) {
        let parts = &mover.desk.parts;
        let lost = parts.pool.lost();
        let now = Instant::now();
        let begun = {
            let mut books = mover.desk.books();
            let mut tasks = plan(&books.fleet, &lost, |key| self.later.get(key).map_or(0, |later| later.failures));
            let failed: HashSet<_> = tasks.iter().filter(|task| task.failures > 0).map(|task| &task.key).collect();
            self.later.retain(|key, later| later.at > now || failed.contains(key));
            tasks.retain(|task| self.later.get(&task.key).is_none_or(|later| later.at <= now));
            let mut pace = mover.pace();
            // Whose viewers all asked again is served.
            for served in tasks.extract_if(.., |task| task.job.viewers.is_empty() && !pace.is_moving(&task.key)) {
                parts.pool.settle(&served.from, &served.key);
                parts.metrics.moved(served.cause.as_str(), Move::Done, now);
            }
            pace.begin(tasks, &mut books.fleet, now)
        };
        for (task, candidates) in begun {
            let span = info_span!("move", stream = %task.key, cause = task.cause.as_str(), from = %task.from);
            let mover = mover.clone();
            self.tasks.spawn(
                async move {
                    let done = mover.carry_out(&task, candidates).await;
                    (task.key, done)
                }
                .instrument(span),
            );
        }
    }

    fn done(&mut self, mover: &Mover, done: Result<(Arc<StreamKey>, bool), tokio::task::JoinError>) {
        let (key, is_done) = match done {
            Ok(done) => done,
            Err(failure) => {
                tracing::error!(%failure, "a move failed; please report this defect");
                // Which one it was is not known; the view says what is left to do.
                *mover.pace() = Pace::default();
                return;
            }
        };
        mover.pace().end(&key);
        let now = Instant::now();
        if is_done {
            self.later.remove(&key);
        }
        let backoff = || Backoff::new(RETRY_MIN, RETRY_MAX);
        let later = self.later.entry(key).or_insert_with(|| Later { at: now, backoff: backoff(), failures: 0 });
        later.at = now + later.backoff.next_delay();
        later.failures += u32::from(!is_done);
    }
}

/// Carries tasks out.
struct Mover {
    desk: Arc<Desk>,
    pace: Mutex<Pace>,
    /// Sources whose cameras serve one at a time.
    single: Mutex<HashSet<String>>,
}

impl Mover {
    /// True: nothing is left to do about it.
    async fn carry_out(&self, task: &Task, candidates: Plan) -> bool {
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

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
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
