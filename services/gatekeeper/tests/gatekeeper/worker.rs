//! A worker that answers as it is told, over real gRPC.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use proto::v1::transcoder_service_server::{TranscoderService, TranscoderServiceServer};
use proto::v1::{self, stop_request::Target};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio_stream::wrappers::{BroadcastStream, TcpListenerStream};
use tonic::transport::ServerTlsConfig;
use tonic::{Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::world::within;

/// What a worker was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    Describe(String),
    Play {
        source: String,
        reply_topic: String,
    },
    Refresh(String),
    /// Take this source over, with the viewers of these reply topics.
    Adopt {
        source: String,
        reply_topics: Vec<String>,
    },
    Stop(Target, i32),
}

/// What a worker answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It admits as long as there are slots.
    Willing,
    /// It says that it is full, whatever it reports.
    Full,
    /// It says that it is shutting down.
    Draining,
    /// The camera does not answer.
    NoCamera,
    /// It never answers a describe.
    Slow,
}

/// A scripted worker.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) name: &'static str,
    encrypted: bool,
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// `None` ends every watch.
    news: broadcast::Sender<Option<v1::WatchResponse>>,
    watchers: watch::Sender<u32>,
    pub(crate) called: watch::Sender<usize>,
    frozen: watch::Sender<bool>,
}

struct State {
    mood: Mood,
    slots: u32,
    /// Whether news of jobs reaches the gatekeeper; without it, only its own memory can help.
    reporting: bool,
    hung_up: bool,
    jobs: HashMap<(String, String), Vec<v1::Viewer>>,
    calls: Vec<Call>,
    specs: Vec<v1::StreamSpec>,
}

impl Worker {
    pub(crate) async fn start(name: &'static str, slots: u32) -> Self {
        Self::start_with(name, slots, None).await
    }

    pub(crate) async fn start_with(name: &'static str, slots: u32, tls: Option<ServerTlsConfig>) -> Self {
        Self::start_at(IpAddr::V4(Ipv4Addr::LOCALHOST), name, slots, tls).await
    }

