//! The one MQTT 5 connection of a process, and the only place that polls an event loop.
//!
//! Each attempt to connect gets a client and an event loop of its own, and both go when the connection goes: what was
//! queued for a broker that went away is stale by the time it is back, and for live video worse than lost. Subscriptions
//! are made anew on every connection. The task that polls never publishes, so it cannot wait for itself.

mod args;
mod patience;
mod publication;
mod subscription;

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AsyncClient, ConnectionError, Event as MqttEvent, EventLoop, MqttOptions, NetworkOptions, Packet};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::backoff::Backoff;
pub use args::{Args, ConfigError, Options};
use patience::Patience;
pub use publication::{Outcome, Pending, Publication, PublishError, Publisher};
pub use rumqttc::QoS;
use subscription::Wanted;
pub use subscription::{SubscribeError, Subscription};

/// Publications that wait for the socket: at 3,900 bytes each about 2 MB, a second of a busy worker's video. A full
/// queue is the publisher's business, see [`Publisher::try_publish`].
const QUEUE: usize = 512;
/// Events that wait for the service: more than a broker delivers in one read of its socket. Beyond it messages are
/// dropped and said so; connection events wait.
const EVENTS: usize = 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const RETRY_MIN: Duration = Duration::from_millis(100);
/// Services are few, a refused connection costs a broker next to nothing, and viewers who are back before a gatekeeper is have to
/// ask again.
const RETRY_MAX: Duration = Duration::from_millis(500);
/// How long the last messages may take on the way out.
const DISCONNECT: Duration = Duration::from_secs(1);

/// What a connection tells its owner.
#[derive(Debug)]
pub enum Event {
    /// Connected and subscribed; again after each reconnection.
    Connected,
    /// The connection went, or could not be made.
    Disconnected {
        /// For people.
        why: String,
    },
    /// A message on one of the subscriptions.
    Message(Message),
}

/// A message from the broker.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// Topic that it was published to.
    pub topic: String,
    /// Payload.
    pub payload: Bytes,
    /// Sent because it was retained when the subscription was made, not because it was published now.
    pub retain: bool,
    /// MQTT 5 Response Topic.
    pub response_topic: Option<String>,
    /// MQTT 5 Correlation Data.
    pub correlation_data: Option<Bytes>,
    /// MQTT 5 User Properties.
    pub user_properties: Vec<(String, String)>,
}

/// Starts the task that keeps the connection up until `token` is cancelled; it then disconnects.
///
/// Returns before there is a connection; [`Event::Connected`] tells.
pub fn connect(
    options: Options,
    token: CancellationToken,
) -> (Publisher, mpsc::Receiver<Event>, tokio::task::JoinHandle<()>) {
    let (client, current) = watch::channel(None);
    let (events, received) = mpsc::channel(EVENTS);
    let wanted = Wanted::default();
    let task = tokio::spawn(run(options, Owner { current: client, wanted: wanted.clone(), events }, token));
    (Publisher::new(current, wanted), received, task)
}

/// Whom the connection is for.
struct Owner {
    current: watch::Sender<Option<AsyncClient>>,
    wanted: Wanted,
    events: mpsc::Sender<Event>,
}

async fn run(options: Options, owner: Owner, token: CancellationToken) {
    let mut attempts = Attempts { backoff: Backoff::new(RETRY_MIN, RETRY_MAX), patience: Patience::new() };
    loop {
        let ended = run_once(&options, &owner, &mut attempts, &token).await;
        owner.current.send_replace(None);
        let why = match ended {
            Ended::Owner => return,
            Ended::Broker(why) => why,
        };
        warn!(broker = %options.address(), %why, "broker connection lost");
        if owner.events.send(Event::Disconnected { why }).await.is_err() {
            return;
        }
        tokio::select! { () = tokio::time::sleep(attempts.backoff.next_delay()) => {}, () = token.cancelled() => return }
    }
}

/// When the next attempt to connect begins, and when it is over.
struct Attempts {
    backoff: Backoff,
    patience: Patience,
}

enum Ended {
    /// The service went away or is shutting down.
    Owner,
    /// The connection failed.
    Broker(String),
}

