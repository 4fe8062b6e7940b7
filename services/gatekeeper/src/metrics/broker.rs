//! What the broker says about itself, as far as an operator of ours needs it.
//!
//! The topics are those of mosquitto (mosquitto(8), *Broker status*); of another broker's there is nothing here. One gatekeeper
//! shows the figures, as every one would say the same: the one that leads. What it has not heard is absent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

/// Filter of the topics; a level less would bring what nobody here reads.
pub(crate) const FILTER: &str = "$SYS/broker/#";

/// Topic below `$SYS/broker/`, name, help, and whether it only goes up.
const FIGURES: &[(&str, &str, &str, Kind)] = &[
    ("clients/connected", "clients", "Clients that are connected.", Kind::Gauge),
    ("subscriptions/count", "subscriptions", "Subscriptions.", Kind::Gauge),
    ("bytes/received", "received_bytes_total", "Bytes that came from clients.", Kind::Counter),
    ("bytes/sent", "sent_bytes_total", "Bytes that went to clients.", Kind::Counter),
    (
        "publish/messages/dropped",
        "dropped_messages_total",
        "Messages dropped because a client's queue was full.",
        Kind::Counter,
    ),
    ("store/messages/count", "stored_messages", "Messages that the broker holds.", Kind::Gauge),
    ("store/messages/bytes", "stored_bytes", "Payload that the broker holds.", Kind::Gauge),
    ("heap/current", "heap_bytes", "Memory in use.", Kind::Gauge),
    ("uptime", "uptime_seconds", "Since it started.", Kind::Gauge),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// The figures that were heard last. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct BrokerFigures {
    heard: Arc<Mutex<BTreeMap<&'static str, f64>>>,
    desc: Arc<[Desc]>,
}

impl BrokerFigures {
    pub(super) fn new() -> prometheus::Result<Self> {
        let descs = FIGURES.iter().map(|(_, name, help, _)| {
            Desc::new(full(name), (*help).to_owned(), Vec::new(), std::collections::HashMap::new())
        });
        Ok(Self { heard: Arc::default(), desc: descs.collect::<prometheus::Result<_>>()? })
    }

    /// Takes a message of the broker. Returns whether the topic is one of its own.
    pub(crate) fn hear(&self, topic: &str, payload: &[u8]) -> bool {
        let Some(topic) = topic.strip_prefix("$SYS/") else { return false };
        let figure = FIGURES.iter().find(|(known, ..)| topic.strip_prefix("broker/") == Some(known));
        if let (Some((_, name, ..)), Some(value)) = (figure, number(payload)) {
            self.lock().insert(name, value);
        }
        true
    }

    /// What was heard is no longer so.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, f64>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for BrokerFigures {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let heard = self.lock();
        let families = FIGURES.iter().filter_map(|(_, name, help, kind)| {
            let value = *heard.get(name)?;
            // Made for the occasion, as a counter of the library cannot be set to what another one counted.
            match kind {
                Kind::Counter => {
                    let counter = Counter::new(full(name), *help).ok()?;
                    counter.inc_by(value);
                    Some(counter.collect())
                }
                Kind::Gauge => {
                    let gauge = Gauge::new(full(name), *help).ok()?;
                    gauge.set(value);
                    Some(gauge.collect())
                }
            }
        });
        families.flatten().collect()
    }
}

fn full(name: &str) -> String {
    format!("mqtt_video_broker_{name}")
}

/// `12`, or `12 seconds` as uptime has it.
fn number(payload: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(payload).ok()?;
    text.split_ascii_whitespace().next()?.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{Registry, TextEncoder};

    #[test]
    fn figures_of_the_broker_are_shown_until_they_are_forgotten() {
        let registry = Registry::new();
        let figures = BrokerFigures::new().expect("figures");
        registry.register(Box::new(figures.clone())).expect("registered");
        let text = || TextEncoder::new().encode_to_string(&registry.gather()).expect("text");
        assert_eq!(text(), "");
        for (topic, payload, ours) in [
            ("$SYS/broker/uptime", "75 seconds", true),
            ("$SYS/broker/bytes/sent", "1234567", true),
            ("$SYS/broker/clients/connected", "nonsense", true),
            ("$SYS/broker/load/bytes/sent/1min", "3.5", true),
            ("video/play", "12", false),
        ] {
            assert_eq!(figures.hear(topic, payload.as_bytes()), ours, "{topic}");
        }
        let found = text();
        let lines: Vec<_> = found.lines().filter(|line| !line.starts_with("# HELP")).collect();
        assert_eq!(
            lines,
            [
                "# TYPE mqtt_video_broker_sent_bytes_total counter",
                "mqtt_video_broker_sent_bytes_total 1234567",
                "# TYPE mqtt_video_broker_uptime_seconds gauge",
                "mqtt_video_broker_uptime_seconds 75",
            ]
        );
        figures.forget();
        assert_eq!(text(), "");
    }
}
