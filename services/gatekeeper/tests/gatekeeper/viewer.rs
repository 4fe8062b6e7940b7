//! A viewer: a client of the broker that publishes requests and reads what comes.

use runtime::broker::{Event, Message, Publication, Publisher, QoS};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::world::within;

/// A client of the broker.
pub(crate) struct Viewer {
    publisher: Publisher,
    events: mpsc::Receiver<Event>,
    _token: tokio_util::sync::DropGuard,
}

impl Viewer {
    pub(crate) async fn connect(broker: &Broker, topics: &[&str]) -> Self {
        let args = runtime::broker::Args {
            broker: broker.url().parse().unwrap(),
            broker_username: None,
            broker_password_file: None,
            broker_ca: None,
        };
        let subscriptions = topics.iter().map(|topic| ((*topic).to_owned(), QoS::AtLeastOnce)).collect();
        let token = CancellationToken::new();
        let client_id = format!("test-{:08x}", rand::random::<u32>());
        let (publisher, mut events, _) =
            runtime::broker::connect(args.options(client_id, subscriptions), token.clone());
        assert!(matches!(within(events.recv()).await, Some(Event::Connected)));
        Self { publisher, events, _token: token.drop_guard() }
    }

    pub(crate) async fn publish(&self, publication: Publication) {
        within(self.publisher.publish(publication.at_least_once())).await.unwrap();
    }

    /// Publishes a request and does not wait for what it leads to.
    pub(crate) async fn send(&self, topic: &str, payload: &str) {
        self.publish(Publication::new(topic, payload.to_owned())).await;
    }

    /// The next message, whatever it is.
    pub(crate) async fn next(&mut self) -> Message {
        match within(self.events.recv()).await {
            Some(Event::Message(message)) => message,
            other => panic!("{other:?} instead of a message"),
        }
    }

    /// Publishes a request and reads the reply.
    pub(crate) async fn ask(&mut self, topic: &str, payload: &str) -> Value {
        self.send(topic, payload).await;
        serde_json::from_slice(&self.next().await.payload).unwrap()
    }

    /// Nothing came before the answer to a request that is always answered: what was to be unanswered stays so.
    pub(crate) async fn heard_nothing(&mut self) {
        let answer = self.ask("video/marker", r#"{"reply_topic":"video_2"}"#).await;
        assert_eq!(answer["error"], "there is no such request; see the protocol's list of topics");
    }
}
