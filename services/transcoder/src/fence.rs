//! Who publishes a stream: one worker, even when the gatekeeper cannot reach the one that it took the stream from.
//!
//! The broker is what two workers that publish the same stream have in common. Each retains the stream's state with its
//! name and its generation in User Properties (MQTT 5 section 3.3.2.3.7), and hears the others do so; of two, the one with
//! the lower generation gives way. Nothing of the payload is read.

use runtime::broker::{Message, Publication};

/// Last level of the topic on which a stream's state is retained.
const STATE: &str = "/state";
const WORKER: &str = "worker";
const GENERATION: &str = "generation";

/// A worker says that it publishes a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Where the stream is published.
    pub(crate) live_topic: String,
    /// Name of the worker.
    pub(crate) worker: String,
    /// Its present generation; zero before the first.
    pub(crate) generation: u64,
}

/// Where claims to the stream of a live topic are made.
pub(crate) fn topic(live_topic: &str) -> String {
    format!("{live_topic}{STATE}")
}

impl Claim {
    /// Our own.
    pub(crate) fn new(live_topic: &str, worker: &str, generation: u64) -> Self {
        Self { live_topic: live_topic.to_owned(), worker: worker.to_owned(), generation }
    }

    /// A claim, if the message is one. A cleared state is none.
    pub(crate) fn read(message: &Message) -> Option<Self> {
        let live_topic = message.topic.strip_suffix(STATE)?;
        let property = |name: &str| {
            let found = message.user_properties.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        Some(Self::new(live_topic, property(WORKER)?, property(GENERATION)?.parse().ok()?))
    }

    /// Adds it to what is published.
    pub(crate) fn write(&self, publication: Publication) -> Publication {
        publication.user_property(WORKER, &self.worker).user_property(GENERATION, self.generation.to_string())
    }

    /// Whether a worker of this name and generation has to give way to it. Of two generations that began in the same
    /// millisecond the names decide, so that one of both stays.
    pub(crate) fn outranks(&self, generation: u64, worker: &str) -> bool {
        (self.generation, self.worker.as_str()) > (generation, worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(properties: &[(&str, &str)]) -> Message {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Message {
            topic: "video/live/lobby/source/state".to_owned(),
            user_properties: properties.iter().map(owned).collect(),
            ..Message::default()
        }
    }

    #[test]
    fn a_claim_is_read_from_its_properties() {
        let read = Claim::read(&message(&[("generation", "17"), ("worker", "t-0")]));
        assert_eq!(read, Some(Claim::new("video/live/lobby/source", "t-0", 17)));
        for none in [&[][..], &[("worker", "t-0")], &[("worker", "t-0"), ("generation", "soon")]] {
            assert_eq!(Claim::read(&message(none)), None, "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn of_two_workers_exactly_one_gives_way(a in 0u64..3, b in 0u64..3) {
            let (first, second) = (Claim::new("x", "t-0", a), Claim::new("x", "t-1", b));
            let yields = [second.outranks(a, "t-0"), first.outranks(b, "t-1")];
            prop_assert_eq!(yields.iter().filter(|yields| **yields).count(), 1);
        }
    }
}
