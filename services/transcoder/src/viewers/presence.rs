//! Whether a viewer is still there, judged by what the broker answers and by nothing that the viewer has to send.
//!
//! A QoS 1 publication is acknowledged with a word on whether anybody subscribes. A single *nobody* means little, as
//! clients reconnect; so somebody is gone only when the last proof of presence is a grace ago and a *nobody* came since.
//! Pure: time is passed in, and a timer asks.

use std::time::{Duration, Instant};

/// Without any answer for so long, as when no media flows, somebody who gets nothing else is gone too.
pub(crate) const SILENCE: Duration = Duration::from_mins(5);

/// How somebody is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The broker tells whether anybody subscribes.
    Subscribers {
        /// How long nobody may answer to the name.
        grace: Duration,
    },
    /// The broker does not tell: a session ends after so long, unless it is renewed.
    Session {
        /// Longest session.
        max: Duration,
    },
}

/// What is known of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Presence {
    proven: Instant,
    /// When they asked for something.
    renewed: Instant,
    answered: Instant,
    missed: bool,
}

impl Presence {
    /// Somebody who has just asked for something.
    pub(crate) fn new(now: Instant) -> Self {
        Self { proven: now, renewed: now, answered: now, missed: false }
    }

    /// They asked for something, so they are there.
    pub(crate) fn asked(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// The broker answered whether anybody subscribes.
    pub(crate) fn answered(&mut self, anybody: bool, now: Instant) {
        self.answered = now;
        if anybody {
            self.proven = now;
        }
        self.missed = !anybody;
    }

    /// The broker was away, and so was the evidence; whoever is there needs time to come back to it.
    pub(crate) fn resumed(&mut self, now: Instant) {
        *self = Self { renewed: self.renewed, ..Self::new(now) };
    }

    /// Whether they are to be counted out.
    pub(crate) fn is_gone(&self, rule: Rule, now: Instant) -> bool {
        match rule {
            Rule::Subscribers { grace } => {
                (self.missed && now.duration_since(self.proven) >= grace)
                    || now.duration_since(self.answered) >= SILENCE.max(grace)
            }
            Rule::Session { max } => now.duration_since(self.renewed) >= max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GRACE: Duration = Duration::from_secs(15);
    const RULE: Rule = Rule::Subscribers { grace: GRACE };

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn somebody_is_gone_after_grace_without_proof() {
        let now = Instant::now();
        let mut presence = Presence::new(now);
        presence.answered(true, now + s(5));
        presence.answered(false, now + s(10));
        assert!(!presence.is_gone(RULE, now + s(19)));
        assert!(presence.is_gone(RULE, now + s(20)));
    }

    #[test]
    fn silence_is_no_evidence() {
        let now = Instant::now();
        let presence = Presence::new(now);
        assert!(!presence.is_gone(RULE, now + s(200)));
        assert!(presence.is_gone(RULE, now + SILENCE));
    }

    #[test]
    fn a_client_that_reconnects_within_grace_stays() {
        let now = Instant::now();
        let mut presence = Presence::new(now);
        presence.answered(false, now + s(5));
        presence.answered(false, now + s(10));
        presence.answered(true, now + s(14));
        assert!(!presence.is_gone(RULE, now + s(29)));
    }

    #[test]
    fn an_outage_of_the_broker_is_held_against_nobody() {
        let now = Instant::now();
        let mut presence = Presence::new(now);
        presence.answered(false, now + s(5));
        presence.resumed(now + s(60));
        assert!(!presence.is_gone(RULE, now + s(60)));
        presence.answered(false, now + s(61));
        assert!(!presence.is_gone(RULE, now + s(74)));
        assert!(presence.is_gone(RULE, now + s(75)));
    }

    #[test]
    fn a_session_lasts_until_it_is_not_renewed() {
        let rule = Rule::Session { max: s(3600) };
        let now = Instant::now();
        let mut presence = Presence::new(now);
        presence.answered(true, now + s(3000));
        presence.resumed(now + s(3001));
        assert!(presence.is_gone(rule, now + s(3600)));
        presence.asked(now + s(3000));
        assert!(!presence.is_gone(rule, now + s(6599)));
        assert!(presence.is_gone(rule, now + s(6600)));
    }

    proptest! {
        #[test]
        fn nobody_who_was_proven_within_grace_is_gone(answers in prop::collection::vec((any::<bool>(), 0u64..10), 0..40), later in 0u64..15) {
            let mut now = Instant::now();
            let mut presence = Presence::new(now);
            let mut proven = now;
            for (anybody, after) in answers {
                now += s(after);
                presence.answered(anybody, now);
                if anybody {
                    proven = now;
                }
            }
            now += s(later);
            if now.duration_since(proven) < GRACE {
                prop_assert!(!presence.is_gone(RULE, now));
            }
        }
    }
}
