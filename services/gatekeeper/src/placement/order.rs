//! The order in which workers are asked, found as far as somebody asks.
//!
//! As a rule the first candidate takes the stream, so the others are not even sorted until it refuses.

use std::sync::Arc;

use super::MemberId;

/// How many workers are asked that said they were full: the word may be a second old, and a worker may give up a stream
/// that nobody watches. More of them would only make the viewer wait for its answer.
pub(super) const FULL_ASKED: usize = 3;

/// How willing a worker is, the most willing first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It carries less than its share.
    Light,
    /// It has room beyond its share.
    Heavy,
    /// It has none.
    Full,
}

/// A worker by its room, its score and its place in the fleet, packed so that the better one is the greater number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate(u128);

impl Candidate {
    /// Of equal scores the first in the fleet is the better one.
    pub(super) fn new(room: Room, score: u64, place: u32) -> Self {
        let room: u128 = match room {
            Room::Light => 2,
            Room::Heavy => 1,
            Room::Full => 0,
        };
        Self(room << 96 | u128::from(score) << 32 | u128::from(u32::MAX - place))
    }

    fn is_full(self) -> bool {
        self.0 >> 96 == 0
    }

    fn place(self) -> usize {
        (u32::MAX - self.0 as u32) as usize
    }
}

/// Whom to ask, best first. Nobody is asked twice.
#[derive(Debug, Clone)]
pub struct Plan {
    ids: Arc<[MemberId]>,
    /// Those that run the stream, the first one last.
    running: Vec<usize>,
    ran: usize,
    best: Option<Candidate>,
    /// All but the best; from the second on with the next one last.
    rest: Vec<Candidate>,
    sorted: bool,
    full: usize,
}

impl Plan {
    /// `running` are places, the first to ask first.
    pub(super) fn new(ids: Arc<[MemberId]>, running: &[usize], others: impl Iterator<Item = Candidate>) -> Self {
        let running: Vec<_> = running.iter().rev().copied().collect();
        let (mut best, mut rest) = (None, Vec::with_capacity(ids.len()));
        for candidate in others {
            if best.is_none_or(|best| candidate > best) {
                rest.extend(best.replace(candidate));
            } else {
                rest.push(candidate);
            }
        }
        Self { ids, ran: running.len(), running, best, rest, sorted: false, full: 0 }
    }

    /// How many of the first candidates run the stream already; theirs is the last word.
    pub fn running(&self) -> usize {
        self.ran
    }

    /// Whom to ask first, before anybody was asked.
    pub fn first(&self) -> Option<&MemberId> {
        let place = self.running.last().copied().or_else(|| self.best.map(Candidate::place))?;
        self.ids.get(place)
    }

    /// Whether the first to ask, before anybody was asked, runs the stream or has room for it as far as is known.
    pub fn has_room(&self) -> bool {
        self.ran > 0 || self.best.is_some_and(|best| !best.is_full())
    }

    fn candidate(&mut self) -> Option<Candidate> {
        if let Some(best) = self.best.take() {
            return Some(best);
        }
        if !self.sorted {
            self.rest.sort_unstable();
            self.sorted = true;
        }
        self.rest.pop()
    }
}

impl Iterator for Plan {
    type Item = MemberId;

    fn next(&mut self) -> Option<MemberId> {
        if let Some(place) = self.running.pop() {
            return self.ids.get(place).cloned();
        }
        let candidate = self.candidate()?;
        if candidate.is_full() {
            self.full += 1;
            if self.full > FULL_ASKED {
                return None;
            }
        }
        self.ids.get(candidate.place()).cloned()
    }
}
