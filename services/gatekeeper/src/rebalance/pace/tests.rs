//! Limits hold, nothing waits without a reason, and nothing is left behind.

use proptest::prelude::*;

use super::*;
use crate::placement::{Job, Worker};

fn key(source: &str) -> Arc<StreamKey> {
    Arc::new(StreamKey { source: source.to_owned(), profile: "source".to_owned() })
}

/// Tasks for `count` streams that are all somebody else's.
fn tasks(cause: Cause, count: usize) -> Vec<Task> {
    let task = |nth| Task {
        key: key(&format!("{}-{nth}", cause.as_str())),
        cause,
        from: "gone".into(),
        job: Arc::default(),
        failures: 0,
    };
    (0..count).map(task).collect()
}

/// A worker that runs `used` of at most `total` streams.
fn worker(name: &str, used: u32, total: u32) -> Worker {
    let jobs = (0..used).map(|nth| (key(&format!("{name}-{nth}")), Arc::default())).collect();
    Worker { name: name.to_owned(), slots_total: total, slots_used: used, jobs, ..Worker::default() }
}

fn fleet(workers: impl IntoIterator<Item = Worker>) -> Fleet {
    let mut view: Vec<_> = workers.into_iter().map(|worker| (worker.name.as_str().into(), Arc::new(worker))).collect();
    view.sort_by(|a: &(MemberId, _), b| a.0.cmp(&b.0));
    let mut fleet = Fleet::default();
    fleet.see(&view.into());
    fleet
}

/// Begins what may begin; whom the moves go to.
fn begin(pace: &mut Pace, fleet: &mut Fleet, tasks: &[Task]) -> Vec<Option<MemberId>> {
    let begun = pace.begin(tasks.to_vec(), fleet, Instant::now());
    begun.into_iter().map(|(_, plan)| plan.first().cloned()).collect()
}

#[test]
fn a_worker_starts_a_few_streams_at_once_and_a_large_pool_many() {
    for (workers, expected) in [(1, RECEIVING), (2, 2 * RECEIVING), (40, 40 * RECEIVING), (100, LEADING), (4000, 1000)]
    {
        let mut fleet = fleet((0..workers).map(|nth| worker(&format!("w{nth}"), 0, 64)));
        let (mut pace, tasks) = (Pace::default(), tasks(Cause::Lost, 1200));
        assert_eq!(begin(&mut pace, &mut fleet, &tasks).len(), expected, "{workers} workers");
        assert_eq!(begin(&mut pace, &mut fleet, &tasks), [], "what is under way does not begin again");
        pace.end(&tasks[0].key);
        assert_eq!(begin(&mut pace, &mut fleet, &tasks[1..]).len(), 1, "one ended, so one begins");
    }
}

#[test]
fn streams_that_play_still_leave_room_for_those_that_do_not() {
    for (workers, limit) in [(1, RECEIVING), (100, LEADING)] {
        let mut fleet = fleet((0..workers).map(|nth| worker(&format!("w{nth}"), 0, 64)));
        let (mut pace, lost, draining) = (Pace::default(), tasks(Cause::Lost, 1000), tasks(Cause::Draining, 1000));
        assert_eq!(begin(&mut pace, &mut fleet, &draining).len(), limit * 3 / 4);
        assert_eq!(begin(&mut pace, &mut fleet, &[lost, draining].concat()).len(), limit / 4);
    }
}

#[test]
fn nobody_begins_what_waits_for_a_worker_with_room() {
    let (mut pace, tasks) = (Pace::default(), tasks(Cause::Lost, 20));
    let mut fleet = fleet([worker("full", 4, 4), worker("free", 0, 64)]);
    assert_eq!(begin(&mut pace, &mut fleet, &tasks), vec![Some("free".into()); RECEIVING], "the full one is spared");
}

#[test]
fn where_nobody_has_room_the_workers_say_so() {
    let tasks = tasks(Cause::Lost, 2);
    let mut full = fleet([worker("full", 4, 4)]);
    assert_eq!(begin(&mut Pace::default(), &mut full, &tasks), [Some("full".into()), Some("full".into())]);
    assert_eq!(begin(&mut Pace::default(), &mut Fleet::default(), &tasks), [None, None], "nobody is asked");
}

