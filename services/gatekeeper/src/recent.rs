//! What this process placed in the last moments and the workers' reports may not show yet.
//!
//! Without it two requests for one stream, a millisecond apart, could land on two workers, and a stop right after a play
//! could miss. An entry stands only for a few seconds: after that the report is the truth. Time comes in as an argument.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::placement::MemberId;

/// Several times the second within which a worker reports.
pub(crate) const LIFE: Duration = Duration::from_secs(5);

/// Where things are, each for [`LIFE`] after it was put there last.
#[derive(Debug)]
pub(crate) struct Recent<K: ?Sized> {
    entries: HashMap<Arc<K>, (MemberId, Instant)>,
    /// Oldest first; one that is not in `entries` with this very time was put again or taken.
    ages: VecDeque<(Instant, Arc<K>)>,
}

impl<K: ?Sized> Default for Recent<K> {
    fn default() -> Self {
        Self { entries: HashMap::new(), ages: VecDeque::new() }
    }
}

impl<K: ?Sized + Eq + Hash> Recent<K> {
    /// `key` is with `member`.
    pub(crate) fn put(&mut self, key: Arc<K>, member: MemberId, now: Instant) {
        self.ages.push_back((now, key.clone()));
        self.entries.insert(key, (member, now));
    }

    /// Where `key` is.
    pub(crate) fn get(&self, key: &K) -> Option<&MemberId> {
        self.entries.get(key).map(|(member, _)| member)
    }

    /// The key as it is kept.
    pub(crate) fn shared(&self, key: &K) -> Option<Arc<K>> {
        self.entries.get_key_value(key).map(|(key, _)| key.clone())
    }

    /// Where `key` was; it is forgotten by that.
    pub(crate) fn take(&mut self, key: &K) -> Option<MemberId> {
        self.entries.remove(key).map(|(member, _)| member)
    }

    /// All that is known.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &MemberId)> {
        self.entries.iter().map(|(key, (member, _))| (key.as_ref(), member))
    }

    /// Takes one whose time has passed; to be called until there is none.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<(Arc<K>, MemberId)> {
        while self.ages.front().is_some_and(|(since, _)| now.saturating_duration_since(*since) >= LIFE) {
            let (since, key) = self.ages.pop_front()?;
            if self.entries.get(&key).is_some_and(|(_, last)| *last == since) {
                let (member, _) = self.entries.remove(&key)?;
                return Some((key, member));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_for_a_few_seconds_after_they_were_put_last() {
        let (mut recent, start) = (Recent::<str>::default(), Instant::now());
        recent.put("video_1".into(), "a".into(), start);
        recent.put("video_2".into(), "a".into(), start);
        recent.put("video_1".into(), "b".into(), start + LIFE / 2);
        assert_eq!(recent.expired(start + LIFE.mul_f64(0.99)), None);
        assert_eq!(recent.expired(start + LIFE), Some(("video_2".into(), "a".into())));
        assert_eq!(recent.expired(start + LIFE), None);
        assert_eq!(recent.get("video_1").map(AsRef::as_ref), Some("b"));
        assert_eq!(recent.expired(start + LIFE.mul_f64(1.5)), Some(("video_1".into(), "b".into())));
        assert!(recent.entries.is_empty() && recent.ages.is_empty(), "nothing is left behind");
    }

    #[test]
    fn what_was_taken_does_not_expire() {
        let (mut recent, start) = (Recent::<str>::default(), Instant::now());
        recent.put("video_1".into(), "a".into(), start);
        assert_eq!(recent.take("video_1").as_deref(), Some("a"));
        assert_eq!(recent.expired(start + LIFE), None);
    }
}
