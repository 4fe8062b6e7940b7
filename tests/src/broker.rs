//! mosquitto with a configuration of its own, as Debian ships it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use tokio::net::TcpStream;

use crate::part::Part;
use crate::ports;

/// A broker with an MQTT and a WebSocket listener.
#[derive(Debug)]
pub struct Broker {
    /// Its process.
    pub part: Part,
    /// Where it speaks MQTT.
    pub mqtt: SocketAddr,
    /// Where it speaks MQTT over WebSocket.
    pub websocket: SocketAddr,
}

impl Broker {
    /// Starts one whose configuration lies in `folder`, with `more` lines at its end.
    pub async fn start(folder: &Path, more: &str) -> Result<Self> {
        let mqtt = SocketAddr::from(([127, 0, 0, 1], ports::free()));
        let websocket = SocketAddr::from(([127, 0, 0, 1], ports::free()));
        let file = folder.join("mosquitto.conf");
        fs::write(&file, configuration(mqtt, websocket, more))?;
        // Debian installs it where only root's PATH looks.
        let part = Part::new("mosquitto", "/usr/sbin/mosquitto").args(["-c", &file.to_string_lossy()]);
        let mut broker = Self { part, mqtt, websocket };
        broker.begin().await?;
        Ok(broker)
    }

    /// Starts it again at the same addresses, once it was stopped.
    pub async fn begin(&mut self) -> Result<()> {
        self.part.start()?;
        self.part.printed("runs", |line| line.contains(" running").then_some(())).await?;
        // Both listeners are open by then; a connection proves it.
        TcpStream::connect(self.mqtt).await?;
        TcpStream::connect(self.websocket).await?;
        Ok(())
    }

    /// Whether somebody subscribed to a filter that ends in `tail` since the log had `from` lines.
    pub fn subscribed(&self, from: usize, tail: &str) -> bool {
        // "1790000000: gatekeeper 1 $share/gatekeeper/video/play"
        let subscribed = |line: &str| line.split(' ').nth(3).is_some_and(|filter| filter.ends_with(tail));
        self.part.log().last(from, |line| subscribed(line).then_some(())).is_some()
    }
}

fn configuration(mqtt: SocketAddr, websocket: SocketAddr, more: &str) -> String {
    // It would otherwise become another user who cannot read a temporary folder, and bind its WebSocket listener to
    // every address.
    format!(
        "user root\n\
         allow_anonymous true\n\
         persistence false\n\
         set_tcp_nodelay true\n\
         max_queued_messages 1000\n\
         log_dest stderr\n\
         log_type error\n\
         log_type warning\n\
         log_type notice\n\
         log_type information\n\
         log_type subscribe\n\
         listener {} 127.0.0.1\n\
         socket_domain ipv4\n\
         listener {} 127.0.0.1\n\
         socket_domain ipv4\n\
         protocol websockets\n\
         {more}\n",
        mqtt.port(),
        websocket.port()
    )
}
