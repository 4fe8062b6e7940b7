//! The broker connection against a real mosquitto.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::Parser;
use runtime::broker::{self, Event, Outcome, Publication, PublishError, QoS, SubscribeError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Only ends a test that hangs.
const BACKSTOP: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    broker: broker::Args,
}

struct Mosquitto {
    process: Child,
    port: u16,
}

impl Mosquitto {
    fn start(port: u16) -> Self {
        let process = Command::new("mosquitto")
            .args(["-p", &port.to_string()])
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is installed");
        Self { process, port }
    }

    fn options(&self, name: &str, subscriptions: &[&str]) -> broker::Options {
        options(self.port, name, subscriptions)
    }
}

fn options(port: u16, name: &str, subscriptions: &[&str]) -> broker::Options {
    let url = format!("--broker=mqtt://127.0.0.1:{port}");
    let subscriptions = subscriptions.iter().map(|filter| ((*filter).to_owned(), QoS::AtLeastOnce)).collect();
    Cli::parse_from(["test", &url]).broker.options(name, subscriptions)
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn until(events: &mut Receiver<Event>, wanted: impl Fn(&Event) -> bool) -> Event {
    let found = async {
        loop {
            let event = events.recv().await.expect("the connection's task runs");
            if wanted(&event) {
                return event;
            }
        }
    };
    timeout(BACKSTOP, found).await.expect("the event comes")
}

#[tokio::test]
async fn an_acknowledgement_tells_whether_anybody_subscribes() {
    let mosquitto = Mosquitto::start(free_port());
    let token = CancellationToken::new();
    let (publisher, mut events, _task) = broker::connect(mosquitto.options("ack", &["heard/#"]), token.clone());
    until(&mut events, |event| matches!(event, Event::Connected)).await;

    let publish = async |topic: &str| publisher.publish(Publication::new(topic, "x").at_least_once()).await;
    assert_eq!(publish("unheard").await, Ok(Outcome::NoMatchingSubscribers));
    assert_eq!(publish("heard/me").await, Ok(Outcome::Delivered));
    let message = until(&mut events, |event| matches!(event, Event::Message(_))).await;
    assert!(matches!(message, Event::Message(message) if message.topic == "heard/me" && !message.retain));
    assert_eq!(publisher.publish(Publication::new("unheard", "x")).await, Ok(Outcome::Flushed));
    assert_eq!(publish("wild/#").await, Err(PublishError::InvalidTopic));
    token.cancel();
}

#[tokio::test]
async fn after_a_restart_of_the_broker_it_is_connected_and_subscribed_again_and_sends_nothing_stale() {
    let port = free_port();
    let mosquitto = Mosquitto::start(port);
    let (publisher, mut events, _task) =
        broker::connect(mosquitto.options("restart", &["heard"]), CancellationToken::new());
    until(&mut events, |event| matches!(event, Event::Connected)).await;

    drop(mosquitto);
    until(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    assert_eq!(publisher.publish(Publication::new("heard", "stale")).await, Err(PublishError::NotConnected));

    let _mosquitto = Mosquitto::start(port);
    until(&mut events, |event| matches!(event, Event::Connected)).await;
    assert_eq!(publisher.publish(Publication::new("heard", "fresh").at_least_once()).await, Ok(Outcome::Delivered));
    let message = until(&mut events, |event| matches!(event, Event::Message(_))).await;
    assert!(
        matches!(message, Event::Message(message) if message.payload == "fresh"),
        "the first message is the fresh one"
    );
}

#[tokio::test]
async fn a_subscription_lasts_as_long_as_somebody_holds_it_and_longer_than_a_connection() {
    let port = free_port();
    let mosquitto = Mosquitto::start(port);
    let (publisher, mut events, _task) = broker::connect(mosquitto.options("dynamic", &[]), CancellationToken::new());
    until(&mut events, |event| matches!(event, Event::Connected)).await;
    let outcome = async |wanted: Outcome| {
        let publish = async || publisher.publish(Publication::new("t/state", "x").at_least_once()).await;
        timeout(BACKSTOP, async { while publish().await != Ok(wanted) {} }).await.expect("so it becomes");
    };
    let (one, another) = (publisher.subscribe("t/+"), publisher.subscribe("t/+"));
    outcome(Outcome::Delivered).await;
    drop(one);
    outcome(Outcome::Delivered).await;

    drop(mosquitto);
    until(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    let _mosquitto = Mosquitto::start(port);
    until(&mut events, |event| matches!(event, Event::Connected)).await;
    outcome(Outcome::Delivered).await;

    drop(another);
    outcome(Outcome::NoMatchingSubscribers).await;
}

#[tokio::test]
async fn a_full_queue_refuses_instead_of_growing() {
    let mosquitto = Mosquitto::start(free_port());
    let (publisher, mut events, _task) = broker::connect(mosquitto.options("full", &[]), CancellationToken::new());
    until(&mut events, |event| matches!(event, Event::Connected)).await;
    // The runtime of this test has one thread: nothing is sent while this loop does not wait.
    let refused = (0..100_000).find_map(|_| publisher.try_publish(Publication::new("t", "x")).err());
    assert_eq!(refused, Some(PublishError::Full));
}

#[tokio::test]
async fn ending_flushes_what_was_handed_over() {
    let mosquitto = Mosquitto::start(free_port());
    let (_listener, mut heard, _task) =
        broker::connect(mosquitto.options("listener", &["last/words"]), CancellationToken::new());
    until(&mut heard, |event| matches!(event, Event::Connected)).await;
    let token = CancellationToken::new();
    let (publisher, mut events, task) = broker::connect(mosquitto.options("speaker", &[]), token.clone());
    until(&mut events, |event| matches!(event, Event::Connected)).await;
    publisher.try_publish(Publication::new("last/words", "bye")).unwrap();
    token.cancel();
    timeout(BACKSTOP, task).await.expect("the task ends").unwrap();
    until(&mut heard, |event| matches!(event, Event::Message(message) if message.payload == "bye")).await;
}

#[tokio::test]
async fn what_is_published_after_a_subscription_was_granted_arrives() {
    let mosquitto = Mosquitto::start(free_port());
    let (publisher, mut events, _task) = broker::connect(mosquitto.options("granted", &[]), CancellationToken::new());
    assert_eq!(publisher.subscribe_granted("t").await.err(), Some(SubscribeError::NotConnected));
    until(&mut events, |event| matches!(event, Event::Connected)).await;
    let _subscription = publisher.subscribe_granted("t").await.unwrap();
    assert_eq!(publisher.publish(Publication::new("t", "x").at_least_once()).await, Ok(Outcome::Delivered));
    until(&mut events, |event| matches!(event, Event::Message(message) if message.topic == "t")).await;
}

/// Takes a connection, never answers, and tells how long the other end bears that.
async fn say_nothing(listener: &TcpListener) -> Duration {
    let (mut connection, _) = listener.accept().await.unwrap();
    let began = Instant::now();
    connection.read_to_end(&mut Vec::new()).await.unwrap();
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_an_answer_is_soon_given_up_and_the_next_ones_get_more_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_publisher, mut events, _task) = broker::connect(options(port, "patience", &[]), CancellationToken::new());
    for seconds in [1, 2, 4, 8, 8] {
        assert_eq!(say_nothing(&listener).await.as_secs(), seconds);
    }
    let (mut connection, _) = listener.accept().await.unwrap();
    connection.write_all(b"\x20\x03\x00\x00\x00").await.unwrap();
    until(&mut events, |event| matches!(event, Event::Connected)).await;
    drop(connection);
    assert_eq!(say_nothing(&listener).await.as_secs(), 1);
}
