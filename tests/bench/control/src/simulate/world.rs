//! The simulated pool: what workers run, what the leader knows of it, and the clock.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use gatekeeper::placement::{Fleet, Job, MemberId, Plan, View, Worker};
use gatekeeper::rebalance::pace::Pace;
use gatekeeper::rebalance::plan::{Cause, Task, plan};
use gatekeeper::stream::StreamKey;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::pool;

/// Streams of a worker on average.
pub(super) const STREAMS: usize = 50;
/// Streams that a worker runs at most.
pub(super) const SLOTS: u32 = 64;
/// Share of the streams that ends in a minute, while as many begin.
pub(super) const CHURN: f64 = 0.01;
/// Seconds from asking a worker to take a stream over until its first keyframe is out.
pub(super) const FIRST_KEYFRAME: Range<f64> = 0.8..2.8;
/// Time goes in steps of so much.
const STEP: Duration = Duration::from_millis(100);
/// A worker that is silent for so long is lost.
const SILENCE: Duration = Duration::from_millis(2500);
/// So long the leader knows what a lost worker ran.
const MEMORY: Duration = Duration::from_mins(1);
/// The whole pool is filled in so many seconds.
const FILL: usize = 100;

/// The pool and its leader.
pub(super) struct World {
    rng: StdRng,
    begin: Instant,
    elapsed: Duration,
    /// What runs; what the leader knows is a second older.
    workers: BTreeMap<MemberId, Arc<Worker>>,
    born: usize,
    /// All streams that run or wait for a worker, and who runs them.
    keys: Vec<Arc<StreamKey>>,
    homes: HashMap<Arc<StreamKey>, MemberId>,
    streams: usize,
    view: View,
    fleet: Fleet,
    dead: Vec<(Duration, MemberId, Arc<Worker>)>,
    lost: HashMap<Arc<StreamKey>, (MemberId, Arc<Job>, Duration)>,
    pace: Pace,
    under_way: Vec<(Duration, Task, MemberId)>,
    /// Most moves that were under way at once.
    pub(super) most_moving: usize,
    /// Most of them that one worker received.
    pub(super) most_received: usize,
    /// Moves that came to an end.
    pub(super) moves: usize,
    moved_last: Duration,
}

