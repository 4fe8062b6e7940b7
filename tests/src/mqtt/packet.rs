//! MQTT control packets, as far as a client that publishes and subscribes needs them.
//!
//! No I/O: bytes in, packets out, and the other way round. Section numbers are those of MQTT 5.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Protocol version of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1.
    V3,
    /// MQTT 5.
    V5,
}

/// Quality of service, without 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// 0.
    AtMostOnce,
    /// 1.
    AtLeastOnce,
}

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// How it was delivered.
    pub qos: Qos,
    /// Whether it was retained when the subscription was made.
    pub retain: bool,
    /// Correlation Data (3.3.2.3.6).
    pub correlation: Option<Bytes>,
    /// Response Topic (3.3.2.3.5).
    pub response_topic: Option<String>,
    /// Content Type (3.3.2.3.9).
    pub content_type: Option<String>,
    /// Message Expiry Interval in seconds (3.3.2.3.3).
    pub expiry: Option<u32>,
}

/// A message to be sent.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// How it is to be delivered.
    pub qos: Qos,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// Correlation Data; MQTT 5 only.
    pub correlation: Option<Bytes>,
    /// Response Topic; MQTT 5 only.
    pub response_topic: Option<String>,
    /// User Properties; MQTT 5 only.
    pub user_properties: Vec<(String, String)>,
}

impl Publication {
    /// Neither retained nor acknowledged.
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        let (topic, payload) = (topic.into(), payload.into());
        let (qos, user_properties) = (Qos::AtMostOnce, Vec::new());
        Self { topic, payload, qos, retain: false, correlation: None, response_topic: None, user_properties }
    }

    /// Acknowledged.
    #[must_use]
    pub fn at_least_once(self) -> Self {
        Self { qos: Qos::AtLeastOnce, ..self }
    }

    /// Kept by the broker.
    #[must_use]
    pub fn retained(self) -> Self {
        Self { retain: true, ..self }
    }

    /// With Correlation Data.
    #[must_use]
    pub fn correlation(self, data: impl Into<Bytes>) -> Self {
        Self { correlation: Some(data.into()), ..self }
    }

    /// With a Response Topic.
    #[must_use]
    pub fn response_topic(self, topic: impl Into<String>) -> Self {
        Self { response_topic: Some(topic.into()), ..self }
    }

    /// With a User Property more.
    #[must_use]
    pub fn user_property(mut self, name: &str, value: &str) -> Self {
        self.user_properties.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What the broker publishes when the connection ends without DISCONNECT.
#[derive(Debug, Clone)]
pub struct Will {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// Whether the broker keeps it.
    pub retain: bool,
}

/// A packet from the broker.
#[derive(Debug)]
pub(super) enum Packet {
    /// The answer to CONNECT, with its reason code.
    ConnAck(u8),
    /// A message; with a packet identifier when it is to be acknowledged.
    Publish(Message, Option<u16>),
    /// The answer to PUBLISH, SUBSCRIBE or UNSUBSCRIBE: packet identifier and the first reason code.
    Ack(u16, u8),
    /// The broker ends the connection.
    Disconnect,
    /// Nothing of interest.
    Other,
}

/// Why bytes are no packet.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A length field runs on over its limit.
    #[error("malformed variable byte integer")]
    VariableByteInteger,
    /// The packet ends within a field.
    #[error("packet ends too early")]
    TooShort,
    /// A property that a client does not get in this packet.
    #[error("unexpected property 0x{0:02x}")]
    Property(u8),
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Text,
}

pub(super) fn connect(version: Version, client_id: &str, keep_alive: u16, will: Option<&Will>) -> Bytes {
    let mut body = BytesMut::new();
    text(&mut body, "MQTT");
    body.put_u8(if version == Version::V5 { 5 } else { 4 });
    let will_flags = will.map_or(0, |will| 0b100 | u8::from(will.retain) << 5);
    body.put_u8(0b10 | will_flags);
    body.put_u16(keep_alive);
    no_properties(&mut body, version);
    text(&mut body, client_id);
    if let Some(will) = will {
        no_properties(&mut body, version);
        text(&mut body, &will.topic);
        binary(&mut body, &will.payload);
    }
    packet(0x10, &body)
}

pub(super) fn subscribe(version: Version, id: u16, filter: &str, qos: Qos) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u16(id);
    no_properties(&mut body, version);
    text(&mut body, filter);
    body.put_u8(u8::from(qos == Qos::AtLeastOnce));
    packet(0x82, &body)
}

pub(super) fn unsubscribe(version: Version, id: u16, filter: &str) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u16(id);
    no_properties(&mut body, version);
    text(&mut body, filter);
    packet(0xa2, &body)
}

pub(super) fn publish(version: Version, publication: &Publication, id: u16) -> Bytes {
    let mut body = BytesMut::new();
    text(&mut body, &publication.topic);
    if publication.qos == Qos::AtLeastOnce {
        body.put_u16(id);
    }
    if version == Version::V5 {
        let mut properties = BytesMut::new();
        if let Some(topic) = &publication.response_topic {
            properties.put_u8(0x08);
            text(&mut properties, topic);
        }
        if let Some(data) = &publication.correlation {
            properties.put_u8(0x09);
            binary(&mut properties, data);
        }
        for (name, value) in &publication.user_properties {
            properties.put_u8(0x26);
            text(&mut properties, name);
            text(&mut properties, value);
        }
        variable(&mut body, properties.len());
        body.put(properties);
    }
    body.put(publication.payload.clone());
    let qos = u8::from(publication.qos == Qos::AtLeastOnce) << 1;
    packet(0x30 | qos | u8::from(publication.retain), &body)
}

