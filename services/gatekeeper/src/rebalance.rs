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

mod mover;
pub mod pace;
pub mod plan;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime::backoff::Backoff;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

use self::mover::Mover;
use self::pace::Pace;
use self::plan::plan;
use crate::handler::Desk;
use crate::metrics::Move;
use crate::stream::StreamKey;

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

/// Rebalances while `leads` says so, until `token` is cancelled and what is under way is done.
pub(crate) async fn run(desk: Arc<Desk>, mut leads: watch::Receiver<bool>, token: CancellationToken) {
    let mover = Arc::new(Mover::new(desk));
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

    fn done(&mut self, mover: &Mover, done: Result<(Arc<StreamKey>, bool), JoinError>) {
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