impl World {
    /// A pool with [`STREAMS`] streams for each worker, placed one after the other.
    pub(super) fn fill(count: usize, seed: u64) -> Result<Self> {
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            begin: Instant::now(),
            elapsed: Duration::ZERO,
            workers: BTreeMap::new(),
            born: 0,
            keys: Vec::new(),
            homes: HashMap::new(),
            streams: 0,
            view: View::default(),
            fleet: Fleet::default(),
            dead: Vec::new(),
            lost: HashMap::new(),
            pace: Pace::default(),
            under_way: Vec::new(),
            most_moving: 0,
            most_received: 0,
            moves: 0,
            moved_last: Duration::ZERO,
        };
        for _ in 0..count {
            world.join();
        }
        world.report();
        for _ in 0..FILL {
            for _ in 0..count * STREAMS / FILL {
                world.ask()?;
            }
            world.elapsed += Duration::from_secs(1);
            world.report();
        }
        Ok(world)
    }

    /// A second of churn and moves.
    pub(super) fn second(&mut self) -> Result<()> {
        // So that a minute comes to the share, however few there are.
        let until = |elapsed: Duration| (elapsed.as_secs_f64() / 60.0 * CHURN * self.keys.len() as f64) as usize;
        let changes = until(self.elapsed + Duration::from_secs(1)) - until(self.elapsed);
        for _ in 0..changes {
            self.end();
            self.ask()?;
        }
        for _ in 0..(Duration::from_secs(1).as_millis() / STEP.as_millis()) {
            self.elapsed += STEP;
            self.step();
        }
        self.report();
        Ok(())
    }

    /// Goes on until nothing is left to be moved; how many seconds that took.
    pub(super) fn converge(&mut self) -> Result<f64> {
        let since = self.elapsed;
        for _ in 0..600 {
            self.second()?;
            let draining = self.workers.values().any(|worker| worker.draining && !worker.jobs.is_empty());
            if self.dead.is_empty() && self.lost.is_empty() && self.under_way.is_empty() && !draining {
                self.workers.retain(|_, worker| !worker.draining);
                return Ok(self.moved_last.saturating_sub(since).as_secs_f64());
            }
        }
        bail!("ten minutes were not enough")
    }

    /// A new worker that runs nothing.
    pub(super) fn join(&mut self) {
        self.workers.insert(pool::id(self.born), pool::idle(self.born, SLOTS));
        self.born += 1;
    }

    /// A worker dies without a word; how many streams it ran.
    pub(super) fn kill_one(&mut self) -> usize {
        let id = self.any();
        let Some(worker) = self.workers.remove(&id) else { return 0 };
        let streams = worker.jobs.len();
        self.dead.push((self.elapsed + SILENCE, id, worker));
        streams
    }

    /// A worker is told to leave.
    pub(super) fn drain_one(&mut self) {
        let id = self.any();
        if let Some(worker) = self.workers.get_mut(&id) {
            Arc::make_mut(worker).draining = true;
        }
        self.report();
    }

    /// Most streams of a worker over the mean.
    pub(super) fn imbalance(&self) -> f64 {
        let used = || self.workers.values().map(|worker| f64::from(worker.slots_used));
        let most = used().fold(0.0, f64::max);
        most * self.workers.len() as f64 / used().sum::<f64>()
    }

    fn now(&self) -> Instant {
        self.begin + self.elapsed
    }

    fn any(&mut self) -> MemberId {
        let nth = self.rng.random_range(0..self.workers.len());
        self.workers.keys().nth(nth).cloned().unwrap_or_else(|| pool::id(0))
    }

    /// All workers say what they run. The dead do not, and are seen until they have been silent for too long.
    fn report(&mut self) {
        let now = self.elapsed;
        let seen =
            self.dead.iter().filter(|(until, ..)| *until > now).map(|(_, id, worker)| (id.clone(), worker.clone()));
        let mut view: Vec<_> =
            self.workers.iter().map(|(id, worker)| (id.clone(), worker.clone())).chain(seen).collect();
        view.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.view = view.into();
        self.fleet.see(&self.view);
        self.fleet.expire(self.begin + now);
    }

    /// Somebody asks for a stream that does not run.
    fn ask(&mut self) -> Result<()> {
        let source = format!("camera-{:07}", self.streams);
        let (key, job) = (Arc::new(pool::key(source.as_str())), pool::job(&source));
        self.streams += 1;
        for candidate in self.fleet.plan(&key) {
            if self.admit(&candidate, &key, &job) {
                let now = self.now();
                self.fleet.place(&key, &candidate, now);
                self.keys.push(key);
                return Ok(());
            }
        }
        bail!("no worker has room for {source}")
    }

    /// A worker takes a stream, if it has room and is there.
    fn admit(&mut self, id: &MemberId, key: &Arc<StreamKey>, job: &Arc<Job>) -> bool {
        let Some(worker) = self.workers.get_mut(id) else { return false };
        if worker.draining || worker.slots_used >= worker.slots_total {
            return false;
        }
        let worker = Arc::make_mut(worker);
        worker.jobs.insert(key.clone(), job.clone());
        worker.slots_used = worker.jobs.len() as u32;
        self.homes.insert(key.clone(), id.clone());
        true
    }

    /// Nobody watches some stream any more.
    fn end(&mut self) {
        let nth = self.rng.random_range(0..self.keys.len());
        let key = self.keys.swap_remove(nth);
        self.lost.remove(&key);
        if let Some(home) = self.homes.remove(&key) {
            self.let_go(&home, &key);
        }
    }

    fn let_go(&mut self, id: &MemberId, key: &StreamKey) {
        if let Some(worker) = self.workers.get_mut(id) {
            let worker = Arc::make_mut(worker);
            worker.jobs.remove(key);
            worker.slots_used = worker.jobs.len() as u32;
        }
    }

    /// What the leader does: notices who is dead, ends moves, begins others.
    fn step(&mut self) {
        let now = self.elapsed;
        let (gone, still): (Vec<_>, Vec<_>) = self.dead.drain(..).partition(|(until, ..)| *until <= now);
        self.dead = still;
        let noticed = !gone.is_empty();
        if noticed {
            for (_, id, worker) in gone {
                for (key, job) in &worker.jobs {
                    // A stream that somebody ended meanwhile has no viewers that would be waiting.
                    if self.homes.get(key) == Some(&id) {
                        self.lost.insert(key.clone(), (id.clone(), job.clone(), now));
                    }
                }
            }
            self.report();
        }
        self.lost.retain(|_, (_, _, since)| now.saturating_sub(*since) < MEMORY);
        let done: Vec<_> = self.under_way.extract_if(.., |(until, ..)| *until <= now).collect();
        let ended = !done.is_empty();
        for (_, task, to) in done {
            self.pace.end(&task.key);
            self.moved(&task, &to);
        }
        let waits = !self.lost.is_empty() || self.view.iter().any(|(_, worker)| worker.draining);
        // As the gatekeeper does: when a move ends, when something is heard, and each half second.
        if waits && (noticed || ended || self.under_way.is_empty() || now.subsec_millis().is_multiple_of(500)) {
            self.start();
        }
    }

    fn start(&mut self) {
        let lost: Vec<_> = self.lost.iter().map(|(key, (id, job, _))| (id.clone(), key.clone(), job.clone())).collect();
        let mut tasks = plan(&self.fleet, &lost, |_| 0);
        // The report in which a stream is gone from where it was comes within the second.
        tasks.retain(|task| task.cause == Cause::Lost || self.homes.get(&task.key) == Some(&task.from));
        let now = self.now();
        for (task, candidates) in self.pace.begin(tasks, &mut self.fleet, now) {
            if let Some(to) = self.first_with_room(&task, candidates) {
                let until = self.elapsed + Duration::from_secs_f64(self.rng.random_range(FIRST_KEYFRAME));
                self.under_way.push((until, task, to));
            } else {
                self.pace.end(&task.key);
            }
        }
        self.most_moving = self.most_moving.max(self.pace.moving());
        self.most_received = self.most_received.max(self.pace.most_received());
    }

    /// Workers refuse at once; the leader goes on to the next.
    fn first_with_room(&mut self, task: &Task, candidates: Plan) -> Option<MemberId> {
        let (running, now) = (candidates.running(), self.now());
        for (nth, to) in candidates.enumerate() {
            if !self.pace.turn(&task.key, &to, nth < running) {
                continue;
            }
            self.fleet.place(&task.key, &to, now);
            let room = |worker: &Arc<Worker>| !worker.draining && worker.slots_used < worker.slots_total;
            if self.workers.get(&to).is_some_and(room) {
                return Some(to);
            }
            self.fleet.refused(&task.key, &to);
        }
        None
    }

    /// The new worker's first keyframe is out.
    fn moved(&mut self, task: &Task, to: &MemberId) {
        // Its last viewer may have left on the way.
        if self.homes.get(&task.key) != Some(&task.from) {
            self.lost.remove(&task.key);
            return;
        }
        if self.admit(to, &task.key, &task.job) {
            self.lost.remove(&task.key);
            self.let_go(&task.from, &task.key);
            self.moves += 1;
            self.moved_last = self.elapsed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that the outcome of a simulation is made of.
    fn outcome(seed: u64) -> Result<(usize, usize, f64, f64)> {
        let mut world = World::fill(20, seed)?;
        let had = world.kill_one();
        let took = world.converge()?;
        Ok((had, world.moves, took, world.imbalance()))
    }

    #[test]
    fn a_simulation_comes_to_the_same_each_time() {
        assert_eq!(outcome(3).expect("an outcome"), outcome(3).expect("an outcome"));
    }

    #[test]
    fn what_a_lost_worker_ran_runs_elsewhere_and_nothing_else_moves() {
        let (had, moves, ..) = outcome(5).expect("an outcome");
        // A stream whose viewers leave meanwhile need not be moved.
        assert!(moves <= had && moves + 2 >= had, "{moves} moves for {had} streams");
    }

    #[test]
    fn every_stream_is_in_one_place() {
        let mut world = World::fill(20, 1).expect("a pool");
        world.drain_one();
        world.converge().expect("an end");
        let running: usize = world.workers.values().map(|worker| worker.jobs.len()).sum();
        assert_eq!((world.workers.len(), running), (19, world.keys.len()));
    }
}
