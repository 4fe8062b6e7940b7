//! Transcoders that only speak: each says over gRPC what a transcoder with so many streams says, as often, and answers at
//! once. No ffmpeg, no media; what is measured is who listens to them.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use proto::v1;
use proto::v1::transcoder_service_server::{TranscoderService, TranscoderServiceServer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::report::say;

/// How often a transcoder reports: its load, and each stream, whose numbering goes on.
const REPORT: Duration = Duration::from_secs(1);

/// Workers on loopback addresses of their own. Dropped, they are gone.
pub(crate) struct Workers {
    /// Where they are.
    pub(crate) addresses: Vec<SocketAddr>,
    described: Arc<AtomicU64>,
    _servers: JoinSet<()>,
}

impl Workers {
    /// Starts `count` of them with `streams` streams each, which `source` names.
    pub(crate) async fn start(count: usize, streams: usize, source: Source) -> Result<Self> {
        let (mut addresses, mut servers) = (Vec::with_capacity(count), JoinSet::new());
        let described = Arc::new(AtomicU64::new(0));
        for number in 0..count {
            // 127.1.0.1 and on: nobody else's, and as far apart as the pods of a cluster.
            let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + number as u32);
            let listener = TcpListener::bind((address, 0)).await.with_context(|| format!("cannot bind {address}"))?;
            addresses.push(listener.local_addr()?);
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            let worker = TranscoderServiceServer::new(Worker { number, streams, source, described: described.clone() });
            let server = Server::builder().add_service(worker);
            servers.spawn(async move {
                if let Err(error) = server.serve_with_incoming(incoming).await {
                    say(format_args!("worker {number} ended: {error}"));
                }
            });
        }
        Ok(Self { addresses, described, _servers: servers })
    }

    /// How many describes they have answered.
    pub(crate) fn described(&self) -> u64 {
        self.described.load(Ordering::Relaxed)
    }
}

/// Names the nth source of a worker.
pub(crate) type Source = fn(worker: usize, nth: usize) -> String;

/// Name of a worker, as long as that of a pod.
pub(crate) fn name(number: usize) -> String {
    format!("mqtt-video-transcoder-5d9c7b8f6d-{number:05}")
}

/// A source that an entry of the list has for itself.
pub(crate) fn source(worker: usize, nth: usize) -> String {
    format!("camera-{worker:05}-{nth:03}")
}

/// A source of the pattern entry `plant`.
pub(crate) fn patterned(worker: usize, nth: usize) -> String {
    format!("plant~{worker:08x}{nth:08x}")
}

#[derive(Debug, Clone)]
struct Worker {
    number: usize,
    streams: usize,
    source: Source,
    described: Arc<AtomicU64>,
}

impl Worker {
    fn report(&self, snapshot: bool, elapsed: Duration) -> v1::WatchResponse {
        v1::WatchResponse {
            snapshot,
            worker: Some(v1::Worker {
                name: name(self.number),
                slots_total: self.streams as u32 + 5,
                slots_used: self.streams as u32,
                draining: false,
                cpu_cores: 0.5 + f64::from(elapsed.subsec_nanos()) / 1e10,
            }),
            jobs: (0..self.streams).map(|nth| self.job(nth, elapsed)).collect(),
            ended: Vec::new(),
            failed: Vec::new(),
        }
    }

    fn job(&self, nth: usize, elapsed: Duration) -> v1::Job {
        let number = self.number;
        v1::Job {
            key: Some(v1::StreamKey { source: (self.source)(number, nth), profile: "source".to_owned() }),
            state: v1::JobState::Live.into(),
            viewers: vec![v1::Viewer {
                reply_topic: format!("video/reply/{number:05}-{nth:03}-4f1c2e9ab07d"),
                delivery: v1::Delivery::Live.into(),
                dialect: v1::Dialect::Video.into(),
                session: format!("4f1c2e9ab07d{number:05}{nth:03}"),
                video_only: true,
            }],
            media: Some(media()),
            continuation: Some(v1::Continuation {
                generation: 1_790_000_000_000,
                sequence_number: 1000 + elapsed.as_secs() as u32 * 25,
                decode_time: elapsed.as_millis() as u64 * 90,
            }),
            last_error: v1::ErrorCode::Unspecified.into(),
            restarts: 0,
            frames_per_second: 25.0,
            pattern_url: String::new(),
            treatment: String::new(),
        }
    }
}

fn media() -> v1::Media {
    v1::Media {
        video: Some(v1::VideoTrack { codec: "avc1.42C01E".to_owned(), width: 1280, height: 720 }),
        audio: Some(v1::AudioTrack { codec: "mp4a.40.2".to_owned(), sample_rate: 48_000, channels: 2 }),
        mime_codec: "video/mp4; codecs=\"avc1.42C01E, mp4a.40.2\"".to_owned(),
        generation: 1_790_000_000_000,
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl TranscoderService for Worker {
    type WatchStream = Pin<Box<ReceiverStream<Result<v1::WatchResponse, Status>>>>;

    async fn describe(&self, _: Request<v1::DescribeRequest>) -> Answer<v1::DescribeResponse> {
        self.described.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(v1::DescribeResponse { media: Some(media()) }))
    }

    async fn play(&self, _: Request<v1::PlayRequest>) -> Answer<v1::PlayResponse> {
        Ok(Response::new(v1::PlayResponse {}))
    }

    async fn stop(&self, _: Request<v1::StopRequest>) -> Answer<v1::StopResponse> {
        Ok(Response::new(v1::StopResponse { stopped: 0 }))
    }

    async fn adopt(&self, _: Request<v1::AdoptRequest>) -> Answer<v1::AdoptResponse> {
        Ok(Response::new(v1::AdoptResponse { media: Some(media()) }))
    }

    async fn watch(&self, _: Request<v1::WatchRequest>) -> Answer<Self::WatchStream> {
        // One report under way; who reads slowly gets the next one late.
        let (sender, receiver) = mpsc::channel(1);
        let worker = self.clone();
        tokio::spawn(async move {
            let since = Instant::now();
            // Not all at the same moment, as they were not started at the same moment.
            let phase = REPORT.mul_f64((worker.number * 617 % 1000) as f64 / 1000.0);
            let mut turn = interval_at(since + phase, REPORT);
            turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut snapshot = true;
            while sender.send(Ok(worker.report(snapshot, since.elapsed()))).await.is_ok() {
                snapshot = false;
                turn.tick().await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}
