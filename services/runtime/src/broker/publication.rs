//! Publishing: what is published, how it is handed over, and what became of it.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::mqttbytes::v5::{PubAckReason, PublishProperties};
use rumqttc::{AsyncClient, ClientError, PublishNotice, PublishNoticeError, PublishOptions, PublishResult, QoS};
use tokio::sync::watch;

use super::subscription::{SubscribeError, Subscription, Wanted};

/// A message to publish; QoS 0 and not retained unless said otherwise.
#[derive(Debug, Clone)]
pub struct Publication {
    topic: String,
    payload: Bytes,
    qos: QoS,
    retain: bool,
    properties: Option<PublishProperties>,
}

impl Publication {
    /// A QoS 0 message.
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), qos: QoS::AtMostOnce, retain: false, properties: None }
    }

    /// QoS 1: the outcome says whether anybody subscribes.
    #[must_use]
    pub fn at_least_once(mut self) -> Self {
        self.qos = QoS::AtLeastOnce;
        self
    }

    /// Retained by the broker; an empty payload clears what was retained.
    #[must_use]
    pub fn retain(mut self) -> Self {
        self.retain = true;
        self
    }

    /// MQTT 5 Correlation Data.
    #[must_use]
    pub fn correlation(mut self, data: impl Into<Bytes>) -> Self {
        self.properties().correlation_data = Some(data.into());
        self
    }

    /// MQTT 5 Message Expiry Interval, in whole seconds, rounded up.
    #[must_use]
    pub fn expiry(mut self, after: Duration) -> Self {
        self.properties().message_expiry_interval = Some(after.as_secs_f64().ceil() as u32);
        self
    }

    /// MQTT 5 Content Type.
    #[must_use]
    pub fn content_type(mut self, mime: impl Into<String>) -> Self {
        self.properties().content_type = Some(mime.into());
        self
    }

    /// An MQTT 5 User Property.
    #[must_use]
    pub fn user_property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties().user_properties.push((key.into(), value.into()));
        self
    }

    /// Bytes of the payload.
    pub fn payload_len(&self) -> usize {
        self.payload.len()
    }

    fn properties(&mut self) -> &mut PublishProperties {
        self.properties.get_or_insert_default()
    }

    fn into_parts(self) -> (String, Bytes, PublishOptions) {
        let options = PublishOptions::new(self.qos).retain(self.retain);
        let options = match self.properties {
            Some(properties) => options.properties(properties),
            None => options,
        };
        (self.topic, self.payload, options)
    }
}

/// What became of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// QoS 0: written to the socket.
    Flushed,
    /// QoS 1: acknowledged with success. Somebody subscribes, or the broker does not tell.
    Delivered,
    /// QoS 1: acknowledged with reason 0x10, *No matching subscribers* (MQTT 5 section 3.4.2.1).
    NoMatchingSubscribers,
}

/// Why something was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection.
    #[error("the broker is not connected")]
    NotConnected,
    /// The queue is full; the broker or the network is slower than we are.
    #[error("the publish queue is full")]
    Full,
    /// The connection went before the outcome was known.
    #[error("the connection went before the outcome was known")]
    Lost,
    /// The broker refused it.
    #[error("the broker refused it: {0}")]
    Refused(String),
    /// The topic is no topic name (MQTT 5 section 4.7).
    #[error("not a topic name")]
    InvalidTopic,
}

/// Publishes on whatever connection there is. Clones share it.
#[derive(Debug, Clone)]
pub struct Publisher {
    current: watch::Receiver<Option<AsyncClient>>,
    wanted: Wanted,
}

impl Publisher {
    pub(super) fn new(current: watch::Receiver<Option<AsyncClient>>, wanted: Wanted) -> Self {
        Self { current, wanted }
    }

