//! What is known of the workers, in the form in which one is chosen.
//!
//! To choose, every worker's load and score are looked at, so these lie side by side; who runs a stream is looked up, and
//! what was placed of late is counted when it is placed, not when somebody asks. What all of it comes to is told by the
//! function in the tests, which reads like the rule.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::index::Index;
use super::order::{Candidate, Plan, Room};
use super::{Jobs, MemberId, View, Worker};
use crate::recent::Recent;
use crate::stream::StreamKey;

/// Beyond its fair share a worker takes this much more before the next in order is preferred. It matters in large
/// pools; in small ones the share is rounded to whole streams, so that two streams on two workers are one each.
pub(super) const SLACK: f64 = 1.25;

/// Offset basis of 64-bit FNV-1a.
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// The ready workers, and the placements that their reports may not show yet.
#[derive(Debug, Default)]
pub struct Fleet {
    seen: View,
    /// By address.
    rows: Vec<Row>,
    /// The addresses of the rows.
    ids: Arc<[MemberId]>,
    /// Bytes that all names begin with: pods of one Deployment differ in a few characters, and these alone are hashed for
    /// each of them.
    common: usize,
    /// Who reports a stream.
    running: Index,
    /// Who reports a viewer.
    watching: Index,
    recent: Recent<StreamKey>,
    placed: HashMap<MemberId, HashSet<Arc<StreamKey>>>,
    /// Of all workers that do not drain.
    slots: u64,
    /// Of the same workers.
    load: u64,
    renamed: bool,
}

/// A worker.
#[derive(Debug)]
struct Row {
    name: Box<str>,
    worker: Arc<Worker>,
    /// Placed of late and not reported yet.
    unseen: u32,
    total: u32,
    used: u32,
    draining: bool,
}

impl Row {
    fn new(worker: Arc<Worker>, unseen: u32) -> Self {
        Self {
            name: worker.name.as_str().into(),
            unseen,
            total: worker.slots_total,
            used: worker.slots_used,
            draining: worker.draining,
            worker,
        }
    }

    fn load(&self) -> u32 {
        self.used.saturating_add(self.unseen)
    }
}

impl Fleet {
    /// From now on the workers are these.
    pub fn see(&mut self, view: &View) {
        if Arc::ptr_eq(&self.seen, view) {
            return;
        }
        let same = |((a, _), b): (&(MemberId, _), &MemberId)| Arc::ptr_eq(a, b) || a == b;
        if view.len() == self.ids.len() && view.iter().zip(self.ids.iter()).all(same) {
            for (place, (_, worker)) in view.iter().enumerate() {
                if !Arc::ptr_eq(&self.rows[place].worker, worker) {
                    self.report(place, worker);
                }
            }
        } else {
            self.reform(view);
        }
        self.seen = view.clone();
        if self.renamed {
            self.renamed = false;
            let mut names = self.rows.iter().map(|row| row.name.as_bytes());
            let first = names.next().unwrap_or_default();
            self.common = names
                .fold(first.len(), |common, name| first[..common].iter().zip(name).take_while(|(a, b)| a == b).count());
        }
    }

    /// `key` is being placed on `member`.
    pub fn place(&mut self, key: &StreamKey, member: &MemberId, now: Instant) {
        self.expire(now);
        let before = self.recent.get(key).cloned();
        let shared = self.recent.shared(key).unwrap_or_else(|| Arc::new(key.clone()));
        self.recent.put(shared.clone(), member.clone(), now);
        if before.as_ref() == Some(member) {
            return;
        }
        if let Some(before) = before {
            self.forget(key, &before);
        }
        self.count(key, member, 1);
        self.placed.entry(member.clone()).or_default().insert(shared);
    }

    /// `member` refused `key` after all.
    pub fn refused(&mut self, key: &StreamKey, member: &MemberId) {
        if self.recent.get(key) == Some(member) {
            self.recent.take(key);
            self.forget(key, member);
        }
    }

    /// Where some stream of `source` was placed of late.
    pub(crate) fn placed(&mut self, source: &str, now: Instant) -> Option<MemberId> {
        self.expire(now);
        self.recent.iter().find(|(key, _)| key.source == source).map(|(_, member)| member.clone())
    }

    /// Forgets placements that every report shows by `now`, or never will.
    pub fn expire(&mut self, now: Instant) {
        while let Some((key, member)) = self.recent.expired(now) {
            self.forget(&key, &member);
        }
    }

