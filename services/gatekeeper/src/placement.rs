//! Which worker a stream goes to.
//!
//! The one that runs it already; else rendezvous hashing with bounded load: each worker gets a score for the stream, the
//! highest wins unless that worker already carries more than its share. Every replica computes the same from the same
//! view, and a worker that comes or goes moves only what it has to. The answer is an order, because a worker may refuse:
//! admission is its business.
//!
//! Pure: the view and the placements that it cannot show yet come in as arguments.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::stream::{Continuation, Failure, Health, StreamKey, Viewer};

/// Beyond its fair share a worker takes this much more before the next in order is preferred. It matters in large
/// pools; in small ones the share is rounded to whole streams, so that two streams on two workers are one each.
const SLACK: f64 = 1.25;
/// How many workers are asked that said they were full: the word may be a second old, and a worker may give up a stream
/// that nobody watches. More of them would only make the viewer wait for its answer.
const FULL_ASKED: usize = 3;

/// Address of a worker; what tells members of the pool apart.
pub type MemberId = Arc<str>;

/// A ready worker as last heard of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Worker {
    /// Unique name.
    pub name: String,
    /// How many streams it runs at most.
    pub slots_total: u32,
    /// How many it runs.
    pub slots_used: u32,
    /// It admits nothing new.
    pub draining: bool,
    /// CPU time per wall time over the last seconds, its ffmpegs included.
    pub cpu_cores: f64,
    /// What it runs.
    pub jobs: HashMap<StreamKey, Arc<Job>>,
    /// Streams that it ran until their source failed, of late, and when that was heard.
    pub failed: HashMap<StreamKey, (Failure, SystemTime)>,
}

/// A stream on a worker, as last heard of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Job {
    /// Who watches.
    pub viewers: Vec<Viewer>,
    /// The URL that was asked for, if it matched a pattern; else empty.
    pub pattern_url: String,
    /// How its source has to be treated, in the workers' words; only handed on.
    pub treatment: String,
    /// Where its numbering stood, and when that was heard.
    pub stood: Option<(Continuation, Instant)>,
    /// How it does.
    pub health: Health,
}

impl Worker {
    /// Whether the viewer on this reply topic watches here.
    pub fn serves(&self, reply_topic: &str) -> bool {
        self.jobs.values().any(|job| job.viewers.iter().any(|viewer| viewer.reply_topic == reply_topic))
    }
}

/// Whom to ask, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Candidates, best first.
    pub order: Vec<MemberId>,
    /// How many of the first candidates run the stream already; theirs is the last word.
    pub running: usize,
}

/// Orders `workers` for `key`. `recent` are placements that the workers' own reports may not show yet.
pub fn plan(key: &StreamKey, workers: &[(MemberId, Arc<Worker>)], recent: &[(StreamKey, MemberId)]) -> Plan {
    let reported = |worker: &Worker| worker.jobs.contains_key(key);
    let placed = |id: &MemberId| recent.iter().any(|(recent, member)| recent == key && member == id);
    let scored: Vec<_> = {
        let mut scored: Vec<_> = workers.iter().map(|(id, worker)| (score(key, &worker.name), id, worker)).collect();
        scored.sort_by(|a, b| (Reverse(a.0), a.1).cmp(&(Reverse(b.0), b.1)));
        scored
    };
    let (mut running, rest): (Vec<_>, Vec<_>) = scored.into_iter().partition(|(_, id, w)| reported(w) || placed(id));
    // A stream that moves belongs to where it goes. Else what a worker says weighs more than what we remember.
    running.sort_by_key(|(_, _, worker)| (worker.draining, !reported(worker)));

    let open: Vec<_> = rest.into_iter().filter(|(_, _, worker)| !worker.draining && worker.slots_total > 0).collect();
    let load = |id: &MemberId, worker: &Worker| {
        let unseen = recent.iter().filter(|(key, member)| member == id && !worker.jobs.contains_key(key)).count();
        worker.slots_used.saturating_add(unseen as u32)
    };
    let admitting = || workers.iter().filter(|(_, worker)| !worker.draining);
    let slots: f64 = admitting().map(|(_, worker)| f64::from(worker.slots_total)).sum();
    let used: f64 = admitting().map(|(id, worker)| f64::from(load(id, worker))).sum();
    let bound = |worker: &Worker| {
        let share = (used + 1.0) * f64::from(worker.slots_total) / slots.max(1.0);
        share.ceil().max((share * SLACK).floor())
    };

    let (free, full): (Vec<_>, Vec<_>) = open.into_iter().partition(|(_, id, w)| load(id, w) < w.slots_total);
    let (light, heavy): (Vec<_>, Vec<_>) = free.into_iter().partition(|(_, id, w)| f64::from(load(id, w)) < bound(w));
    let order = running.iter().chain(&light).chain(&heavy).chain(full.iter().take(FULL_ASKED));
    Plan { order: order.map(|(_, id, _)| (*id).clone()).collect(), running: running.len() }
}

