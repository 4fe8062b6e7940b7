//! How many moves are under way at once, and who receives them. Pure.
//!
//! What a move costs, it costs the worker that starts the stream, so that is where the number is limited, and a large pool
//! takes more at once than a small one. Tasks begin in the order of the plan, which brings what was lost before what
//! drains. One whose worker is busy goes to the next in order that has room; when all who have are busy, it waits, and all
//! behind it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::plan::{Cause, Task};
use crate::placement::{Fleet, MemberId, Plan};
use crate::stream::StreamKey;

/// Streams that one worker starts at once. Copying, an ffmpeg takes some 0.08 s of a processor until its first keyframe is
/// out, which takes the camera about two seconds: eight are a third of a processor beside what plays there already, and
/// half of a worker of the default size is back after one turn.
pub const RECEIVING: usize = 8;

/// Moves that a leader may have under way in any pool: as many as the describes that wait for a camera, and each is such a
/// task of a few kilobytes, with its viewers. Over the connections that are there anyway they cost no more than that.
pub const LEADING: usize = 512;

/// In pools for which that is little, one for so many workers that receive. What watching these takes is twenty times the
/// memory. At two seconds for each move, the 50 streams each of one worker in ten are elsewhere after 45 s whatever the
/// size of the pool, which is within the minute for which it is known what a lost worker ran.
pub const WORKERS_A_MOVE: usize = 4;

/// Moves that may be under way where so many workers receive.
fn leading(workers: usize) -> usize {
    LEADING.max(workers / WORKERS_A_MOVE)
}

/// How much of a limit is there for a cause. What drains plays still, and leaves a quarter to what does not: so nobody
/// without a picture waits until cameras of draining workers have taken 15 s not to answer.
fn portion(limit: usize, cause: Cause) -> usize {
    match cause {
        Cause::Lost => limit,
        Cause::Draining => limit - limit / 4,
    }
}

/// The moves that are under way. What is kept of them is bounded as they are.
#[derive(Debug, Default)]
pub struct Pace {
    moves: HashMap<Arc<StreamKey>, Move>,
    /// How many moves each worker receives, of those that receive any.
    receiving: HashMap<MemberId, usize>,
}

#[derive(Debug)]
struct Move {
    cause: Cause,
    /// Who receives it, or was asked to last. `None`: there is nobody to ask.
    to: Option<MemberId>,
}

impl Pace {
    /// Begins as many of these tasks as may be under way, in their order, each with whom to ask for it. The first of those
    /// is noted as its place.
    pub fn begin(
        &mut self,
        tasks: impl IntoIterator<Item = Task>,
        fleet: &mut Fleet,
        now: Instant,
    ) -> Vec<(Task, Plan)> {
        let (mut begun, most) = (Vec::new(), leading(fleet.receivers()));
        for task in tasks {
            if self.moves.contains_key(&task.key) {
                continue;
            }
            if self.moves.len() >= portion(most, task.cause) {
                break;
            }
            // What is left is of this cause or a less urgent one, and would find the same.
            let Some(plan) = self.choose(&task, fleet) else { break };
            let to = plan.first().cloned();
            if let Some(to) = &to {
                fleet.place(&task.key, to, now);
                *self.receiving.entry(to.clone()).or_default() += 1;
            }
            self.moves.insert(task.key.clone(), Move { cause: task.cause, to });
            begun.push((task, plan));
        }
        begun
    }

    /// The move of `key` turns to `to`; false if that one is busy. Who `runs` the stream has nothing to start.
    pub fn turn(&mut self, key: &StreamKey, to: &MemberId, runs: bool) -> bool {
        let Some(turning) = self.moves.get_mut(key) else { return false };
        if turning.to.as_ref() == Some(to) {
            return true;
        }
        let receives = self.receiving.get(to).copied().unwrap_or_default();
        if !runs && receives >= portion(RECEIVING, turning.cause) {
            return false;
        }
        self.receiving.insert(to.clone(), receives + 1);
        let before = turning.to.replace(to.clone());
        self.release(before);
        true
    }

    /// The move of `key` came to an end.
    pub fn end(&mut self, key: &StreamKey) {
        if let Some(ended) = self.moves.remove(key) {
            self.release(ended.to);
        }
    }

    /// Whether `key` is being moved.
    pub fn is_moving(&self, key: &StreamKey) -> bool {
        self.moves.contains_key(key)
    }

    /// How many moves are under way.
    pub fn moving(&self) -> usize {
        self.moves.len()
    }

    /// The most that one worker receives.
    pub fn most_received(&self) -> usize {
        self.receiving.values().copied().max().unwrap_or_default()
    }

    /// Whom to ask; `None`: all who have room are busy.
    fn choose(&self, task: &Task, fleet: &Fleet) -> Option<Plan> {
        let limit = portion(RECEIVING, task.cause);
        let busy: HashSet<_> = self.receiving.iter().filter(|(_, moves)| **moves >= limit).map(|(id, _)| id).collect();
        let plan = fleet.successors(&task.key, task.giver(), |id| busy.contains(id));
        // Should nobody have room at all, the workers say so themselves.
        (plan.has_room() || busy.is_empty()).then_some(plan)
    }

    fn release(&mut self, to: Option<MemberId>) {
        let Some(to) = to else { return };
        if let Some(moves) = self.receiving.get_mut(&to) {
            *moves -= 1;
            if *moves == 0 {
                self.receiving.remove(&to);
            }
        }
    }
}

#[cfg(test)]
mod tests;
