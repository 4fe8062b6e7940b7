//! A viewer: an MQTT client that speaks the `video/…` protocol, and keeps all that it got.
//!
//! Its methods fail the test when they wait in vain; they are the sentences that tests are made of.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::media::Feed;
use crate::mp4;
use crate::mqtt::{Client, Connect, Message, Publication, Qos, Version};
use crate::{World, wait};

/// A viewer.
#[derive(Debug)]
pub struct Viewer {
    /// Its connection.
    pub client: Client,
    /// Its topic.
    pub reply_topic: String,
    /// The live topic of the stream that it watches.
    pub live_topic: Option<String>,
    /// The `traceparent` that goes along with its requests, if any.
    pub traceparent: Option<String>,
    /// What it got.
    pub got: Got,
}

/// All that a viewer got, sorted by topic.
#[derive(Debug, Default)]
pub struct Got {
    /// JSON on the reply topic.
    pub replies: Vec<Value>,
    /// JSON on `<reply topic>/status`.
    pub statuses: Vec<Value>,
    /// Media on the reply topic.
    pub replied: Feed,
    /// Media on `<live topic>/video`.
    pub video: Feed,
    /// Media on `<live topic>/audio`.
    pub audio: Feed,
    /// JSON on `<live topic>/tick`.
    pub ticks: Vec<Value>,
    /// JSON on `<live topic>/state`; null when it was cleared.
    pub states: Vec<Value>,
    /// Everything else.
    pub others: Vec<Message>,
}

impl Viewer {
    /// Connects with MQTT 5, and listens on a reply topic of its own.
    pub async fn of(world: &World) -> Self {
        Self::open(world, Connect::new(Version::V5)).await
    }

