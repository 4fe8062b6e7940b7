//! Which workers may have something, by its hash. Two things that share a hash are told apart by who asks.

use std::collections::HashMap;

use super::MemberId;

/// Workers by hash; one that has two things of the same hash is in it twice.
#[derive(Debug, Default)]
pub(super) struct Index(HashMap<u64, Vec<MemberId>>);

impl Index {
    /// `member` has it.
    pub(super) fn add(&mut self, hash: u64, member: &MemberId) {
        // As a rule there is one.
        self.0.entry(hash).or_insert_with(|| Vec::with_capacity(1)).push(member.clone());
    }

    /// `member` has it no more.
    pub(super) fn remove(&mut self, hash: u64, member: &MemberId) {
        let Some(members) = self.0.get_mut(&hash) else { return };
        if let Some(position) = members.iter().position(|other| other == member) {
            members.swap_remove(position);
        }
        if members.is_empty() {
            self.0.remove(&hash);
        }
    }

    /// Who may have it.
    pub(super) fn get(&self, hash: u64) -> impl Iterator<Item = &MemberId> {
        self.0.get(&hash).into_iter().flatten()
    }
}
