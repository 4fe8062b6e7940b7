//! What is chosen, and that choosing fast comes to the same as the rule.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::fleet::SLACK;
use super::order::FULL_ASKED;
use super::*;
use crate::recent::LIFE;
use crate::stream::{Delivery, Dialect};

/// Whom to ask, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Order {
    order: Vec<MemberId>,
    running: usize,
}

impl From<Plan> for Order {
    fn from(plan: Plan) -> Self {
        Self { running: plan.running(), order: plan.collect() }
    }
}

fn view(workers: &[(MemberId, Arc<Worker>)]) -> View {
    let mut workers = workers.to_vec();
    workers.sort_by(|(a, _), (b, _)| a.cmp(b));
    workers.into()
}

/// What a fleet that begins now comes to.
fn plan(key: &StreamKey, workers: &[(MemberId, Arc<Worker>)], recent: &[(StreamKey, MemberId)]) -> Order {
    let mut fleet = Fleet::default();
    fleet.see(&view(workers));
    for (key, member) in recent {
        fleet.place(key, member, Instant::now());
    }
    fleet.plan(key).into()
}

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
    let jobs: HashMap<_, _> = streams.iter().map(|source| (Arc::new(key(source)), Arc::default())).collect();
    let slots_used = jobs.len() as u32;
    (
        id(name),
        Arc::new(Worker { name: name.to_owned(), slots_total: 4, slots_used, draining, jobs, ..Worker::default() }),
    )
}

#[test]
fn without_workers_there_is_nobody_to_ask() {
    assert_eq!(plan(&key("lobby"), &[], &[]), Order::default());
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

#[test]
fn a_busy_worker_takes_nothing_over_unless_it_runs_the_stream() {
    let workers = [running("a", &["lobby"], false), worker("b", 0, 4), worker("c", 0, 4)];
    let mut fleet = Fleet::default();
    fleet.see(&view(&workers));
    let successors = |source: &str| fleet.successors(&key(source), None, |id| **id != *"c").collect::<Vec<_>>();
    assert_eq!(successors("lobby"), [id("a"), id("c")]);
    assert_eq!(successors("yard"), [id("c")]);
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

/// What happens to a fleet.
#[derive(Debug, Clone)]
enum Event {
    /// A worker comes or says something new.
    Report { worker: usize, streams: HashSet<usize>, viewer: usize, total: u32, draining: bool },
    /// A worker is gone.
    Gone(usize),
    /// A stream is placed.
    Place { stream: usize, worker: usize },
    /// And refused.
    Refuse { stream: usize, worker: usize },
    /// Seconds pass.
    Pass(u64),
}

/// A stream with two viewers, one of whom may watch others too.
fn watched(stream: usize, other: usize) -> Arc<Job> {
    let viewer = |n: usize| Viewer {
        reply_topic: format!("video_{n}"),
        delivery: Delivery::Live,
        dialect: Dialect::Video,
        session: String::new(),
        video_only: false,
    };
    Arc::new(Job { viewers: [stream, other].map(viewer).into(), ..Job::default() })
}

fn event() -> impl Strategy<Value = Event> {
    let (stream, member) = (0usize..12, 0usize..6);
    prop_oneof![
        3 => (member.clone(), prop::collection::hash_set(stream.clone(), 0..5), 0usize..3, 0u32..6, prop::bool::weighted(0.2))
            .prop_map(|(worker, streams, viewer, total, draining)| Event::Report { worker, streams, viewer, total, draining }),
        1 => member.clone().prop_map(Event::Gone),
        3 => (stream.clone(), member.clone()).prop_map(|(stream, worker)| Event::Place { stream, worker }),
        1 => (stream, member).prop_map(|(stream, worker)| Event::Refuse { stream, worker }),
        1 => (1u64..4).prop_map(Event::Pass),
    ]
}

proptest! {
    #[test]
    fn a_fleet_comes_to_the_same_as_the_rule_whatever_happened(events in prop::collection::vec(event(), 0..40)) {
        let name = |n: usize| format!("w{n}");
        let stream = |n: usize| key(&format!("cam-{n}"));
        let (mut fleet, mut now) = (Fleet::default(), Instant::now());
        let mut workers: HashMap<usize, (MemberId, Arc<Worker>)> = HashMap::new();
        let mut recent: HashMap<StreamKey, (MemberId, Instant)> = HashMap::new();
        for event in events {
            match event {
                Event::Report { worker, streams, viewer, total, draining } => {
                    let jobs: HashMap<_, _> = streams.into_iter().map(|n| (Arc::new(stream(n)), watched(n, viewer))).collect();
                    let (name, slots_used) = (name(worker), jobs.len() as u32);
                    let said = Worker { name: name.clone(), slots_total: total, slots_used, draining, jobs, ..Worker::default() };
                    workers.insert(worker, (id(&name), Arc::new(said)));
                }
                Event::Gone(worker) => drop(workers.remove(&worker)),
                Event::Place { stream: n, worker } => {
                    fleet.place(&stream(n), &id(&name(worker)), now);
                    recent.insert(stream(n), (id(&name(worker)), now));
                }
                Event::Refuse { stream: n, worker } => {
                    let (key, member) = (stream(n), id(&name(worker)));
                    fleet.refused(&key, &member);
                    if recent.get(&key).is_some_and(|(placed, _)| *placed == member) {
                        recent.remove(&key);
                    }
                }
                Event::Pass(seconds) => now += Duration::from_secs(seconds),
            }
            fleet.see(&view(&workers.values().cloned().collect::<Vec<_>>()));
            fleet.expire(now);
            recent.retain(|_, (_, since)| now - *since < LIFE);
            let known: Vec<_> = recent.iter().map(|(key, (member, _))| (key.clone(), member.clone())).collect();
            let all: Vec<_> = workers.values().cloned().collect();
            let drains = |(_, worker): &&(MemberId, Arc<Worker>)| worker.draining;
            prop_assert_eq!(fleet.draining().count(), all.iter().filter(drains).count());
            for n in 0..12 {
                let topic = format!("video_{n}");
                let serving: HashSet<_> = fleet.serving(&topic).cloned().collect();
                let serves = all.iter().filter(|(_, worker)| worker.serves(&topic)).map(|(id, _)| id.clone());
                prop_assert_eq!(serving, serves.collect());
                prop_assert_eq!(Order::from(fleet.plan(&stream(n))), reference(&stream(n), &all, &known));
                for from in [None, Some(id("w2"))] {
                    let mut others = all.clone();
                    others.retain(|(member, worker)| !worker.draining && Some(member) != from.as_ref());
                    let successors = Order::from(fleet.successors(&stream(n), from.as_ref(), |_| false));
                    prop_assert_eq!(successors, reference(&stream(n), &others, &known));
                }
            }
        }
    }
}

/// The rule as one reads it, without regard to speed: what a [`Fleet`] has to come to.
fn reference(key: &StreamKey, workers: &[(MemberId, Arc<Worker>)], recent: &[(StreamKey, MemberId)]) -> Order {
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
    Order { order: order.map(|(_, id, _)| (*id).clone()).collect(), running: running.len() }
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
