//! How a worker publishes: what kind of message goes out in what way, counted.
//!
//! Media on live topics is QoS 0 with a short expiry, and never waits: a full queue is the caller's to act on. Whole GOPs
//! and reports are QoS 1, because the acknowledgement says whether anybody subscribes. Whether the broker tells that at all
//! is found out here, once per connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use runtime::broker::{self, Outcome, Pending, Publication, PublishError, Subscription};
use serde::Serialize;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::fence::{self, Claim};
use crate::metrics::{AwaitedAck, Kind, Loss, Metrics};
use crate::packet::Packet;
use crate::viewers::presence::Rule;

/// Live media that is older is of no use to anybody.
const EXPIRY: Duration = Duration::from_secs(5);
/// Catch-up messages under way at once: enough to keep a fast connection busy, few enough for live media to pass between.
const BURST: usize = 32;
/// Bytes that a broker with the slow WebSocket listener sends in one turn of its loop.
const TURN: usize = 4096;
/// How often the pump wakes the broker's loop.
const STROKE: Duration = Duration::from_millis(5);
/// For how long the pump goes on after the last byte should be out.
const TAIL: Duration = Duration::from_millis(10);

/// Publishes; clones share the connection.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    broker: broker::Publisher,
    metrics: Metrics,
    presence: Arc<Presence>,
    pump: Option<Pump>,
}

/// How presence is judged by default, and when the broker gives no evidence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judgement {
    /// How long nobody may answer to the name of a viewer.
    pub(crate) grace: Duration,
    /// Longest session where the broker does not tell.
    pub(crate) max_session: Duration,
}

#[derive(Debug)]
struct Presence {
    judgement: Judgement,
    broker: AtomicU8,
}

/// Not asked, or asked in vain: taken to tell.
const UNKNOWN: u8 = 0;
const ASKED: u8 = 1;
const TELLS: u8 = 2;
const SILENT: u8 = 3;

impl Publisher {
    /// Publishes on `broker`; with `pump` it keeps the broker's loop turning after large messages.
    pub(crate) fn new(broker: broker::Publisher, metrics: Metrics, judgement: Judgement, pump: bool) -> Self {
        let pump = pump.then(|| Pump::start(broker.clone()));
        Self { broker, metrics, presence: Arc::new(Presence { judgement, broker: AtomicU8::new(UNKNOWN) }), pump }
    }

    /// Whether there is a connection.
    pub(crate) fn connected(&self) -> bool {
        self.broker.connected()
    }

    /// Media on a live topic. Nobody asks what becomes of it.
    pub(crate) fn live(&self, topic: &str, packet: Packet) -> Result<(), PublishError> {
        let publication = media(topic, packet);
        let bytes = publication.payload_len();
        self.broker.try_send(publication)?;
        self.metrics.published(Kind::Live, bytes);
        Ok(())
    }

    /// As [`Self::live`], and tells when it is out.
    pub(crate) fn live_timed(&self, topic: &str, packet: Packet) -> Result<Pending, PublishError> {
        self.hand_over(Kind::Live, media(topic, packet))
    }

    /// A whole GOP for one viewer. `root` is the topic below which nobody reads the pump's strokes.
    pub(crate) fn whole(&self, topic: &str, packet: Packet, root: &str) -> Result<Pending, PublishError> {
        let bytes = packet.payload.len();
        let publication = Publication::new(topic, packet.payload).correlation(packet.correlation).at_least_once();
        let pending = self.hand_over(Kind::Reply, publication)?;
        if let Some(pump) = &self.pump {
            pump.run(root, bytes);
        }
        Ok(pending)
    }

