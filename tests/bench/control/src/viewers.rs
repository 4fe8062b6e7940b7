//! Viewers that only describe, each on an MQTT connection of its own, as players have.
//!
//! A request carries its time in Correlation Data, which the reply echoes. At a given rate that is the time when it was
//! due, not when it was sent: a load that waits for a slow answer before it asks again would not see what waiting costs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rumqttc::mqttbytes::v5::{Publish, PublishProperties};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, PublishOptions, QoS};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::distribution::Distribution;

/// How the viewers ask.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// So many a second, whatever is answered.
    Rate(u32),
    /// So many under way all the time: an answer is followed by the next request.
    UnderWay(usize),
}

/// What they found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// From the time when a request was due until its answer.
    pub(crate) times: Distribution,
    /// Answers that were refusals.
    pub(crate) refused: u64,
    /// Of requests that were due, not answered when the load ended.
    pub(crate) unanswered: u64,
}

/// When the load began, and which part of it counts.
#[derive(Debug, Clone, Copy)]
struct Clock {
    begin: Instant,
    warm: Duration,
    end: Duration,
}

/// Connected viewers.
pub(crate) struct Viewers {
    viewers: Vec<Viewer>,
    sources: Arc<Vec<String>>,
}

struct Viewer {
    client: AsyncClient,
    events: EventLoop,
    topic: String,
}

impl Viewers {
    /// Connects `count` of them, who will ask for `sources` in turn.
    pub(crate) async fn connect(broker: SocketAddr, count: usize, sources: Vec<String>) -> Result<Self> {
        let mut viewers = Vec::with_capacity(count);
        for number in 0..count {
            viewers.push(Viewer::connect(broker, number).await?);
        }
        Ok(Self { viewers, sources: Arc::new(sources) })
    }

    /// Asks for `warm`, and then for `measured`, of which alone the result tells.
    pub(crate) async fn load(&mut self, load: Load, warm: Duration, measured: Duration) -> Result<Found> {
        let clock = Clock { begin: Instant::now(), warm, end: warm + measured };
        let count = self.viewers.len();
        let next = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for (number, viewer) in self.viewers.drain(..).enumerate() {
            let asker = Asker { load, number, count, clock, next: next.clone(), sources: self.sources.clone() };
            tasks.spawn(asker.run(viewer));
        }
        let mut all = Found::default();
        while let Some(ended) = tasks.join_next().await {
            let (viewer, found) = ended??;
            self.viewers.push(viewer);
            all.times.merge(&found.times);
            all.refused += found.refused;
            all.unanswered += found.unanswered;
        }
        Ok(all)
    }
}

impl Viewer {
    async fn connect(broker: SocketAddr, number: usize) -> Result<Self> {
        let mut options = MqttOptions::new(format!("bench-{number}"), (broker.ip().to_string(), broker.port()));
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        options.set_outgoing_inflight_upper_limit(1024);
        // As many requests as may ever be under way on one connection, so that asking never has to wait.
        let (client, mut events) = AsyncClient::builder(options).capacity(1024).build();
        let topic = format!("video/reply/bench-{number}");
        client.try_subscribe(topic.as_str(), QoS::AtLeastOnce)?;
        loop {
            if let Event::Incoming(Packet::SubAck(_)) = events.poll().await.context("a viewer cannot connect")? {
                return Ok(Self { client, events, topic });
            }
        }
    }
}

/// One viewer's part in a load.
struct Asker {
    load: Load,
    number: usize,
    count: usize,
    clock: Clock,
    /// Counts the requests of all.
    next: Arc<AtomicU64>,
    sources: Arc<Vec<String>>,
}

impl Asker {
    async fn run(self, mut viewer: Viewer) -> Result<(Viewer, Found)> {
        let mut found = Found::default();
        let mut under_way: u64 = 0;
        let mut asked: u32 = 0;
        if let Load::UnderWay(all) = self.load {
            for _ in 0..(all / self.count).max(1) {
                self.ask(&viewer, self.clock.begin.elapsed())?;
                under_way += 1;
            }
        }
        let mut tick = interval(Duration::from_millis(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let grace = Duration::from_secs(1);
        let (stop, mut stopped) = oneshot::channel::<()>();
        let end = self.clock.begin + self.clock.end + grace;
        let timer = tokio::spawn(async move {
            tokio::time::sleep_until(end.into()).await;
            drop(stop);
        });
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                _ = tick.tick(), if matches!(self.load, Load::Rate(_)) => {
                    while let Some(due) = self.due(asked).filter(|due| *due <= self.clock.begin.elapsed()) {
                        self.ask(&viewer, due)?;
                        (asked, under_way) = (asked + 1, under_way + 1);
                    }
                }
                event = viewer.events.poll() => {
                    let Event::Incoming(Packet::Publish(publish)) = event.context("a viewer lost the broker")? else {
                        continue;
                    };
                    let now = self.clock.begin.elapsed();
                    under_way = under_way.saturating_sub(1);
                    self.judge(&publish, now, &mut found)?;
                    if matches!(self.load, Load::UnderWay(_)) && now < self.clock.end {
                        self.ask(&viewer, now)?;
                        under_way += 1;
                    }
                }
            }
            if self.clock.begin.elapsed() > self.clock.end && under_way == 0 {
                break;
            }
        }
        timer.abort();
        found.unanswered = under_way;
        Ok((viewer, found))
    }

    /// When this viewer's nth request is due; `None`: the load is over by then.
    fn due(&self, nth: u32) -> Option<Duration> {
        let Load::Rate(rate) = self.load else { return None };
        let position = f64::from(nth) * self.count as f64 + self.number as f64;
        let due = Duration::from_secs_f64(position / f64::from(rate));
        (due < self.clock.end).then_some(due)
    }

    fn ask(&self, viewer: &Viewer, due: Duration) -> Result<()> {
        let nth = self.next.fetch_add(1, Ordering::Relaxed) as usize;
        let source = &self.sources[nth % self.sources.len()];
        let properties = PublishProperties {
            correlation_data: Some((due.as_nanos() as u64).to_le_bytes().to_vec().into()),
            ..PublishProperties::default()
        };
        let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties);
        let payload = format!(r#"{{"source":"{source}","reply_topic":"{}"}}"#, viewer.topic);
        viewer.client.try_publish("video/describe", payload, options).context("a viewer's queue is full")
    }

    fn judge(&self, reply: &Publish, now: Duration, found: &mut Found) -> Result<()> {
        let correlation = reply.properties.as_ref().and_then(|properties| properties.correlation_data.as_deref());
        let Some(due) = correlation.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes) else {
            bail!("a reply without the Correlation Data of its request");
        };
        let due = Duration::from_nanos(due);
        // What counts was answered (or, at a rate, due) within the measured time.
        let when = if matches!(self.load, Load::Rate(_)) { due } else { now };
        if when < self.clock.warm || when >= self.clock.end {
            return Ok(());
        }
        if reply.payload.windows(9).any(|word| word == b"mimeCodec") {
            found.times.record(now.saturating_sub(due));
        } else {
            found.refused += 1;
        }
        Ok(())
    }
}