pub(super) fn publish_ack(id: u16) -> Bytes {
    packet(0x40, &id.to_be_bytes())
}

pub(super) fn disconnect() -> Bytes {
    packet(0xe0, &[])
}

/// Takes the next whole packet from `buffer`.
pub(super) fn next(version: Version, buffer: &mut BytesMut) -> Result<Option<Packet>, Error> {
    let mut look = &buffer[..];
    if look.len() < 2 {
        return Ok(None);
    }
    let first = look.get_u8();
    let Some(length) = take_variable(&mut look)? else { return Ok(None) };
    if look.len() < length {
        return Ok(None);
    }
    let head = buffer.len() - look.len();
    buffer.advance(head);
    let mut body = buffer.split_to(length).freeze();
    Ok(Some(match first >> 4 {
        2 => {
            let _session_present = take_u8(&mut body)?;
            Packet::ConnAck(take_u8(&mut body)?)
        }
        3 => take_publish(version, first, body)?,
        4 => {
            let id = take_u16(&mut body)?;
            // Without a reason code it is success (3.4.2.1).
            Packet::Ack(id, body.first().copied().unwrap_or(0))
        }
        9 | 11 => {
            let id = take_u16(&mut body)?;
            if version == Version::V5 {
                let properties = take_variable(&mut body)?.ok_or(Error::TooShort)?;
                take(&mut body, properties)?;
            }
            Packet::Ack(id, body.first().copied().unwrap_or(0))
        }
        14 => Packet::Disconnect,
        _ => Packet::Other,
    }))
}

fn take_publish(version: Version, first: u8, mut body: Bytes) -> Result<Packet, Error> {
    let topic = take_text(&mut body)?;
    let id = if first & 0b110 == 0 { None } else { Some(take_u16(&mut body)?) };
    let qos = if id.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
    let mut message = Message {
        topic,
        payload: Bytes::new(),
        qos,
        retain: first & 1 == 1,
        correlation: None,
        response_topic: None,
        content_type: None,
        expiry: None,
    };
    if version == Version::V5 {
        let length = take_variable(&mut body)?.ok_or(Error::TooShort)?;
        let mut properties = take(&mut body, length)?;
        while let Ok(id) = take_u8(&mut properties) {
            match id {
                0x01 => drop(take_u8(&mut properties)?),
                0x02 => {
                    let seconds = take(&mut properties, 4)?;
                    message.expiry = Some(u32::from_be_bytes([seconds[0], seconds[1], seconds[2], seconds[3]]));
                }
                0x03 => message.content_type = Some(take_text(&mut properties)?),
                0x08 => message.response_topic = Some(take_text(&mut properties)?),
                0x09 => message.correlation = Some(take_binary(&mut properties)?),
                0x0b => drop(take_variable(&mut properties)?),
                0x26 => drop((take_binary(&mut properties)?, take_binary(&mut properties)?)),
                other => return Err(Error::Property(other)),
            }
        }
    }
    message.payload = body;
    Ok(Packet::Publish(message, id))
}

fn packet(first: u8, body: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(body.len() + 5);
    bytes.put_u8(first);
    variable(&mut bytes, body.len());
    bytes.put_slice(body);
    bytes.freeze()
}

fn no_properties(body: &mut BytesMut, version: Version) {
    if version == Version::V5 {
        body.put_u8(0);
    }
}

fn text(body: &mut BytesMut, value: &str) {
    binary(body, value.as_bytes());
}

fn binary(body: &mut BytesMut, value: &[u8]) {
    body.put_u16(value.len() as u16);
    body.put_slice(value);
}

fn variable(body: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        body.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    body.put_u8(value as u8);
}

/// Nothing while it is not there as a whole.
fn take_variable(bytes: &mut impl Buf) -> Result<Option<usize>, Error> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        if !bytes.has_remaining() {
            return Ok(None);
        }
        let byte = bytes.get_u8();
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(Some(value));
        }
    }
    Err(Error::VariableByteInteger)
}

fn take(bytes: &mut Bytes, length: usize) -> Result<Bytes, Error> {
    if bytes.len() < length { Err(Error::TooShort) } else { Ok(bytes.split_to(length)) }
}

fn take_u8(bytes: &mut Bytes) -> Result<u8, Error> {
    bytes.try_get_u8().map_err(|_| Error::TooShort)
}

fn take_u16(bytes: &mut Bytes) -> Result<u16, Error> {
    bytes.try_get_u16().map_err(|_| Error::TooShort)
}

fn take_binary(bytes: &mut Bytes) -> Result<Bytes, Error> {
    let length = take_u16(bytes)?;
    take(bytes, usize::from(length))
}

fn take_text(bytes: &mut Bytes) -> Result<String, Error> {
    String::from_utf8(take_binary(bytes)?.into()).map_err(|_| Error::Text)
}
