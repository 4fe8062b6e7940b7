//! A broker, a gatekeeper, scripted workers and a viewer; all of them on free ports, all gone when dropped.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use proto::v1::transcoder_service_server::{TranscoderService, TranscoderServiceServer};
use proto::v1::{self, stop_request::Target};
use runtime::broker::{Event, Message, Publication, Publisher, QoS};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_stream::wrappers::{BroadcastStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::ServerTlsConfig;
use tonic::{Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// No wait of a test depends on it; it only ends a test that hangs.
const BACKSTOP: Duration = Duration::from_secs(20);

pub(crate) const SOURCES: &str = "
sources:
  - {name: lobby, url: 'rtsp://127.0.0.1:8554/lobby'}
  - {name: yard, url: 'rtsp://127.0.0.1:8554/yard', maxViewers: 3}
  - {name: plain, url: 'rtsp://127.0.0.1:8554/plain', profiles: [source]}
  - {name: site, pattern: 'rtsp://127.0.0.1:8554/cam-*', allowPrivate: true}
";

/// Everything that a test needs.
pub(crate) struct World {
    pub(crate) viewer: Viewer,
    pub(crate) workers: Vec<Worker>,
    directory: tempfile::TempDir,
    http: SocketAddr,
    // Goes before the broker, or it would complain about the broker's end.
    gatekeeper: tokio::process::Child,
    replicas: Vec<tokio::process::Child>,
    pub(crate) broker: Broker,
}

impl World {
    /// Two workers of four slots.
    pub(crate) async fn start() -> Self {
        Self::with(vec![Worker::start("t0", 4).await, Worker::start("t1", 4).await], &[]).await
    }

    /// Ready to answer, and all `workers` known to the gatekeeper.
    pub(crate) async fn with(workers: Vec<Worker>, flags: &[&str]) -> Self {
        Self::at(Broker::start(), workers, flags).await
    }

    /// The same at a broker that has a past.
    pub(crate) async fn at(broker: Broker, workers: Vec<Worker>, flags: &[&str]) -> Self {
        let world = Self::deaf_to_workers(broker, workers, flags).await;
        for worker in &world.workers {
            worker.watched().await;
        }
        let known = format!("workers{{state=\"ready\"}} {}\n", world.workers.len());
        world.until("/metrics", |text| text.contains(&known)).await;
        world
    }

    /// Ready to answer, whatever becomes of the workers.
    pub(crate) async fn without_waiting(workers: Vec<Worker>, flags: &[&str]) -> Self {
        Self::deaf_to_workers(Broker::start(), workers, flags).await
    }

    async fn deaf_to_workers(broker: Broker, workers: Vec<Worker>, flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("sources.yaml"), SOURCES).unwrap();
        let (gatekeeper, http) = gatekeeper(&broker, &directory, &workers, flags).await;
        // Announced once the gatekeeper is connected and subscribed.
        Viewer::connect(&broker, &["video/sources"]).await.next().await;
        let viewer = Viewer::connect(&broker, &["video_1", "video_2", "video/reply/#"]).await;
        Self { viewer, workers, directory, broker, http, gatekeeper, replicas: Vec::new() }
    }

    /// Waits until the gatekeeper's page at `path`, with its header, is as `wanted` says.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&str) -> bool) {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        within(async {
            while !wanted(&get(self.http, path).await) {
                look.tick().await;
            }
        })
        .await;
    }

    /// One more gatekeeper with the same workers at the same broker.
    pub(crate) async fn replicate(&mut self) {
        let (replica, http) = gatekeeper(&self.broker, &self.directory, &self.workers, &[]).await;
        self.replicas.push(replica);
        let main = std::mem::replace(&mut self.http, http);
        self.until("/ready", |text| text.contains("200 OK")).await;
        let known = format!("workers{{state=\"ready\"}} {}\n", self.workers.len());
        self.until("/metrics", |text| text.contains(&known)).await;
        self.http = main;
    }

    /// Another viewer at the same broker.
    pub(crate) async fn viewer(&self, topics: &[&str]) -> Viewer {
        Viewer::connect(&self.broker, topics).await
    }

    pub(crate) fn write_sources(&self, text: &str) {
        std::fs::write(self.directory.path().join("sources.yaml"), text).unwrap();
    }

    /// SIGTERM, and the exit status.
    pub(crate) async fn terminate(&mut self) -> std::process::ExitStatus {
        let id = self.gatekeeper.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        within(self.gatekeeper.wait()).await.unwrap()
    }

    /// Waits until `enough` says so of the calls so far, and returns them.
    pub(crate) async fn calls_until(
        &self,
        enough: impl Fn(&[(&'static str, Call)]) -> bool,
    ) -> Vec<(&'static str, Call)> {
        within(async {
            loop {
                let mut counts: Vec<_> = self.workers.iter().map(|worker| worker.called.subscribe()).collect();
                let calls = self.calls();
                if enough(&calls) {
                    return calls;
                }
                let changed = counts.iter_mut().map(|count| count.changed().boxed());
                futures::future::select_all(changed).await.0.unwrap();
            }
        })
        .await
    }

    /// Calls that the workers got so far, each with the worker's name.
    pub(crate) fn calls(&self) -> Vec<(&'static str, Call)> {
        self.workers.iter().flat_map(|worker| worker.calls().into_iter().map(|call| (worker.name, call))).collect()
    }
}

async fn gatekeeper(
    broker: &Broker,
    directory: &tempfile::TempDir,
    workers: &[Worker],
    flags: &[&str],
) -> (tokio::process::Child, SocketAddr) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gatekeeper"));
    command
        .args(["--http", "127.0.0.1:0", "--log-level", "warn", "--broker", &broker.url()])
        .args(["--sources".as_ref(), directory.path().join("sources.yaml").as_os_str()])
        .args(workers.iter().flat_map(|worker| ["--transcoder".to_owned(), worker.url()]))
        .args(flags)
        .env_clear()
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut process = command.spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = within(lines.next_line()).await.unwrap().unwrap();
    (process, line.strip_prefix("listening http=").unwrap().parse().unwrap())
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(BACKSTOP, work).await.expect("it hangs")
}

async fn get(address: SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    within(stream.read_to_string(&mut text)).await.unwrap();
    text
}

/// mosquitto with one loopback listener.
pub(crate) struct Broker {
    process: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Broker {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // mosquitto cannot be asked for any port, so one that is free now is named; who loses the race tries again.
        loop {
            let port = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let config = format!("listener {port} 127.0.0.1\nallow_anonymous true\n");
            std::fs::write(directory.path().join("mosquitto.conf"), config).unwrap();
            if let Some(process) = mosquitto(&directory, port) {
                return Self { process, port, directory };
            }
        }
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) {
        self.process = mosquitto(&self.directory, self.port).expect("its port is still free");
    }

    fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs it, and waits until it listens; `None` if it cannot.
fn mosquitto(directory: &tempfile::TempDir, port: u16) -> Option<Child> {
    let mut command = Command::new("mosquitto");
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    command.arg("-c").arg(directory.path().join("mosquitto.conf")).env("PATH", path);
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mosquitto is installed");
    while process.try_wait().unwrap().is_none() {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(process);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

/// A client of the broker.
pub(crate) struct Viewer {
    publisher: Publisher,
    events: mpsc::Receiver<Event>,
    _token: tokio_util::sync::DropGuard,
}

impl Viewer {
    pub(crate) async fn connect(broker: &Broker, topics: &[&str]) -> Self {
        let args = runtime::broker::Args {
            broker: broker.url().parse().unwrap(),
            broker_username: None,
            broker_password_file: None,
            broker_ca: None,
        };
        let subscriptions = topics.iter().map(|topic| ((*topic).to_owned(), QoS::AtLeastOnce)).collect();
        let token = CancellationToken::new();
        let client_id = format!("test-{:08x}", rand::random::<u32>());
        let (publisher, mut events, _) =
            runtime::broker::connect(args.options(client_id, subscriptions), token.clone());
        assert!(matches!(within(events.recv()).await, Some(Event::Connected)));
        Self { publisher, events, _token: token.drop_guard() }
    }

    pub(crate) async fn publish(&self, publication: Publication) {
        within(self.publisher.publish(publication.at_least_once())).await.unwrap();
    }

    /// Publishes a request and does not wait for what it leads to.
    pub(crate) async fn send(&self, topic: &str, payload: &str) {
        self.publish(Publication::new(topic, payload.to_owned())).await;
    }

    /// The next message, whatever it is.
    pub(crate) async fn next(&mut self) -> Message {
        match within(self.events.recv()).await {
            Some(Event::Message(message)) => message,
            other => panic!("{other:?} instead of a message"),
        }
    }

    /// Publishes a request and reads the reply.
    pub(crate) async fn ask(&mut self, topic: &str, payload: &str) -> Value {
        self.send(topic, payload).await;
        serde_json::from_slice(&self.next().await.payload).unwrap()
    }

    /// Nothing came before the answer to a request that is always answered: what was to be unanswered stays so.
    pub(crate) async fn heard_nothing(&mut self) {
        let answer = self.ask("video/marker", r#"{"reply_topic":"video_2"}"#).await;
        assert_eq!(answer["error"], "there is no such request; see the protocol's list of topics");
    }
}

/// What a worker was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    Describe(String),
    Play { source: String, reply_topic: String },
    Refresh(String),
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
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    news: broadcast::Sender<v1::WatchResponse>,
    watchers: watch::Sender<u32>,
    called: watch::Sender<usize>,
    frozen: watch::Sender<bool>,
}

struct State {
    mood: Mood,
    slots: u32,
    /// Whether news of jobs reaches the gatekeeper; without it, only its own memory can help.
    reporting: bool,
    jobs: HashMap<(String, String), Vec<v1::Viewer>>,
    calls: Vec<Call>,
    specs: Vec<v1::StreamSpec>,
}

impl Worker {
    pub(crate) async fn start(name: &'static str, slots: u32) -> Self {
        Self::start_with(name, slots, None).await
    }

    pub(crate) async fn start_with(name: &'static str, slots: u32, tls: Option<ServerTlsConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = listener.local_addr().unwrap();
        let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State {
            mood: Mood::Willing,
            slots,
            reporting: true,
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

    fn url(&self) -> String {
        format!("{}://{}", if self.encrypted { "https" } else { "http" }, self.address)
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// Keeps quiet about jobs, as if all news were late.
    pub(crate) fn keep_quiet(&self) {
        self.state.lock().unwrap().reporting = false;
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

    fn note(&self, call: Call) {
        self.state.lock().unwrap().calls.push(call);
        self.called.send_modify(|count| *count += 1);
    }

    pub(crate) fn specs(&self) -> Vec<v1::StreamSpec> {
        self.state.lock().unwrap().specs.clone()
    }

    /// Waits until the gatekeeper watches.
    async fn watched(&self) {
        within(self.watchers.subscribe().wait_for(|count| *count > 0)).await.unwrap();
    }

    fn tell(&self, news: v1::WatchResponse) {
        self.news.send(news).ok();
    }

    fn load(&self) -> v1::Worker {
        let state = self.state.lock().unwrap();
        let slots_used = if state.reporting { state.jobs.len() as u32 } else { 0 };
        v1::Worker { name: self.name.to_owned(), slots_total: state.slots, slots_used, ..Default::default() }
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
        self.note(Call::Stop(request.target.unwrap(), request.reason));
        Ok(Response::new(v1::StopResponse { stopped: 1 }))
    }

    async fn adopt(&self, _: Request<v1::AdoptRequest>) -> Result<Response<v1::AdoptResponse>, Status> {
        Err(Status::unimplemented("nobody adopts yet"))
    }

    async fn watch(&self, _: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let news = BroadcastStream::new(self.news.subscribe());
        let snapshot = v1::WatchResponse { snapshot: true, worker: Some(self.load()), ..Default::default() };
        self.watchers.send_modify(|count| *count += 1);
        let snapshot = futures::stream::once(async { Ok(snapshot) });
        let changes = news.filter_map(|item| async { item.ok().map(Ok) });
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
