//! The connection: one task reads, acknowledges and sorts; the test asks.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::packet::{self, Message, Packet, Publication, Qos, Version, Will};
use crate::wait;

/// A connection to the broker. Dropped, it closes its socket without DISCONNECT, as a killed process does.
#[derive(Debug)]
pub struct Client {
    version: Version,
    id: String,
    writer: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    acks: Acks,
    next_id: u16,
    // Unbounded: the test decides when it looks, and must not slow the broker meanwhile. It lives as long as one test.
    messages: mpsc::UnboundedReceiver<Message>,
    reader: JoinHandle<()>,
}

type Acks = Arc<Mutex<HashMap<u16, oneshot::Sender<u8>>>>;

/// How to connect.
#[derive(Debug, Clone)]
pub struct Connect {
    /// Protocol version.
    pub version: Version,
    /// Client identifier.
    pub client_id: String,
    /// Keep Alive in seconds. The client sends no PINGREQ, so that with a Keep Alive the broker ends a silent connection;
    /// 0: never.
    pub keep_alive: u16,
    /// The will.
    pub will: Option<Will>,
}

impl Connect {
    /// With an identifier of its own, without Keep Alive.
    pub fn new(version: Version) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let client_id = format!("e2e-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Self { version, client_id, keep_alive: 0, will: None }
    }
}

impl Client {
    /// Connects with MQTT 5.
    pub async fn connect(broker: SocketAddr) -> Result<Self> {
        Self::open(broker, Connect::new(Version::V5)).await
    }

    /// Connects, and waits until the broker accepts.
    pub async fn open(broker: SocketAddr, options: Connect) -> Result<Self> {
        let stream = TcpStream::connect(broker).await?;
        stream.set_nodelay(true)?;
        let (mut reader, mut writer) = stream.into_split();
        let hello = packet::connect(options.version, &options.client_id, options.keep_alive, options.will.as_ref());
        writer.write_all(&hello).await?;
        let mut buffer = BytesMut::new();
        match read(options.version, &mut reader, &mut buffer).await?.context("closed instead of CONNACK")? {
            Packet::ConnAck(0) => {}
            other => bail!("not accepted: {other:?}"),
        }
        let writer = Arc::new(tokio::sync::Mutex::new(writer));
        let acks = Acks::default();
        let (sender, messages) = mpsc::unbounded_channel();
        let pump = pump(options.version, reader, buffer, Arc::clone(&writer), Arc::clone(&acks), sender);
        Ok(Self {
            version: options.version,
            id: options.client_id,
            writer,
            acks,
            next_id: 0,
            messages,
            reader: tokio::spawn(pump),
        })
    }

    /// Its client identifier.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Subscribes, and waits until the broker did it.
    pub async fn subscribe(&mut self, filter: &str, qos: Qos) -> Result<()> {
        let id = self.new_id();
        let reason = self.send(&packet::subscribe(self.version, id, filter, qos), Some(id)).await?;
        ensure!(reason < 0x80, "subscription to {filter} refused: 0x{reason:02x}");
        Ok(())
    }

    /// Unsubscribes, and waits until the broker did it.
    pub async fn unsubscribe(&mut self, filter: &str) -> Result<()> {
        let id = self.new_id();
        self.send(&packet::unsubscribe(self.version, id, filter), Some(id)).await?;
        Ok(())
    }

    /// Publishes. At least once: waits for the acknowledgement and returns its reason code.
    pub async fn publish(&mut self, publication: Publication) -> Result<u8> {
        let id = (publication.qos == Qos::AtLeastOnce).then(|| self.new_id());
        self.send(&packet::publish(self.version, &publication, id.unwrap_or(0)), id).await
    }

    /// The next message; an error once the connection is gone.
    pub async fn next(&mut self) -> Result<Message> {
        self.messages.recv().await.context("the broker closed the connection")
    }

    /// Everything that came and was not looked at yet.
    pub fn pending(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.messages.try_recv().ok()).collect()
    }

    /// Leaves as the standard wants it; the broker forgets the will.
    pub async fn disconnect(mut self) -> Result<()> {
        self.send(&packet::disconnect(), None).await?;
        Ok(())
    }

    /// Vanishes with a TCP reset, as a crashed host does when it is asked.
    pub async fn reset(self) -> Result<()> {
        self.reader.abort();
        self.writer.lock().await.as_ref().set_zero_linger()?;
        Ok(())
    }

    fn new_id(&mut self) -> u16 {
        self.next_id = self.next_id.wrapping_add(1).max(1);
        self.next_id
    }

    async fn send(&mut self, bytes: &Bytes, answer: Option<u16>) -> Result<u8> {
        let waiting = answer.map(|id| {
            let (sender, receiver) = oneshot::channel();
            self.acks.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
            receiver
        });
        self.writer.lock().await.write_all(bytes).await?;
        match waiting {
            Some(waiting) => wait::within("the broker acknowledges", waiting).await.context("connection lost"),
            None => Ok(0),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The task holds the other half of the socket.
        self.reader.abort();
    }
}

async fn pump(
    version: Version,
    mut reader: OwnedReadHalf,
    mut buffer: BytesMut,
    writer: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    acks: Acks,
    messages: mpsc::UnboundedSender<Message>,
) {
    // Ending drops the sender, which is how the test learns that the connection is gone.
    while let Ok(Some(packet)) = read(version, &mut reader, &mut buffer).await {
        match packet {
            Packet::Publish(message, id) => {
                if let Some(id) = id
                    && writer.lock().await.write_all(&packet::publish_ack(id)).await.is_err()
                {
                    break;
                }
                if messages.send(message).is_err() {
                    break;
                }
            }
            Packet::Ack(id, reason) => {
                let waiting = acks.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                if let Some(waiting) = waiting {
                    // Nobody waits any more if the test gave up.
                    let _ = waiting.send(reason);
                }
            }
            Packet::Disconnect => break,
            Packet::ConnAck(_) | Packet::Other => {}
        }
    }
    acks.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

async fn read(version: Version, reader: &mut OwnedReadHalf, buffer: &mut BytesMut) -> Result<Option<Packet>> {
    loop {
        if let Some(packet) = packet::next(version, buffer)? {
            return Ok(Some(packet));
        }
        if reader.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}
