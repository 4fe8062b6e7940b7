//! What this process placed in the last moments and the workers' reports may not show yet.
//!
//! Without it two requests for one stream, a millisecond apart, could land on two workers, and a stop right after a play
//! could miss. An entry stands only for a few seconds: after that the report is the truth. Time comes in as an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::placement::MemberId;
use crate::stream::StreamKey;

/// Several times the second within which a worker reports.
const LIFE: Duration = Duration::from_secs(5);

/// Recent placements of streams and of viewers.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    streams: HashMap<StreamKey, (MemberId, Instant)>,
    viewers: HashMap<String, (MemberId, Instant)>,
}

impl Recent {
    /// `key` is being placed on `member`.
    pub(crate) fn placed(&mut self, key: StreamKey, member: MemberId, now: Instant) {
        self.expire(now);
        self.streams.insert(key, (member, now));
    }

    /// `member` refused `key` after all.
    pub(crate) fn refused(&mut self, key: &StreamKey, member: &MemberId) {
        if self.streams.get(key).is_some_and(|(placed, _)| placed == member) {
            self.streams.remove(key);
        }
    }

    /// The viewer on `reply_topic` is with `member`.
    pub(crate) fn viewer(&mut self, reply_topic: &str, member: MemberId, now: Instant) {
        self.expire(now);
        self.viewers.insert(reply_topic.to_owned(), (member, now));
    }

    /// Where the viewer on `reply_topic` is, as far as remembered; it is forgotten by that.
    pub(crate) fn take_viewer(&mut self, reply_topic: &str, now: Instant) -> Option<MemberId> {
        self.expire(now);
        self.viewers.remove(reply_topic).map(|(member, _)| member)
    }

    /// All placements that still stand.
    pub(crate) fn streams(&mut self, now: Instant) -> Vec<(StreamKey, MemberId)> {
        self.expire(now);
        self.streams.iter().map(|(key, (member, _))| (key.clone(), member.clone())).collect()
    }

    /// A few seconds of requests are few enough to look at all of them.
    fn expire(&mut self, now: Instant) {
        let stands = |since: &Instant| now.saturating_duration_since(*since) < LIFE;
        self.streams.retain(|_, (_, since)| stands(since));
        self.viewers.retain(|_, (_, since)| stands(since));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StreamKey {
        StreamKey { source: "lobby".to_owned(), profile: "source".to_owned() }
    }

    #[test]
    fn entries_stand_for_a_few_seconds() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        recent.placed(key(), "a".into(), start);
        recent.viewer("video_1", "a".into(), start);
        assert_eq!(recent.streams(start + LIFE.mul_f64(0.99)), [(key(), "a".into())]);
        assert_eq!(recent.streams(start + LIFE), []);
        assert_eq!(recent.take_viewer("video_1", start + LIFE), None);
    }

    #[test]
    fn a_refusal_undoes_only_its_own_placement() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        recent.placed(key(), "a".into(), now);
        recent.placed(key(), "b".into(), now);
        recent.refused(&key(), &"a".into());
        assert_eq!(recent.streams(now), [(key(), "b".into())]);
        recent.refused(&key(), &"b".into());
        assert_eq!(recent.streams(now), []);
    }
}