    /// The same on an address other than loopback's.
    pub(crate) async fn start_at(host: IpAddr, name: &'static str, slots: u32, tls: Option<ServerTlsConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = listener.local_addr().unwrap();
        let front = TcpListener::bind((host, 0)).await.unwrap();
        let state = State {
            mood: Mood::Willing,
            slots,
            reporting: true,
            hung_up: false,
            jobs: HashMap::new(),
            calls: Vec::new(),
            specs: Vec::new(),
        };
        let worker = Self {
            name,
            encrypted: tls.is_some(),
            address: front.local_addr().unwrap(),
            state: Arc::new(Mutex::new(state)),
            news: broadcast::channel(64).0,
            watchers: watch::channel(0).0,
            called: watch::channel(0).0,
            frozen: watch::channel(false).0,
        };
        let mut server = tonic::transport::Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        let server = server.add_service(TranscoderServiceServer::new(worker.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        tokio::spawn(forward(front, behind, worker.frozen.subscribe()));
        let reporter = worker.clone();
        tokio::spawn(async move {
            let mut second = tokio::time::interval(Duration::from_secs(1));
            loop {
                second.tick().await;
                reporter.tell(v1::WatchResponse { worker: Some(reporter.load()), ..Default::default() });
            }
        });
        worker
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.encrypted { "https" } else { "http" }, self.address)
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// Keeps quiet about jobs, as if all news were late.
    pub(crate) fn keep_quiet(&self) {
        self.state.lock().unwrap().reporting = false;
    }

    /// Nobody can watch it any more. Whoever did has heard everything before.
    pub(crate) fn hang_up(&self) {
        self.state.lock().unwrap().hung_up = true;
        self.news.send(None).ok();
    }

    /// From now on no byte passes in either direction, and no connection is closed.
    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// New connections work again; those that froze never do.
    pub(crate) fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Waits until it got `count` calls in all.
    pub(crate) async fn called(&self, count: usize) {
        within(self.called.subscribe().wait_for(|calls| *calls >= count)).await.unwrap();
    }

    /// Says that it is on its way out, as after SIGTERM.
    pub(crate) fn drain(&self) {
        self.set(Mood::Draining);
        self.tell(v1::WatchResponse { worker: Some(self.load()), ..Default::default() });
    }

    fn note(&self, call: Call) {
        self.state.lock().unwrap().calls.push(call);
        self.called.send_modify(|count| *count += 1);
    }

    pub(crate) fn specs(&self) -> Vec<v1::StreamSpec> {
        self.state.lock().unwrap().specs.clone()
    }

    /// Waits until the gatekeeper watches.
    pub(crate) async fn watched(&self) {
        within(self.watchers.subscribe().wait_for(|count| *count > 0)).await.unwrap();
    }

    fn tell(&self, news: v1::WatchResponse) {
        self.news.send(Some(news)).ok();
    }

    /// Says this of a stream, whether it was asked for it or not.
    #[allow(dead_code, reason = "other tests use it")]
    pub(crate) fn report(&self, job: v1::Job) {
        self.tell(v1::WatchResponse { jobs: vec![job], ..Default::default() });
    }

    fn load(&self) -> v1::Worker {
        let state = self.state.lock().unwrap();
        let slots_used = if state.reporting { state.jobs.len() as u32 } else { 0 };
        let draining = state.mood == Mood::Draining;
        v1::Worker { name: self.name.to_owned(), slots_total: state.slots, slots_used, draining, ..Default::default() }
    }

    fn end(&self, source: &str) {
        let mut state = self.state.lock().unwrap();
        let ended: Vec<_> = state.jobs.keys().filter(|(name, _)| name == source).cloned().collect();
        for key in &ended {
            state.jobs.remove(key);
        }
        let reporting = state.reporting;
        drop(state);
        if reporting {
            let key = |(source, profile)| v1::StreamKey { source, profile };
            let ended = ended.into_iter().map(key).collect();
            self.tell(v1::WatchResponse { worker: Some(self.load()), ended, ..Default::default() });
        }
    }

    /// What it runs, if it tells.
    fn jobs(&self) -> Vec<v1::Job> {
        let state = self.state.lock().unwrap();
        let job = |((source, profile), viewers): (&(String, String), &Vec<v1::Viewer>)| v1::Job {
            key: Some(v1::StreamKey { source: source.clone(), profile: profile.clone() }),
            viewers: viewers.clone(),
            ..Default::default()
        };
        if state.reporting { state.jobs.iter().map(job).collect() } else { Vec::new() }
    }

    fn admit(&self, spec: &v1::StreamSpec, viewer: Option<&v1::Viewer>, max_viewers: u32) -> Result<(), Status> {
        let mut state = self.state.lock().unwrap();
        let key = spec.key.clone().unwrap();
        match state.mood {
            Mood::Full => return Err(refusal(tonic::Code::ResourceExhausted, "NO_CAPACITY", Some(7))),
            Mood::Draining => return Err(refusal(tonic::Code::Unavailable, "DRAINING", None)),
            Mood::NoCamera => return Err(refusal(tonic::Code::Unavailable, "SOURCE_UNREACHABLE", None)),
            Mood::Willing | Mood::Slow => {}
        }
        let id = (key.source.clone(), key.profile.clone());
        if !state.jobs.contains_key(&id) && state.jobs.len() as u32 >= state.slots {
            return Err(refusal(tonic::Code::ResourceExhausted, "NO_CAPACITY", Some(7)));
        }
        let viewers = state.jobs.entry(id).or_default();
        if let Some(viewer) = viewer {
            if max_viewers > 0 && viewers.len() as u32 >= max_viewers {
                return Err(refusal(tonic::Code::ResourceExhausted, "NO_CAPACITY", None));
            }
            viewers.push(viewer.clone());
        }
        let job = v1::Job { key: Some(key), viewers: viewers.clone(), ..Default::default() };
        let reporting = state.reporting;
        drop(state);
        if reporting {
            self.tell(v1::WatchResponse { worker: Some(self.load()), jobs: vec![job], ..Default::default() });
        }
        Ok(())
    }
}

fn refusal(code: tonic::Code, reason: &str, retry_after_s: Option<u64>) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "mqttvideo", HashMap::new());
    if let Some(seconds) = retry_after_s {
        details.set_retry_info(Some(Duration::from_secs(seconds)));
    }
    Status::with_error_details(code, "in the worker's words", details)
}

#[tonic::async_trait]
impl TranscoderService for Worker {
    type WatchStream = BoxStream<'static, Result<v1::WatchResponse, Status>>;