    /// Publishes and waits for the outcome, and before that for room in the queue.
    ///
    /// # Errors
    /// See [`PublishError`]; never `Full`.
    pub async fn publish(&self, publication: Publication) -> Result<Outcome, PublishError> {
        let client = self.current.borrow().clone().ok_or(PublishError::NotConnected)?;
        let (topic, payload, options) = publication.into_parts();
        let notice = client.publish_tracked(topic, payload, options).await.map_err(|error| client_error(&error))?;
        Pending(notice).outcome().await
    }

    /// Hands over without waiting; order among calls is kept on the wire.
    ///
    /// # Errors
    /// `Full` when the queue is: drop what can be dropped.
    pub fn try_publish(&self, publication: Publication) -> Result<Pending, PublishError> {
        let current = self.current.borrow();
        let client = current.as_ref().ok_or(PublishError::NotConnected)?;
        let (topic, payload, options) = publication.into_parts();
        client.try_publish_tracked(topic, payload, options).map(Pending).map_err(|error| client_error(&error))
    }

    /// As [`Self::try_publish`], for those who do not ask what becomes of it: that alone costs as much as handing it over.
    ///
    /// # Errors
    /// `Full` when the queue is: drop what can be dropped.
    pub fn try_send(&self, publication: Publication) -> Result<(), PublishError> {
        let current = self.current.borrow();
        let client = current.as_ref().ok_or(PublishError::NotConnected)?;
        let (topic, payload, options) = publication.into_parts();
        client.try_publish(topic, payload, options).map_err(|error| client_error(&error))
    }

    /// Subscribes with QoS 1 on this and every later connection, until what is returned is dropped. A broker that refuses
    /// is complained of in the log.
    #[must_use]
    pub fn subscribe(&self, filter: impl Into<String>) -> Subscription {
        self.wanted.add(filter.into(), self.current.clone())
    }

    /// As [`Self::subscribe`], but waits until the broker has granted it: what is published from then on arrives.
    ///
    /// # Errors
    /// When there is no connection, or the broker refuses.
    pub async fn subscribe_granted(&self, filter: impl Into<String>) -> Result<Subscription, SubscribeError> {
        self.wanted.add_granted(filter.into(), self.current.clone()).await
    }

    /// Whether there is a connection now.
    pub fn connected(&self) -> bool {
        self.current.borrow().is_some()
    }

    /// Waits until the connection is up (`true`) or down (`false`). Returns at once when it already is.
    pub async fn wait_connected(&self, up: bool) {
        let mut current = self.current.clone();
        // The sender lives in the connection's task; once that ended, nothing will ever be connected again.
        if current.wait_for(|client| client.is_some() == up).await.is_err() && up {
            std::future::pending::<()>().await;
        }
    }
}

/// A publication on its way. Dropping it does not recall it.
#[derive(Debug)]
pub struct Pending(PublishNotice);

impl Pending {
    /// What became of it.
    ///
    /// # Errors
    /// `Lost` when the connection went first, `Refused` when the broker said no.
    pub async fn outcome(self) -> Result<Outcome, PublishError> {
        match self.0.wait_async().await {
            Ok(PublishResult::Qos0Flushed) => Ok(Outcome::Flushed),
            Ok(PublishResult::Qos1(ack)) => match ack.reason {
                PubAckReason::Success => Ok(Outcome::Delivered),
                PubAckReason::NoMatchingSubscribers => Ok(Outcome::NoMatchingSubscribers),
                reason => Err(PublishError::Refused(format!("{reason:?}"))),
            },
            Ok(result) => Err(PublishError::Refused(format!("unexpected {result:?}"))),
            Err(PublishNoticeError::V5PubAck(reason)) => Err(PublishError::Refused(format!("{reason:?}"))),
            Err(PublishNoticeError::RetainNotSupported) => {
                Err(PublishError::Refused("retained messages are not supported".to_owned()))
            }
            Err(_) => Err(PublishError::Lost),
        }
    }
}

fn client_error(error: &ClientError) -> PublishError {
    match error {
        ClientError::RequestChannelFull(_) => PublishError::Full,
        ClientError::InvalidRequest(_) => PublishError::InvalidTopic,
        _ => PublishError::Lost,
    }
}