    /// Whom to ask for `key`.
    pub fn plan(&self, key: &StreamKey) -> Plan {
        self.choose(key, |_, _| true, (self.slots, self.load))
    }

    /// Who is to take `key` over: nobody that drains itself, and not `from`; nobody that `is_busy` either, unless it runs the
    /// stream already.
    pub fn successors(&self, key: &StreamKey, from: Option<&MemberId>, is_busy: impl Fn(&MemberId) -> bool) -> Plan {
        let from = from.and_then(|from| self.place_of(from));
        let left = from.map(|from| &self.rows[from]).filter(|row| !row.draining);
        let left = left.map_or((0, 0), |row| (u64::from(row.total), u64::from(row.load())));
        let admits = |place: usize, runs: bool| {
            Some(place) != from && !self.rows[place].draining && (runs || !is_busy(&self.ids[place]))
        };
        self.choose(key, admits, (self.slots - left.0, self.load - left.1))
    }

    /// The workers that have the viewer on `reply_topic`.
    pub fn serving(&self, reply_topic: &str) -> impl Iterator<Item = &MemberId> {
        let serves =
            |id: &&MemberId| self.place_of(id).is_some_and(|place| self.rows[place].worker.serves(reply_topic));
        self.watching.get(topic(reply_topic)).filter(serves)
    }

    /// The workers that are on their way out.
    pub fn draining(&self) -> impl Iterator<Item = (&MemberId, &Worker)> {
        let all = self.ids.iter().zip(&self.rows);
        all.filter(|(_, row)| row.draining).map(|(id, row)| (id, row.worker.as_ref()))
    }

    /// How many workers do not drain.
    pub fn receivers(&self) -> usize {
        self.rows.iter().filter(|row| !row.draining).count()
    }

    /// `admits` is told who runs the stream already. `slots` and `load` are the sums of whom shares are reckoned among.
    fn choose(&self, key: &StreamKey, admits: impl Fn(usize, bool) -> bool, (slots, load): (u64, u64)) -> Plan {
        let hash = hash(key);
        // A stream that moves belongs to where it goes. Else what a worker says weighs more than what we remember.
        let reported = self.running.get(hash).filter_map(|id| self.place_of(id));
        let reported = reported.filter(|place| self.rows[*place].worker.jobs.contains_key(key));
        let mut running: Vec<_> = reported.map(|place| (place, true)).collect();
        let placed = self.recent.get(key).and_then(|id| self.place_of(id));
        running.extend(
            placed.filter(|placed| running.iter().all(|(place, _)| place != placed)).map(|place| (place, false)),
        );
        running.retain(|(place, _)| admits(*place, true));
        running.sort_by_key(|(place, reported)| {
            let row = &self.rows[*place];
            (row.draining, !reported, u64::MAX - score(hash, row.name.as_bytes()), *place)
        });
        let running: Vec<_> = running.into_iter().map(|(place, _)| place).collect();

        let prefix = fnv(hash, self.rows.first().map_or(&[], |row| &row.name.as_bytes()[..self.common]));
        let (slots, used) = ((slots as f64).max(1.0), load as f64 + 1.0);
        // Workers of a pool are alike, as a rule.
        let (mut size, mut bound) = (0, 0.0);
        let others = self.rows.iter().enumerate().filter_map(|(place, row)| {
            if row.draining || row.total == 0 || running.contains(&place) || !admits(place, false) {
                return None;
            }
            if row.total != size {
                let share = used * f64::from(row.total) / slots;
                (size, bound) = (row.total, share.ceil().max((share * SLACK).floor()));
            }
            let load = row.load();
            let room = match () {
                () if load >= row.total => Room::Full,
                () if f64::from(load) < bound => Room::Light,
                () => Room::Heavy,
            };
            Some(Candidate::new(room, score(prefix, &row.name.as_bytes()[self.common..]), place as u32))
        });
        Plan::new(self.ids.clone(), &running, others)
    }

    fn place_of(&self, id: &MemberId) -> Option<usize> {
        self.ids.binary_search(id).ok()
    }

    /// The worker at `place` said something new.
    fn report(&mut self, place: usize, worker: &Arc<Worker>) {
        let id = self.ids[place].clone();
        let before = self.rows[place].worker.clone();
        self.learn(&id, &before.jobs, &worker.jobs);
        let row = Row::new(worker.clone(), self.unseen(&id, worker));
        self.renamed |= row.name != self.rows[place].name;
        self.exchange(place, row);
    }

