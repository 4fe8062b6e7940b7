//! Who watches a stream, and who has gone without a word.
//!
//! A viewer is a reply topic. Pure: time and the broker's answers are passed in.

pub(crate) mod presence;

use std::collections::BTreeMap;
use std::time::Instant;

use crate::viewers::presence::{Presence, Rule};

/// Somebody who watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Viewer {
    /// Topic of the viewer's own; identifies it.
    pub(crate) reply_topic: String,
    /// How media reaches it.
    pub(crate) delivery: Delivery,
    /// The verbs that it speaks.
    pub(crate) dialect: Dialect,
    /// Correlates log lines. Opaque.
    pub(crate) session: String,
    /// Its catch-up holds no audio.
    pub(crate) video_only: bool,
}

/// How media reaches a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Delivery {
    /// Whole GOPs on the reply topic.
    Reply,
    /// A catch-up on the reply topic, then the shared live topic.
    Live,
}

/// The verbs that a viewer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `video/*`.
    Video,
    /// `client/*`, where stop names a source and no viewer.
    Client,
}

/// Which viewers are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    /// The one with this reply topic.
    ReplyTopic(String),
    /// Those of the source that speak [`Dialect::Client`].
    ClientDialect,
    /// All.
    All,
}

/// The viewers of one stream.
#[derive(Debug, Default)]
pub(crate) struct Viewers(BTreeMap<String, (Viewer, Presence)>);

impl Viewers {
    /// Counts a viewer in. One that was there already is there again, as it says it is now; true if it is new.
    pub(crate) fn admit(&mut self, viewer: Viewer, now: Instant) -> bool {
        self.0.insert(viewer.reply_topic.clone(), (viewer, Presence::new(now))).is_none()
    }

    /// Counts viewers out at their wish or ours.
    pub(crate) fn remove(&mut self, whom: &Whom) -> Vec<Viewer> {
        self.take(|viewer, _| match whom {
            Whom::ReplyTopic(topic) => viewer.reply_topic == *topic,
            Whom::ClientDialect => viewer.dialect == Dialect::Client,
            Whom::All => true,
        })
    }

    /// Counts out who has gone without a word.
    pub(crate) fn remove_gone(&mut self, rule: Rule, now: Instant) -> Vec<Viewer> {
        self.take(|_, presence| presence.is_gone(rule, now))
    }

    /// A viewer says that it is still there; false if it is not known.
    pub(crate) fn refresh(&mut self, reply_topic: &str, now: Instant) -> bool {
        self.0.get_mut(reply_topic).map(|(_, presence)| presence.asked(now)).is_some()
    }

    /// The broker answered whether anybody subscribes to what a viewer gets.
    pub(crate) fn answered(&mut self, reply_topic: &str, anybody: bool, now: Instant) {
        if let Some((_, presence)) = self.0.get_mut(reply_topic) {
            presence.answered(anybody, now);
        }
    }

    /// The broker is back.
    pub(crate) fn resumed(&mut self, now: Instant) {
        self.0.values_mut().for_each(|(_, presence)| presence.resumed(now));
    }

    /// Everyone.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Viewer> {
        self.0.values().map(|(viewer, _)| viewer)
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody watches.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, mut whom: impl FnMut(&Viewer, &Presence) -> bool) -> Vec<Viewer> {
        self.0.extract_if(.., |_, (viewer, presence)| whom(viewer, presence)).map(|(_, (viewer, _))| viewer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn viewer(reply_topic: &str, dialect: Dialect) -> Viewer {
        Viewer {
            reply_topic: reply_topic.to_owned(),
            delivery: Delivery::Live,
            dialect,
            session: String::new(),
            video_only: false,
        }
    }

    #[track_caller]
    fn check_removed(whom: &Whom, expected: &[&str]) {
        let mut viewers = Viewers::default();
        let now = Instant::now();
        for (topic, dialect) in [("a", Dialect::Client), ("b", Dialect::Video), ("c", Dialect::Client)] {
            assert!(viewers.admit(viewer(topic, dialect), now));
        }
        let removed = viewers.remove(whom);
        assert_eq!(removed.iter().map(|viewer| viewer.reply_topic.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!(viewers.len(), 3 - expected.len());
        assert!(viewers.remove(whom).is_empty(), "stopping is idempotent");
    }

    #[test]
    fn stopping_hits_whom_it_names() {
        check_removed(&Whom::ReplyTopic("b".to_owned()), &["b"]);
        check_removed(&Whom::ReplyTopic("d".to_owned()), &[]);
        check_removed(&Whom::ClientDialect, &["a", "c"]);
        check_removed(&Whom::All, &["a", "b", "c"]);
    }

    #[test]
    fn playing_again_is_no_second_viewer() {
        let (mut viewers, now) = (Viewers::default(), Instant::now());
        assert!(viewers.admit(viewer("a", Dialect::Video), now));
        assert!(!viewers.admit(Viewer { delivery: Delivery::Reply, ..viewer("a", Dialect::Video) }, now));
        assert_eq!(viewers.len(), 1);
        assert_eq!(viewers.iter().next().unwrap().delivery, Delivery::Reply);
    }

    #[test]
    fn only_who_has_gone_is_counted_out() {
        let (mut viewers, now) = (Viewers::default(), Instant::now());
        let rule = Rule::Subscribers { grace: Duration::from_secs(15) };
        viewers.admit(viewer("gone", Dialect::Video), now);
        viewers.admit(viewer("there", Dialect::Video), now);
        let later = now + Duration::from_secs(15);
        viewers.answered("gone", false, later);
        viewers.answered("there", true, later);
        let gone = viewers.remove_gone(rule, later);
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].reply_topic, "gone");
        assert!(viewers.refresh("there", later) && !viewers.refresh("gone", later));
    }
}
