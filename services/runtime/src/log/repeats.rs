//! How much of what repeats itself is let through: [`BURST`] of a kind within [`WINDOW`], and then how many more there
//! were. Pure: time comes in as an argument.
//!
//! A kind is a place in the code together with the source that the event is about. A viewer's session is no part of it, as
//! whoever floods us chooses a new one each time.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// So many of a kind: a wall of cameras that all begin at once stays below it, and so does a failure with its story.
pub(super) const BURST: u32 = 20;
/// The time in which that many are let through, and after which the rest is told.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// Kinds that are kept count of; each takes some hundred bytes. The caller folds what is beyond it into fewer kinds.
const KINDS: usize = 1024;

/// Counts by kind; `T` says what the events of a kind were.
#[derive(Debug)]
pub(super) struct Repeats<K, T>(HashMap<K, Count<T>>);

#[derive(Debug)]
struct Count<T> {
    began: Instant,
    seen: u32,
    held: Option<Held<T>>,
}

/// What was not let through.
#[derive(Debug)]
struct Held<T> {
    since: Instant,
    events: u64,
    what: T,
}

impl<K: Eq + Hash, T> Repeats<K, T> {
    /// Nothing has happened yet.
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Whether there is no room for a kind that is not known yet. Forgets those that are over.
    pub(super) fn is_full_for(&mut self, kind: &K, now: Instant) -> bool {
        if self.0.len() >= KINDS && !self.0.contains_key(kind) {
            self.0.retain(|_, count| count.held.is_some() || now.duration_since(count.began) < WINDOW);
        }
        self.0.len() >= KINDS && !self.0.contains_key(kind)
    }

    /// Whether an event is let through; `what` describes its kind.
    pub(super) fn admit(&mut self, kind: K, now: Instant, what: impl FnOnce() -> T) -> bool {
        let count = self.0.entry(kind).or_insert(Count { began: now, seen: 0, held: None });
        if now.duration_since(count.began) >= WINDOW {
            (count.began, count.seen) = (now, 0);
        }
        count.seen = count.seen.saturating_add(1);
        if count.seen <= BURST {
            return true;
        }
        count.held.get_or_insert_with(|| Held { since: now, events: 0, what: what() }).events += 1;
        false
    }

    /// When there is something to tell next.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.0.values().filter_map(|count| count.held.as_ref()).map(|held| held.since + WINDOW).min()
    }

    /// What is to be told now: what was held back for a window's time, and how often.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(T, u64)> {
        let mut due = Vec::new();
        self.0.retain(|_, count| {
            if let Some(held) = count.held.take_if(|held| now.duration_since(held.since) >= WINDOW) {
                due.push((held.what, held.events));
            }
            count.held.is_some() || now.duration_since(count.began) < WINDOW
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_passes_and_the_rest_is_counted_for_each_kind_alone() {
        let now = Instant::now();
        let mut repeats = Repeats::new();
        let mut passed = [0; 2];
        for _ in 0..100 {
            for kind in [0, 1] {
                passed[kind] += u32::from(repeats.admit(kind, now, || kind));
            }
        }
        assert_eq!(passed, [BURST; 2]);
        assert_eq!(repeats.due_at(), Some(now + WINDOW));
        assert!(repeats.due(now + WINDOW / 2).is_empty());
        let mut due = repeats.due(now + WINDOW);
        due.sort_unstable();
        assert_eq!(due, [(0, 80), (1, 80)]);
        assert_eq!(repeats.due_at(), None);
    }

    #[test]
    fn a_flood_without_end_is_told_of_once_a_window() {
        let start = Instant::now();
        let mut repeats = Repeats::new();
        let (mut passed, mut told) = (0, Vec::new());
        for tenth in 0..1000u64 {
            let now = start + Duration::from_millis(100 * tenth);
            passed += u32::from(repeats.admit((), now, || ()));
            told.extend(repeats.due(now).into_iter().map(|((), events)| events));
        }
        assert_eq!(passed, 10 * BURST);
        assert!((8..=10).contains(&told.len()), "{told:?}");
        assert!(told.iter().all(|events| *events >= 60), "{told:?}");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_without_being_counted(steps in prop::collection::vec((0u8..5, 0u64..3000), 0..300)) {
            let mut now = Instant::now();
            let mut repeats = Repeats::new();
            let (mut passed, mut counted) = (0, 0);
            for (kind, after) in &steps {
                now += Duration::from_millis(*after);
                passed += u64::from(repeats.admit(*kind, now, || ()));
                counted += repeats.due(now).into_iter().map(|((), events)| events).sum::<u64>();
                prop_assert!(repeats.0.len() <= 5);
            }
            counted += repeats.due(now + WINDOW).into_iter().map(|((), events)| events).sum::<u64>();
            prop_assert_eq!(passed + counted, steps.len() as u64);
            prop_assert!(repeats.0.is_empty() || repeats.due_at().is_none());
        }
    }

    #[test]
    fn kinds_are_bounded_and_those_that_are_over_make_room() {
        let now = Instant::now();
        let mut repeats = Repeats::new();
        for kind in 0..KINDS {
            assert!(!repeats.is_full_for(&kind, now));
            repeats.admit(kind, now, || ());
        }
        assert!(repeats.is_full_for(&KINDS, now));
        assert!(!repeats.is_full_for(&0, now), "what is known has its place");
        assert!(!repeats.is_full_for(&KINDS, now + WINDOW));
    }
}