    /// Workers came or went.
    fn reform(&mut self, view: &View) {
        let mut before: HashMap<MemberId, Row> = self.ids.iter().cloned().zip(self.rows.drain(..)).collect();
        let ids: Arc<[MemberId]> = view.iter().map(|(id, _)| id.clone()).collect();
        debug_assert!(ids.is_sorted(), "a view is by address");
        (self.slots, self.load) = (0, 0);
        let stays = |id: &MemberId| ids.binary_search(id).is_ok();
        let gone: Vec<_> = before.extract_if(|id, _| !stays(id)).collect();
        for (id, row) in gone {
            self.learn(&id, &row.worker.jobs, &Jobs::new());
        }
        self.ids = ids;
        self.renamed = true;
        for (id, worker) in view.iter() {
            // First as it was, so that what changed is seen; a new one was nothing.
            let row = before.remove(id).unwrap_or_else(|| Row::new(Arc::default(), 0));
            let (place, changed) = (self.rows.len(), !Arc::ptr_eq(&row.worker, worker));
            self.add(&row);
            self.rows.push(row);
            if changed {
                self.report(place, worker);
            }
        }
    }

    /// `id` runs what `jobs` says instead of what `before` says.
    fn learn(&mut self, id: &MemberId, before: &Jobs, jobs: &Jobs) {
        for (key, job) in before {
            let now = jobs.get(key);
            if now.is_none() {
                self.running.remove(hash(key), id);
            }
            // What a report does not change is the very same.
            if now.is_none_or(|now| !Arc::ptr_eq(&now.viewers, &job.viewers)) {
                job.viewers.iter().for_each(|viewer| self.watching.remove(topic(&viewer.reply_topic), id));
            }
        }
        for (key, job) in jobs {
            let known = before.get(key);
            if known.is_none() {
                self.running.add(hash(key), id);
            }
            if known.is_none_or(|known| !Arc::ptr_eq(&known.viewers, &job.viewers)) {
                job.viewers.iter().for_each(|viewer| self.watching.add(topic(&viewer.reply_topic), id));
            }
        }
    }

    /// `key` was placed on `member` and is not any more.
    fn forget(&mut self, key: &StreamKey, member: &MemberId) {
        self.count(key, member, -1);
        if let Some(keys) = self.placed.get_mut(member) {
            keys.remove(key);
            if keys.is_empty() {
                self.placed.remove(member);
            }
        }
    }

    fn count(&mut self, key: &StreamKey, member: &MemberId, more: i32) {
        let Some(place) = self.place_of(member) else { return };
        let row = &mut self.rows[place];
        if row.worker.jobs.contains_key(key) {
            return;
        }
        let before = row.load();
        row.unseen = row.unseen.saturating_add_signed(more);
        if !row.draining {
            self.load = self.load + u64::from(row.load()) - u64::from(before);
        }
    }

    fn unseen(&self, id: &MemberId, worker: &Worker) -> u32 {
        let keys = self.placed.get(id).into_iter().flatten();
        keys.filter(|key| !worker.jobs.contains_key(key.as_ref())).count() as u32
    }

    fn exchange(&mut self, place: usize, row: Row) {
        self.add(&row);
        let before = std::mem::replace(&mut self.rows[place], row);
        if !before.draining {
            self.slots -= u64::from(before.total);
            self.load -= u64::from(before.load());
        }
    }

    fn add(&mut self, row: &Row) {
        if !row.draining {
            self.slots += u64::from(row.total);
            self.load += u64::from(row.load());
        }
    }
}

/// FNV-1a over what comes before a worker's name.
fn hash(key: &StreamKey) -> u64 {
    let bytes = [key.source.as_bytes(), b"/", key.profile.as_bytes(), b"@"];
    bytes.into_iter().fold(FNV_BASIS, fnv)
}

fn topic(reply_topic: &str) -> u64 {
    fnv(FNV_BASIS, reply_topic.as_bytes())
}

/// Highest random weight: FNV-1a over both names, finished as splitmix64 does so that close names score far apart. Part
/// of the agreement among replicas: not to be changed while old ones run.
fn score(hash: u64, worker: &[u8]) -> u64 {
    let fnv = fnv(hash, worker);
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