    async fn describe(&self, request: Request<v1::DescribeRequest>) -> Result<Response<v1::DescribeResponse>, Status> {
        let spec = request.into_inner().stream.unwrap();
        self.note(Call::Describe(spec.key.clone().unwrap().source));
        let mood = {
            let mut state = self.state.lock().unwrap();
            state.specs.push(spec.clone());
            state.mood
        };
        if mood == Mood::Slow {
            std::future::pending::<()>().await;
        }
        self.admit(&spec, None, 0)?;
        let media = v1::Media {
            video: Some(v1::VideoTrack { codec: "avc1.42C01E".to_owned(), width: 640, height: 360 }),
            audio: None,
            mime_codec: "video/mp4; codecs=\"avc1.42C01E\"".to_owned(),
            generation: 1_790_000_000_000,
        };
        Ok(Response::new(v1::DescribeResponse { media: Some(media) }))
    }

    async fn play(&self, request: Request<v1::PlayRequest>) -> Result<Response<v1::PlayResponse>, Status> {
        let request = request.into_inner();
        let (spec, viewer) = (request.stream.unwrap(), request.viewer.unwrap());
        let source = spec.key.clone().unwrap().source;
        let reply_topic = viewer.reply_topic.clone();
        self.note(if request.refresh_only {
            Call::Refresh(reply_topic.clone())
        } else {
            Call::Play { source, reply_topic: reply_topic.clone() }
        });
        let known = {
            let mut state = self.state.lock().unwrap();
            state.specs.push(spec.clone());
            state.jobs.values().flatten().any(|viewer| viewer.reply_topic == reply_topic)
        };
        match (request.refresh_only, known) {
            (true, false) => Err(Status::not_found("no such viewer")),
            (true, true) => Ok(Response::new(v1::PlayResponse {})),
            (false, _) => {
                self.admit(&spec, Some(&viewer), request.max_viewers)?;
                Ok(Response::new(v1::PlayResponse {}))
            }
        }
    }

    async fn stop(&self, request: Request<v1::StopRequest>) -> Result<Response<v1::StopResponse>, Status> {
        let request = request.into_inner();
        let target = request.target.unwrap();
        match &target {
            Target::Source(source) => self.end(source),
            Target::Stream(key) => self.end(&key.source),
            _ => {}
        }
        self.note(Call::Stop(target, request.reason));
        Ok(Response::new(v1::StopResponse { stopped: 1 }))
    }

    async fn adopt(&self, request: Request<v1::AdoptRequest>) -> Result<Response<v1::AdoptResponse>, Status> {
        let request = request.into_inner();
        let spec = request.stream.unwrap();
        self.note(Call::Adopt {
            source: spec.key.clone().unwrap().source,
            reply_topics: request.viewers.iter().map(|viewer| viewer.reply_topic.clone()).collect(),
        });
        self.state.lock().unwrap().specs.push(spec.clone());
        for viewer in &request.viewers {
            self.admit(&spec, Some(viewer), 0)?;
        }
        Ok(Response::new(v1::AdoptResponse { media: None }))
    }

    async fn watch(&self, _: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let news = BroadcastStream::new(self.news.subscribe());
        if self.state.lock().unwrap().hung_up {
            return Err(Status::unavailable("it hung up"));
        }
        let snapshot =
            v1::WatchResponse { snapshot: true, worker: Some(self.load()), jobs: self.jobs(), ..Default::default() };
        self.watchers.send_modify(|count| *count += 1);
        let snapshot = futures::stream::once(async { Ok(snapshot) });
        let news = news.filter_map(|item| async { item.ok() });
        let changes =
            news.take_while(|item| std::future::ready(item.is_some())).filter_map(|item| async { item.map(Ok) });
        Ok(Response::new(snapshot.chain(changes).boxed()))
    }
}

/// Passes bytes on until `frozen`; then it holds every connection open and passes nothing.
async fn forward(front: TcpListener, behind: SocketAddr, frozen: watch::Receiver<bool>) {
    loop {
        let Ok((mut client, _)) = front.accept().await else { return };
        let mut frozen = frozen.clone();
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(behind).await else { return };
            let copy = tokio::io::copy_bidirectional(&mut client, &mut server).fuse();
            tokio::select! {
                _ = copy => return,
                ended = frozen.wait_for(|frozen| *frozen) => if ended.is_err() { return },
            }
            std::future::pending::<()>().await;
        });
    }
}