#[test]
fn who_runs_the_stream_takes_its_viewers_however_busy_it_is() {
    let tasks = tasks(Cause::Lost, RECEIVING + 1);
    let (again, others) = tasks.split_last().expect("tasks");
    let mut busy = worker("busy", 0, 64);
    busy.jobs.insert(again.key.clone(), Arc::<Job>::default());
    let (mut pace, mut fleet) = (Pace::default(), fleet([busy, worker("full", 4, 4)]));
    begin(&mut pace, &mut fleet, others);
    assert_eq!(begin(&mut pace, &mut fleet, std::slice::from_ref(again)), [Some("busy".into())]);
}

#[test]
fn a_move_turns_to_whoever_has_a_hand_free_and_takes_its_place_along() {
    let (mut pace, tasks) = (Pace::default(), tasks(Cause::Lost, 2 * RECEIVING));
    let mut fleet = fleet([worker("a", 0, 64), worker("b", 0, 64)]);
    let places = begin(&mut pace, &mut fleet, &tasks);
    let nth = places.iter().position(|to| to.as_deref() == Some("a")).expect("half of them");
    let (key, a, b, c): (_, MemberId, MemberId, MemberId) = (&tasks[nth].key, "a".into(), "b".into(), "c".into());
    assert!(pace.turn(key, &a, false), "there it is");
    assert!(!pace.turn(key, &b, false), "that one is busy");
    assert!(pace.turn(key, &c, false));
    assert_eq!(pace.receiving, HashMap::from([(a, RECEIVING - 1), (b.clone(), RECEIVING), (c, 1)]));
    assert!(pace.turn(key, &b, true), "it runs the stream");
    assert_eq!(pace.most_received(), RECEIVING + 1);
    assert!(!pace.turn(&StreamKey::clone(&self::key("x")), &b, true), "that is not under way");
}

proptest! {
    #[test]
    fn limits_hold_and_nothing_waits_without_a_reason(
        sizes in prop::collection::vec((0u32..6, 0u32..30), 0..7),
        (lost, draining) in (0usize..60, 0usize..60),
        ends in prop::collection::vec(any::<prop::sample::Index>(), 0..150),
    ) {
        let sized = |(nth, (used, more)): (usize, &(u32, u32))| worker(&format!("w{nth}"), *used, used + more);
        let mut fleet = fleet(sizes.iter().enumerate().map(sized));
        let mut room: HashMap<MemberId, u32> =
            sizes.iter().enumerate().map(|(nth, (_, more))| (format!("w{nth}").into(), *more)).collect();
        let (mut pace, now) = (Pace::default(), Instant::now());
        let mut waiting = [tasks(Cause::Lost, lost), tasks(Cause::Draining, draining)].concat();
        let mut moving = Vec::new();
        let mut ends = ends.into_iter();
        loop {
            let begun = pace.begin(waiting.clone(), &mut fleet, now);
            let keys: Vec<_> = begun.iter().map(|(task, _)| task.key.clone()).collect();
            let first: Vec<_> = waiting.iter().take(keys.len()).map(|task| task.key.clone()).collect();
            prop_assert_eq!(&keys, &first, "in the order of the plan");
            waiting.drain(..keys.len());
            for to in begun.iter().filter_map(|(_, plan)| plan.first()) {
                let room = room.get_mut(to).expect("a worker");
                *room = room.saturating_sub(1);
            }
            moving.extend(keys);
            prop_assert_eq!(pace.moving(), moving.len());
            prop_assert!(moving.len() <= LEADING);
            if room.values().any(|room| *room > 0) {
                prop_assert!(pace.most_received() <= RECEIVING);
            }
            if let Some(next) = waiting.first() {
                let limit = portion(RECEIVING, next.cause);
                let busy = |id: &MemberId| pace.receiving.get(id).is_some_and(|moves| *moves >= limit);
                prop_assert!(room.iter().all(|(id, room)| *room == 0 || busy(id)), "{next:?} waits for nothing");
                prop_assert!(!moving.is_empty(), "who would wake it?");
            }
            let Some(end) = ends.next().filter(|_| !moving.is_empty()) else { break };
            pace.end(&moving.swap_remove(end.index(moving.len())));
        }
        for key in moving {
            pace.end(&key);
        }
        prop_assert!(pace.moves.is_empty() && pace.receiving.is_empty(), "{pace:?}");
    }
}
