//! Where the broker is and how to log in.

use std::path::PathBuf;

use rumqttc::{Broker, MqttOptions, QoS, TlsConfiguration, Transport};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Largest packet that the broker may send us (MQTT 5 section 3.1.2.11.4); it drops larger ones instead of cutting us off.
const MAX_INCOMING: u32 = 256 * 1024;
/// Publications that await their acknowledgement. What is QoS 1 are reports and whole GOPs, a few hundred a second at a busy
/// worker, so a broker that lets so many wait has stopped. Each takes 250 bytes of every connection, used or not.
const IN_FLIGHT: u16 = 4096;

/// Where the broker is and how to log in.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Broker")]
#[group(skip)]
pub struct Args {
    /// URL of the MQTT 5 broker: `mqtt://host[:1883]`, or `mqtts://host[:8883]` for TLS; `ws://host[:80][/path]` or
    /// `wss://host[:443][/path]` where only its WebSocket listener can be reached.
    #[arg(long, env = "MQTT_VIDEO_BROKER", default_value = "mqtt://127.0.0.1:1883", value_parser = parse_url)]
    pub broker: Url,
    /// User name at the broker.
    #[arg(long, env = "MQTT_VIDEO_BROKER_USERNAME")]
    pub broker_username: Option<String>,
    /// File that holds the password at the broker; read at each connection, so a rotated one takes effect by itself.
    #[arg(long, env = "MQTT_VIDEO_BROKER_PASSWORD_FILE", requires = "broker_username")]
    pub broker_password_file: Option<PathBuf>,
    /// PEM file with the authorities that sign the broker's certificate; default: those of the system.
    #[arg(long, env = "MQTT_VIDEO_BROKER_CA")]
    pub broker_ca: Option<PathBuf>,
}

fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; expected mqtt://host:port"))?;
    if !matches!(url.scheme(), "mqtt" | "mqtts" | "ws" | "wss") {
        return Err(format!("scheme `{}` is not known; use mqtt:// or mqtts://, or ws:// or wss://", url.scheme()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("no host; expected mqtt://host:port".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a login does not belong in the URL, where process lists show it; use --broker-username and \
                    --broker-password-file"
            .to_owned());
    }
    Ok(url)
}

/// A connection to make.
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) client_id: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) subscriptions: Vec<(String, QoS)>,
    pub(super) max_incoming: u32,
    pub(super) max_in_flight: u16,
    tls: bool,
    /// URL of the WebSocket listener, if it is to be that.
    websocket: Option<String>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    ca: Option<PathBuf>,
}

/// Why a connection cannot be attempted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The system's certificates cannot be loaded.
    #[error("cannot set up TLS: {0}; name the authorities with --broker-ca")]
    Tls(String),
    /// The WebSocket client does not take the URL.
    #[error("cannot use the broker's URL: {0}; expected ws://host:port/path")]
    Url(String),
}

impl Args {
    /// A connection with this client identifier (MQTT 5 section 3.1.3.1) that subscribes to `subscriptions`.
    pub fn options(&self, client_id: impl Into<String>, subscriptions: Vec<(String, QoS)>) -> Options {
        let scheme = self.broker.scheme();
        let (tls, websocket) = (matches!(scheme, "mqtts" | "wss"), matches!(scheme, "ws" | "wss"));
        let usual_port = if tls { 8883 } else { 1883 };
        // The parser has seen to it that there is a host. `Url` keeps the brackets of an IPv6 address; sockets do not.
        let host = self.broker.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        Options {
            client_id: client_id.into(),
            host,
            port: self.broker.port_or_known_default().unwrap_or(usual_port),
            subscriptions,
            max_incoming: MAX_INCOMING,
            max_in_flight: IN_FLIGHT,
            tls,
            websocket: websocket.then(|| self.broker.to_string()),
            username: self.broker_username.clone(),
            password_file: self.broker_password_file.clone(),
            ca: self.broker_ca.clone(),
        }
    }
}

impl Options {
    /// The largest packet that the broker may send, in bytes; 256 KiB unless said otherwise.
    #[must_use]
    pub fn max_incoming(mut self, bytes: u32) -> Self {
        self.max_incoming = bytes;
        self
    }

    /// How many publications may await their acknowledgement, at least one; 4,096 unless said otherwise, for which a
    /// connection takes 1 MB.
    #[must_use]
    pub fn max_in_flight(mut self, publications: u16) -> Self {
        self.max_in_flight = publications.max(1);
        self
    }

    /// Host and port, for logs.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The way to the broker, and nothing else.
    pub(super) fn endpoint(&self) -> Result<MqttOptions, ConfigError> {
        let id = self.client_id.as_str();
        let address = (self.host.clone(), self.port);
        let websocket = |error: rumqttc::OptionError| ConfigError::Url(error.to_string());
        match (&self.websocket, self.tls()?) {
            (None, None) => Ok(MqttOptions::new(id, address)),
            (None, Some(tls)) => {
                let mut mqtt = MqttOptions::new(id, address);
                mqtt.set_transport(Transport::tls_with_config(tls));
                Ok(mqtt)
            }
            (Some(url), None) => Ok(MqttOptions::new(id, Broker::websocket(url).map_err(websocket)?)),
            (Some(url), Some(tls)) => MqttOptions::websocket_with_tls_config(id, url, tls).map_err(websocket),
        }
    }

    fn tls(&self) -> Result<Option<TlsConfiguration>, ConfigError> {
        if !self.tls {
            return Ok(None);
        }
        let configuration = match &self.ca {
            Some(path) => TlsConfiguration::Simple { ca: read(path)?, alpn: None, client_auth: None },
            None => TlsConfiguration::try_default_rustls().map_err(|error| ConfigError::Tls(error.to_string()))?,
        };
        Ok(Some(configuration))
    }

    pub(super) fn login(&self) -> Result<Option<(String, Vec<u8>)>, ConfigError> {
        let Some(username) = &self.username else { return Ok(None) };
        let password = match &self.password_file {
            Some(path) => SecretString::from(String::from_utf8_lossy(&read(path)?).trim_end_matches(['\r', '\n'])),
            None => SecretString::default(),
        };
        Ok(Some((username.clone(), password.expose_secret().as_bytes().to_vec())))
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|source| ConfigError::File { path: path.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_urls_are_checked_before_anything_connects() {
        for good in [
            "mqtt://127.0.0.1:1883",
            "mqtt://broker",
            "mqtts://broker.example:8883",
            "mqtt://[::1]:1883",
            "wss://broker/mqtt",
        ] {
            assert!(parse_url(good).is_ok(), "{good}");
        }
        for (bad, hint) in [
            ("tcp://broker:1883", "use mqtt://"),
            ("broker:1883", "use mqtt://"),
            ("127.0.0.1:1883", "expected mqtt://"),
            ("mqtt://user:secret@broker", "--broker-password-file"),
        ] {
            let error = parse_url(bad).expect_err(bad);
            assert!(error.contains(hint), "{bad}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