async fn run_once(options: &Options, owner: &Owner, attempts: &mut Attempts, token: &CancellationToken) -> Ended {
    let mqtt = match mqtt_options(options, attempts.patience.limit()) {
        Ok(mqtt) => mqtt,
        Err(error) => return Ended::Broker(error.to_string()),
    };
    let (client, mut event_loop) = AsyncClient::builder(mqtt).capacity(QUEUE).build();
    // Of the subscriptions without which the service is of no use; a broker acknowledges them first and in order.
    let mut awaited = options.subscriptions.len();
    let mut cancelled = pin!(token.cancelled());
    loop {
        let event = tokio::select! {
            event = event_loop.poll() => event,
            () = &mut cancelled => {
                disconnect(&client, &mut event_loop).await;
                return Ended::Owner;
            }
        };
        match event {
            Ok(MqttEvent::Incoming(Packet::ConnAck(_))) => {
                for (filter, qos) in &options.subscriptions {
                    if let Err(error) = client.try_subscribe(filter.as_str(), *qos) {
                        return Ended::Broker(format!("cannot subscribe to {filter}: {error}"));
                    }
                }
                if options.subscriptions.is_empty() {
                    connected(options, owner, attempts, &client).await;
                }
            }
            Ok(MqttEvent::Incoming(Packet::SubAck(ack))) if awaited > 0 => {
                if let Some(code) = ack.return_codes.iter().find(|code| !is_granted(**code)) {
                    return Ended::Broker(format!("the broker refused a subscription: {code:?}"));
                }
                awaited -= 1;
                if awaited == 0 {
                    connected(options, owner, attempts, &client).await;
                }
            }
            Ok(MqttEvent::Incoming(Packet::Publish(publish))) => {
                match owner.events.try_send(Event::Message(message(publish))) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(_)) => warn!("a message was dropped: the service is behind"),
                    Err(mpsc::error::TrySendError::Closed(_)) => return Ended::Owner,
                }
            }
            Ok(MqttEvent::Incoming(Packet::Disconnect(disconnect))) => {
                return Ended::Broker(format!("the broker disconnected: {:?}", disconnect.reason_code));
            }
            Ok(_) => {}
            Err(error) => {
                if matches!(error, ConnectionError::Timeout(_)) {
                    attempts.patience.ran_out();
                }
                return Ended::Broker(error.to_string());
            }
        }
    }
}

/// Sends what is queued and a DISCONNECT, so that the broker neither waits for us nor publishes a will.
async fn disconnect(client: &AsyncClient, event_loop: &mut EventLoop) {
    if client.try_disconnect_with_timeout(DISCONNECT).is_ok() {
        let drained = async { while event_loop.poll().await.is_ok() {} };
        if tokio::time::timeout(DISCONNECT, drained).await.is_err() {
            debug!("the broker did not take the DISCONNECT in time");
        }
    }
}

async fn connected(options: &Options, owner: &Owner, attempts: &mut Attempts, client: &AsyncClient) {
    info!(broker = %options.address(), "broker connected");
    attempts.backoff.reset();
    attempts.patience.reset();
    // In this order: what is wanted from now on finds the client, and what was wanted before is among those here.
    owner.current.send_replace(Some(client.clone()));
    owner.wanted.subscribe_all(client);
    if owner.events.send(Event::Connected).await.is_err() {
        debug!("nobody listens to the connection any more");
    }
}

fn is_granted(code: rumqttc::mqttbytes::v5::SubscribeReasonCode) -> bool {
    matches!(code, rumqttc::mqttbytes::v5::SubscribeReasonCode::Success(_))
}

fn mqtt_options(options: &Options, patience: Duration) -> Result<MqttOptions, ConfigError> {
    let mut mqtt = options.endpoint()?;
    mqtt.set_keep_alive(KEEP_ALIVE.as_secs() as u16);
    mqtt.set_connect_timeout(patience);
    mqtt.set_clean_start(true);
    mqtt.set_max_packet_size(Some(options.max_incoming));
    mqtt.set_outgoing_inflight_upper_limit(options.max_in_flight);
    mqtt.set_max_request_batch(64);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    mqtt.set_network_options(network);
    if let Some((username, password)) = options.login()? {
        mqtt.set_credentials(username, password);
    }
    Ok(mqtt)
}

fn message(publish: rumqttc::mqttbytes::v5::Publish) -> Message {
    let properties = publish.properties.unwrap_or_default();
    Message {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload,
        retain: publish.retain,
        response_topic: properties.response_topic,
        correlation_data: properties.correlation_data,
        user_properties: properties.user_properties,
    }
}