    /// Connects as told, and listens on a reply topic of its own.
    pub async fn open(world: &World, connect: Connect) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self::at(world.mqtt(), connect, &format!("video/reply/{}-{number}", std::process::id())).await
    }

    /// Connects to `broker` as told, and listens on `reply_topic`.
    pub async fn at(broker: SocketAddr, connect: Connect, reply_topic: &str) -> Self {
        let mut client = Client::open(broker, connect).await.expect("the broker accepts a viewer");
        for filter in [reply_topic.to_owned(), format!("{reply_topic}/status")] {
            client.subscribe(&filter, Qos::AtLeastOnce).await.expect("a viewer subscribes to its reply topic");
        }
        Self { client, reply_topic: reply_topic.to_owned(), live_topic: None, traceparent: None, got: Got::default() }
    }

    /// Publishes a request on `topic`; the reply topic is added.
    pub async fn request(&mut self, topic: &str, mut request: Value) {
        request["reply_topic"] = json!(self.reply_topic);
        self.send(topic, request.to_string()).await;
    }

    /// Publishes bytes on `topic` as they are.
    pub async fn send(&mut self, topic: &str, payload: impl Into<bytes::Bytes>) {
        let mut publication = Publication::new(topic, payload).at_least_once();
        if let Some(traceparent) = &self.traceparent {
            publication = publication.user_property("traceparent", traceparent);
        }
        self.client.publish(publication).await.expect("the broker takes a request");
    }

    /// Asks what `source` is made of, and returns the answer.
    pub async fn describe(&mut self, source: &str) -> Value {
        self.request("video/describe", json!({"source": source})).await;
        self.reply().await
    }

    /// The next JSON on the reply topic.
    pub async fn reply(&mut self) -> Value {
        let from = self.got.replies.len();
        self.until("a reply", |got| got.replies.get(from).cloned()).await
    }

    /// The code of the next error, on the reply topic or in the status.
    pub async fn error(&mut self) -> Value {
        let (replies, statuses) = (self.got.replies.len(), self.got.statuses.len());
        let find = |got: &Got| {
            let all = got.replies[replies..].iter().chain(&got.statuses[statuses..]);
            all.into_iter().find(|value| value.get("code").is_some()).cloned()
        };
        self.until("an error", find).await
    }

    /// Describes `source`, subscribes to its live topic and plays from there.
    pub async fn play_live(&mut self, source: &str) -> Value {
        let described = self.describe(source).await;
        self.follow(&described).await;
        self.request("video/play", json!({"source": source, "delivery": "live"})).await;
        described
    }

    /// Subscribes to the live topic of an answer to describe.
    pub async fn follow(&mut self, described: &Value) {
        let live_topic = described["live_topic"].as_str();
        let live_topic = live_topic.unwrap_or_else(|| panic!("described: {described}")).to_owned();
        for (name, qos) in [("video", Qos::AtMostOnce), ("audio", Qos::AtMostOnce), ("tick", Qos::AtLeastOnce)] {
            self.client.subscribe(&format!("{live_topic}/{name}"), qos).await.expect("a viewer subscribes");
        }
        self.live_topic = Some(live_topic);
    }

    /// Plays `source` on the reply topic.
    pub async fn play_reply(&mut self, source: &str) {
        self.request("video/play", json!({"source": source})).await;
    }

    /// Says that it watches no more.
    pub async fn stop(&mut self) {
        self.request("video/stop", json!({})).await;
    }

    /// Takes messages until `find` finds something in all that came.
    pub async fn until<T>(&mut self, what: &str, find: impl Fn(&Got) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = find(&self.got) {
                    return found;
                }
                let message = match self.client.next().await {
                    Ok(message) => message,
                    Err(error) => panic!("while waiting for {what}: {error:#}"),
                };
                self.got.sort(&self.reply_topic, self.live_topic.as_deref(), message);
            }
        };
        wait::within(what, search).await
    }

    /// Takes messages until its status says `state`.
    pub async fn until_status(&mut self, state: &str) -> Value {
        let from = self.got.statuses.len();
        let find = |got: &Got| got.statuses[from..].iter().find(|status| status["state"] == state).cloned();
        self.until(&format!("status {state}"), find).await
    }

    /// Takes messages until `more` further fragments of video came on the live topic.
    pub async fn until_video(&mut self, more: usize) {
        let goal = self.got.video.fragments(crate::media::VIDEO) + more;
        self.until(&format!("{more} live fragments"), |got| {
            (got.video.fragments(crate::media::VIDEO) >= goal).then_some(())
        })
        .await;
    }

    /// Takes messages until `more` further whole GOPs came on the reply topic.
    pub async fn until_gops(&mut self, more: usize) {
        let goal = self.got.replied.fragments(crate::media::VIDEO) + more;
        self.until(&format!("{more} whole GOPs"), |got| {
            (got.replied.fragments(crate::media::VIDEO) >= goal).then_some(())
        })
        .await;
    }

    /// Sorts what has come so far, without waiting for more.
    pub fn look(&mut self) -> &Got {
        for message in self.client.pending() {
            self.got.sort(&self.reply_topic, self.live_topic.as_deref(), message);
        }
        &self.got
    }
}

impl Got {
    fn sort(&mut self, reply_topic: &str, live_topic: Option<&str>, message: Message) {
        let json = || serde_json::from_slice(&message.payload).unwrap_or(Value::Null);
        let live = live_topic.and_then(|topic| message.topic.strip_prefix(topic));
        match (message.topic.strip_prefix(reply_topic), live) {
            (Some(""), _) if is_media(&message) => self.replied.push(&message),
            (Some(""), _) => self.replies.push(json()),
            (Some("/status"), _) => self.statuses.push(json()),
            (_, Some("/video")) => self.video.push(&message),
            (_, Some("/audio")) => self.audio.push(&message),
            (_, Some("/tick")) => self.ticks.push(json()),
            (_, Some("/state")) => self.states.push(json()),
            _ => self.others.push(message),
        }
    }
}

/// MQTT 5 tells JSON by its content type; the part of a cut fragment may begin with any byte, also with a brace. MQTT 3.1.1
/// has no such property, and is sent whole segments only.
fn is_media(message: &Message) -> bool {
    let numbered = message.correlation.is_some() && message.content_type.is_none();
    numbered || mp4::is_media(&message.payload)
}
