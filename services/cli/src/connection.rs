//! One MQTT connection, and which of its messages is whose: several viewers may share it.
//!
//! A connection that goes ends the viewers on it. Players reconnect; an operator wants to be told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use runtime::broker::{self, Event, Message, Publication, Publisher, Subscription};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;

/// Longest wait for the broker; a host that swallows packets would take minutes.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for an acknowledgement.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);
/// A whole GOP of reply delivery comes in one message: 16 MB are 16 s of 8 Mbit/s, which is what the service keeps.
const LARGEST: u32 = 17 << 20;
/// A viewer has one request under way, and many may share a connection.
const IN_FLIGHT: u16 = 64;

/// A message for a viewer.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    /// What the viewer called the topic.
    pub(crate) topic: Topic,
    /// Payload.
    pub(crate) payload: Bytes,
    /// MQTT 5 Correlation Data.
    pub(crate) correlation: Option<Bytes>,
    /// When it came.
    pub(crate) at: Instant,
    /// The same by the wall clock, Unix microseconds.
    pub(crate) unix_us: u64,
}

/// A topic by what it is to a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// The reply topic.
    Reply,
    /// The reply topic's status.
    Status,
    /// The live topic of video.
    Video,
    /// The live topic of audio.
    Audio,
    /// The live topic's tick, to which a viewer subscribes to be counted.
    Tick,
}

/// By the topic's name: for each viewer a number of its own, what the topic is to it, and where messages go.
type Table = HashMap<String, Vec<(u64, Topic, mpsc::Sender<Incoming>)>>;
type Routes = Arc<Mutex<Table>>;

/// A connection to the broker. Dropped, it goes without a word.
#[derive(Debug)]
pub(crate) struct Connection {
    address: String,
    publisher: Publisher,
    routes: Routes,
    /// Why the connection went.
    gone: watch::Receiver<Option<String>>,
    token: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// Brings a topic's messages to a viewer until it is dropped.
#[derive(Debug)]
pub(crate) struct Route {
    id: u64,
    name: String,
    routes: Routes,
    _subscription: Subscription,
}

impl Connection {
    /// Connects, or says why not.
    pub(crate) async fn open(args: &broker::Args) -> Result<Self, Failure> {
        let options = args.options(format!("mqtt-video-cli-{:016x}", rand::random::<u64>()), Vec::new());
        let options = options.max_incoming(LARGEST).max_in_flight(IN_FLIGHT);
        let address = options.address();
        let token = CancellationToken::new();
        let (publisher, mut events, task) = broker::connect(options, token.clone());
        let why = match timeout(CONNECT, events.recv()).await {
            Ok(Some(Event::Connected)) => None,
            Ok(Some(Event::Disconnected { why })) => Some(why),
            Ok(_) => Some("the connection ended".to_owned()),
            Err(_) => Some(format!("no answer within {} s", CONNECT.as_secs())),
        };
        if let Some(why) = why {
            token.cancel();
            return Err(Failure::Broker { address, why });
        }
        let routes = Routes::default();
        let (went, gone) = watch::channel(None);
        tokio::spawn(deliver(events, Arc::clone(&routes), went));
        Ok(Self { address, publisher, routes, gone, token, task })
    }

    /// Subscribes, and brings what comes to `inbox`. What is published once this returned will come.
    pub(crate) async fn route(
        &self,
        name: String,
        topic: Topic,
        inbox: mpsc::Sender<Incoming>,
    ) -> Result<Route, Failure> {
        let id = rand::random();
        lock(&self.routes).entry(name.clone()).or_default().push((id, topic, inbox));
        let granted = match timeout(ACKNOWLEDGE, self.publisher.subscribe_granted(&name)).await {
            Ok(granted) => granted.map_err(|error| self.failure(&error)),
            Err(_) => Err(self.failure(&"it does not acknowledge a subscription")),
        };
        match granted {
            Ok(subscription) => Ok(Route { id, name, routes: Arc::clone(&self.routes), _subscription: subscription }),
            Err(failure) => {
                forget(&self.routes, &name, id);
                Err(failure)
            }
        }
    }

    /// Publishes at QoS 1, and waits for the acknowledgement.
    pub(crate) async fn publish(&self, topic: String, payload: String, correlation: &str) -> Result<(), Failure> {
        let publication = Publication::new(topic, payload)
            .at_least_once()
            .content_type("application/json")
            .correlation(correlation.as_bytes().to_vec());
        match timeout(ACKNOWLEDGE, self.publisher.publish(publication)).await {
            // That nobody subscribes to requests now does not mean that nobody will answer: a gatekeeper may be restarting.
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.failure(&error)),
            Err(_) => Err(self.failure(&"it does not acknowledge a request")),
        }
    }

    /// Waits until the connection is gone.
    pub(crate) async fn gone(&self) -> Failure {
        let mut gone = self.gone.clone();
        let why = match gone.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => "the connection ended".to_owned(),
        };
        self.failure(&why)
    }

    /// Sends what is queued, and says goodbye.
    pub(crate) async fn close(self) {
        self.token.cancel();
        // It bounds its own wait.
        let _ = self.task.await;
    }

    fn failure(&self, why: &impl std::fmt::Display) -> Failure {
        Failure::Broker { address: self.address.clone(), why: why.to_string() }
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        forget(&self.routes, &self.name, self.id);
    }
}

async fn deliver(mut events: mpsc::Receiver<Event>, routes: Routes, went: watch::Sender<Option<String>>) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected => {}
            Event::Disconnected { why } => {
                went.send_replace(Some(why));
                return;
            }
            Event::Message(message) => hand_over(message, &routes),
        }
    }
}

fn hand_over(message: Message, routes: &Routes) {
    let Message { topic: name, payload, correlation_data: correlation, .. } = message;
    let (at, unix) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH));
    let unix_us = unix.map_or(0, |time| time.as_micros() as u64);
    for (_, topic, inbox) in lock(routes).get(&name).into_iter().flatten() {
        let incoming =
            Incoming { topic: *topic, payload: payload.clone(), correlation: correlation.clone(), at, unix_us };
        // A viewer that is behind finds a gap in the numbers, as if the broker had dropped it.
        let _ = inbox.try_send(incoming);
    }
}

fn forget(routes: &Routes, name: &str, id: u64) {
    let mut routes = lock(routes);
    if let Some(all) = routes.get_mut(name) {
        all.retain(|(other, _, _)| *other != id);
        if all.is_empty() {
            routes.remove(name);
        }
    }
}

fn lock(routes: &Routes) -> MutexGuard<'_, Table> {
    routes.lock().unwrap_or_else(PoisonError::into_inner)
}