    /// A burst of media for one viewer, paced by the connection. Gives up when the connection goes.
    pub(crate) async fn burst(&self, topic: &str, packets: Vec<Packet>) {
        let one = |packet: Packet| {
            let bytes = packet.payload.len();
            let published = self.broker.publish(media(topic, packet));
            async move { published.await.map(|_| bytes) }
        };
        let mut outcomes = futures::stream::iter(packets).map(one).buffered(BURST);
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Ok(bytes) => self.metrics.published(Kind::CatchUp, bytes),
                Err(error) => {
                    debug!(%error, "catch-up given up");
                    self.metrics.dropped(loss(&error), 1);
                    return;
                }
            }
        }
    }

    /// A report to whom it concerns.
    pub(crate) fn report(&self, topic: String, report: &impl Serialize) -> Result<Pending, PublishError> {
        self.hand_over(Kind::Report, Publication::new(topic, json(report)).at_least_once())
    }

    /// A report that the broker keeps for those who come later, and forgets by itself after `expiry`; to other workers it
    /// says that the stream is published here.
    pub(crate) fn claim(
        &self,
        claim: &Claim,
        report: &impl Serialize,
        expiry: Duration,
    ) -> Result<Pending, PublishError> {
        let publication = Publication::new(fence::topic(&claim.live_topic), json(report)).at_least_once().retain();
        self.hand_over(Kind::Report, claim.write(publication).expiry(expiry))
    }

    /// Hears the claims of others to the stream of this live topic, until dropped.
    pub(crate) fn follow_claims(&self, live_topic: &str) -> Subscription {
        self.broker.subscribe(fence::topic(live_topic))
    }

    /// Makes the broker forget what it kept.
    pub(crate) fn clear(&self, topic: String) -> Result<Pending, PublishError> {
        self.hand_over(Kind::Report, Publication::new(topic, Bytes::new()).at_least_once().retain())
    }

    /// How viewers are judged as things stand.
    pub(crate) fn rule(&self) -> Rule {
        match self.presence.broker.load(Ordering::Relaxed) {
            SILENT => Rule::Session { max: self.presence.judgement.max_session },
            _ => Rule::Subscribers { grace: self.presence.judgement.grace },
        }
    }

    /// An acknowledgement came: it may prove that the broker tells.
    pub(crate) fn noticed(&self, outcome: Outcome) {
        if outcome == Outcome::NoMatchingSubscribers {
            self.presence.broker.store(TELLS, Ordering::Relaxed);
        }
    }

    /// There is a new connection, perhaps to another broker.
    pub(crate) fn reconnected(&self) {
        self.presence.broker.store(UNKNOWN, Ordering::Relaxed);
    }

    /// Finds out whether the broker tells that nobody subscribes, unless that is known. Asks below `root`, which is where a
    /// worker may publish.
    pub(crate) fn ask_broker(&self, root: &str) {
        let asked = self.presence.broker.compare_exchange(UNKNOWN, ASKED, Ordering::Relaxed, Ordering::Relaxed);
        if asked.is_err() {
            return;
        }
        let topic = format!("{root}/probe/{:032x}", rand::random::<u128>());
        let this = self.clone();
        tokio::spawn(async move {
            let known = match this.broker.publish(Publication::new(topic, Bytes::new()).at_least_once()).await {
                Ok(Outcome::NoMatchingSubscribers) => TELLS,
                Ok(_) => SILENT,
                Err(error) => {
                    debug!(%error, "the broker was asked in vain about subscribers");
                    UNKNOWN
                }
            };
            // Something else may have proven it meanwhile.
            let settled = this.presence.broker.compare_exchange(ASKED, known, Ordering::Relaxed, Ordering::Relaxed);
            match known {
                SILENT if settled.is_ok() => warn!(
                    max_session = ?this.presence.judgement.max_session,
                    "the broker does not tell when nobody subscribes: viewers stay until they stop or their session ends"
                ),
                TELLS => info!("the broker tells when nobody subscribes"),
                _ => {}
            }
        });
    }

    /// Counts media that was kept back, because what it builds on was not published.
    pub(crate) fn kept_back(&self, fragments: usize) {
        if fragments > 0 {
            self.metrics.dropped(Loss::BehindGap, fragments);
        }
    }

    /// Counts media that was not published.
    pub(crate) fn dropped(&self, error: &PublishError) {
        self.metrics.dropped(loss(error), 1);
    }

    /// Counts a group of pictures that has a hole.
    pub(crate) fn broken_gop(&self) {
        self.metrics.broken_gop();
    }

    /// Counts something that is on its way, until it is dropped.
    pub(crate) fn awaits_ack(&self) -> AwaitedAck {
        self.metrics.awaits_ack()
    }

    fn hand_over(&self, kind: Kind, publication: Publication) -> Result<Pending, PublishError> {
        let bytes = publication.payload_len();
        let pending = self.broker.try_publish(publication)?;
        self.metrics.published(kind, bytes);
        Ok(pending)
    }
}

/// Media that is of use now or never.
fn media(topic: &str, packet: Packet) -> Publication {
    Publication::new(topic, packet.payload).correlation(packet.correlation).expiry(EXPIRY)
}

/// A report is made of plain fields, so it always has a JSON form.
fn json(report: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(report).unwrap_or_default()
}

fn loss(error: &PublishError) -> Loss {
    match error {
        PublishError::Full => Loss::QueueFull,
        PublishError::NotConnected | PublishError::Lost => Loss::Disconnected,
        PublishError::Refused(_) | PublishError::InvalidTopic => Loss::Refused,
    }
}

/// Keeps the broker's loop turning: one byte every few milliseconds to a topic that nobody reads.
///
/// One task strokes for all viewers at once, as each turn of the loop serves every client.
#[derive(Debug, Clone)]
struct Pump(Arc<watch::Sender<Option<(String, Instant)>>>);

impl Pump {
    fn start(broker: broker::Publisher) -> Self {
        let (sender, mut until) = watch::channel::<Option<(String, Instant)>>(None);
        tokio::spawn(async move {
            while until.changed().await.is_ok() {
                let mut stroke = tokio::time::interval(STROKE);
                stroke.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    let Some((topic, until)) = until.borrow_and_update().clone() else { break };
                    if Instant::now() >= until {
                        break;
                    }
                    stroke.tick().await;
                    // A full queue turns the loop by itself.
                    broker.try_send(Publication::new(topic, Bytes::from_static(b"."))).ok();
                }
            }
        });
        Self(Arc::new(sender))
    }

    fn run(&self, root: &str, bytes: usize) {
        let until = Instant::now() + duration(bytes);
        self.0.send_if_modified(|current| match current {
            Some((_, running)) if *running >= until => false,
            current => {
                *current = Some((format!("{root}/pump"), until));
                true
            }
        });
    }
}

fn duration(bytes: usize) -> Duration {
    STROKE * bytes.div_ceil(TURN) as u32 + TAIL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pump_gives_each_turn_of_the_loop_a_stroke() {
        for (bytes, ms) in [(1, 15), (4096, 15), (4097, 20), (65_536, 90)] {
            assert_eq!(duration(bytes), Duration::from_millis(ms), "{bytes}");
        }
    }
}
