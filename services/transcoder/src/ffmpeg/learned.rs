//! Remembers for each source what ffmpeg had to be asked for, so that the next start is right at once.
//!
//! Bounded, and forgetful on purpose: a camera that was reconfigured is looked at with fresh eyes after a while. Shared
//! by all jobs of a worker; the lock is held for a look-up only. The key is the URL without login and is never shown.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::plan::Plan;

/// Sources that are remembered: more than a worker has slots, so those of its neighbours fit after a failover.
const CAPACITY: usize = 256;
/// How long something learnt holds.
const HOLDS: Duration = Duration::from_hours(1);

/// The memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learned(Arc<Mutex<VecDeque<Entry>>>);

#[derive(Debug)]
struct Entry {
    url: String,
    plan: Plan,
    at: Instant,
}

impl Learned {
    /// What to try first.
    pub(crate) fn plan(&self, url: &str, now: Instant) -> Plan {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.iter().find(|entry| entry.url == url);
        known.filter(|entry| now.duration_since(entry.at) < HOLDS).map_or_else(Plan::default, |entry| entry.plan)
    }

    /// Remembers what another worker has learnt, unless we know better.
    pub(crate) fn hear(&self, url: &str, plan: Plan, now: Instant) {
        if self.plan(url, now) == Plan::default() && plan != Plan::default() {
            self.learn(url, plan, now);
        }
    }

    /// Remembers what was learnt; the source that was learnt about longest ago is forgotten if need be.
    pub(crate) fn learn(&self, url: &str, plan: Plan, now: Instant) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.url != url);
        if entries.len() == CAPACITY {
            entries.pop_front();
        }
        entries.push_back(Entry { url: url.to_owned(), plan, at: now });
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Audio, Video};
    use super::*;

    const SILENT: Plan = Plan {
        audio: Audio::Absent,
        video: Video::Copy,
        probe: super::super::plan::Probe::Short,
        reader: super::super::plan::Reader::Direct,
    };

    #[test]
    fn what_was_learnt_is_tried_first_and_forgotten_after_a_while() {
        let (learned, now) = (Learned::default(), Instant::now());
        learned.learn("rtsp://a/", SILENT, now);
        assert_eq!(learned.plan("rtsp://a/", now + HOLDS / 2), SILENT);
        assert_eq!(learned.plan("rtsp://b/", now), Plan::default());
        assert_eq!(learned.plan("rtsp://a/", now + HOLDS), Plan::default());
    }

    #[test]
    fn hearsay_is_believed_where_nothing_is_known() {
        let (learned, now) = (Learned::default(), Instant::now());
        learned.hear("rtsp://a/", SILENT, now);
        assert_eq!(learned.plan("rtsp://a/", now), SILENT);
        learned.hear("rtsp://a/", Plan { audio: Audio::Encode, ..SILENT }, now);
        learned.hear("rtsp://a/", Plan::default(), now);
        assert_eq!(learned.plan("rtsp://a/", now), SILENT);
    }

    #[test]
    fn memory_is_bounded() {
        let (learned, now) = (Learned::default(), Instant::now());
        for source in 0..CAPACITY * 2 {
            learned.learn(&format!("rtsp://cam-{source}/"), SILENT, now);
        }
        assert_eq!(learned.0.lock().unwrap().len(), CAPACITY);
        assert_eq!(learned.plan("rtsp://cam-0/", now), Plan::default());
        assert_eq!(learned.plan(&format!("rtsp://cam-{}/", CAPACITY * 2 - 1), now), SILENT);
    }
}