/// Highest random weight: FNV-1a over both names, finished as splitmix64 does so that close names score far apart. Part
/// of the agreement among replicas: not to be changed while old ones run.
fn score(key: &StreamKey, worker: &str) -> u64 {
    let bytes = [key.source.as_bytes(), b"/", key.profile.as_bytes(), b"@", worker.as_bytes()];
    let fnv = bytes
        .into_iter()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn key(source: &str) -> StreamKey {
        StreamKey { source: source.to_owned(), profile: "source".to_owned() }
    }

    fn id(name: &str) -> MemberId {
        name.into()
    }

    fn worker(name: &str, used: u32, total: u32) -> (MemberId, Arc<Worker>) {
        let worker = Worker { name: name.to_owned(), slots_total: total, slots_used: used, ..Worker::default() };
        (id(name), Arc::new(worker))
    }

    fn running(name: &str, streams: &[&str], draining: bool) -> (MemberId, Arc<Worker>) {
        let jobs: HashMap<_, _> = streams.iter().map(|source| (key(source), Arc::default())).collect();
        let slots_used = jobs.len() as u32;
        (
            id(name),
            Arc::new(Worker { name: name.to_owned(), slots_total: 4, slots_used, draining, jobs, ..Worker::default() }),
        )
    }

    #[test]
    fn without_workers_there_is_nobody_to_ask() {
        assert_eq!(plan(&key("lobby"), &[], &[]), Plan::default());
    }

    #[test]
    fn the_worker_that_runs_the_stream_comes_first_even_full_or_draining() {
        for draining in [false, true] {
            let workers = [running("a", &["x"], false), running("b", &["lobby", "y", "z", "w"], draining)];
            let plan = plan(&key("lobby"), &workers, &[]);
            assert_eq!((plan.order[0].as_ref(), plan.running), ("b", 1));
        }
    }

    #[test]
    fn a_stream_that_moves_belongs_to_where_it_goes() {
        let workers = [running("a", &["lobby"], true), worker("b", 0, 4)];
        let plan = plan(&key("lobby"), &workers, &[(key("lobby"), id("b"))]);
        assert_eq!((plan.order, plan.running), (vec![id("b"), id("a")], 2));
    }

    #[test]
    fn draining_workers_get_nothing_new() {
        let workers = [running("a", &[], true), worker("b", 3, 4)];
        assert_eq!(plan(&key("lobby"), &workers, &[]).order, [id("b")]);
    }

    #[test]
    fn a_recent_placement_counts_before_the_worker_reports_it() {
        let workers = [worker("a", 0, 4), worker("b", 0, 4)];
        for first in ["a", "b"] {
            let recent = [(key("lobby"), id(first))];
            assert_eq!(plan(&key("lobby"), &workers, &recent).order[0].as_ref(), first);
            assert_ne!(plan(&key("yard"), &workers, &recent).order[0].as_ref(), first, "it is one ahead");
        }
    }

    #[test]
    fn full_workers_are_asked_last_and_only_a_few() {
        let mut workers: Vec<_> = (0..8).map(|n| worker(&format!("full-{n}"), 2, 2)).collect();
        workers.push(worker("free", 1, 2));
        let order = plan(&key("lobby"), &workers, &[]).order;
        assert_eq!((order[0].as_ref(), order.len()), ("free", 1 + FULL_ASKED));
    }

    /// Places `streams` one by one on `sizes` and returns the load of each worker.
    fn fill(sizes: &[u32], streams: usize) -> Vec<u32> {
        let mut loads = vec![0; sizes.len()];
        for stream in 0..streams {
            let named = |(n, total): (usize, &u32)| worker(&format!("w{n}"), loads[n], *total);
            let workers: Vec<_> = sizes.iter().enumerate().map(named).collect();
            let first = plan(&key(&format!("cam-{stream}")), &workers, &[]).order[0].clone();
            loads[first[1..].parse::<usize>().expect("a number")] += 1;
        }
        loads
    }

    proptest! {
        #[test]
        fn two_streams_on_two_workers_are_one_each(a in "[a-z]{1,8}", b in "[a-z]{1,8}") {
            let workers = [worker("t0", 0, 4), worker("t1", 0, 4)];
            let first = plan(&key(&a), &workers, &[]).order[0].clone();
            let workers = workers.map(|(id, w)| worker(&id, u32::from(id == first), w.slots_total));
            prop_assert_ne!(&plan(&key(&b), &workers, &[]).order[0], &first);
        }

        #[test]
        fn no_worker_is_filled_beyond_its_bound_or_its_slots(
            sizes in prop::collection::vec(1u32..20, 1..8), fraction in 0.0f64..=1.0,
        ) {
            let slots: u32 = sizes.iter().sum();
            let streams = (f64::from(slots) * fraction) as usize;
            for (load, size) in fill(&sizes, streams).into_iter().zip(&sizes) {
                let share = streams as f64 * f64::from(*size) / f64::from(slots);
                prop_assert!(load <= *size);
                prop_assert!(f64::from(load) <= share.ceil().max((share * SLACK).floor()), "{load} of share {share}");
            }
        }

        #[test]
        fn a_worker_that_leaves_moves_only_what_it_had(count in 2usize..8, gone in 0usize..8, source in "[a-z]{1,8}") {
            // Empty workers with room, so that load plays no part.
            let all: Vec<_> = (0..count).map(|n| worker(&format!("w{n}"), 0, 100)).collect();
            let before = plan(&key(&source), &all, &[]).order;
            let gone = id(&format!("w{}", gone % count));
            let left: Vec<_> = all.into_iter().filter(|(id, _)| *id != gone).collect();
            let after = plan(&key(&source), &left, &[]).order;
            let expected: Vec<_> = before.into_iter().filter(|id| *id != gone).collect();
            prop_assert_eq!(after, expected);
        }

        #[test]
        fn the_order_of_the_view_does_not_matter(loads in prop::collection::vec(0u32..5, 1..6), source in "[a-z]{1,8}") {
            let mut workers: Vec<_> = loads.iter().enumerate().map(|(n, load)| worker(&format!("w{n}"), *load, 5)).collect();
            let forward = plan(&key(&source), &workers, &[]);
            workers.reverse();
            prop_assert_eq!(plan(&key(&source), &workers, &[]), forward);
        }

        #[test]
        fn nobody_is_asked_twice(loads in prop::collection::vec(0u32..5, 0..6), placed in prop::option::of(0usize..6)) {
            let workers: Vec<_> = loads.iter().enumerate().map(|(n, load)| worker(&format!("w{n}"), *load, 4)).collect();
            let recent: Vec<_> = placed.map(|n| (key("x"), id(&format!("w{n}")))).into_iter().collect();
            let order = plan(&key("x"), &workers, &recent).order;
            prop_assert_eq!(order.iter().collect::<HashSet<_>>().len(), order.len());
        }
    }

    #[test]
    fn streams_spread_evenly_without_any_load() {
        let workers: Vec<_> = (0..4).map(|n| worker(&format!("transcoder-{n}"), 0, 1000)).collect();
        let mut counts: HashMap<MemberId, u32> = HashMap::new();
        for n in 0..1000 {
            *counts.entry(plan(&key(&format!("cam-{n}")), &workers, &[]).order[0].clone()).or_default() += 1;
        }
        assert!(counts.values().all(|count| (200..300).contains(count)), "{counts:?}");
    }
}
