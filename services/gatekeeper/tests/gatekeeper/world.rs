//! A broker, a gatekeeper, scripted workers and a viewer; all of them on free ports, all gone when dropped.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures::FutureExt;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

use crate::broker::Broker;
use crate::viewer::Viewer;
use crate::worker::{Call, Worker};

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
            while !wanted(&self.get(path).await) {
                look.tick().await;
            }
        })
        .await;
    }

    /// The gatekeeper's page at `path`, with its header.
    pub(crate) async fn get(&self, path: &str) -> String {
        get(self.http, path).await
    }

    /// One more gatekeeper with the same workers at the same broker.
    pub(crate) async fn replicate(&mut self) {
        let (replica, http) = gatekeeper(&self.broker, &self.directory, &self.workers, &[]).await;
        self.replicas.push(replica);
        let main = std::mem::replace(&mut self.http, http);
        self.until("/ready", |text| text.contains("200 OK")).await;
        let known = format!("workers{{state=\"ready\"}} {}\n", self.workers.len());
        assert!(get(self.http, "/metrics").await.contains(&known), "ready before it knows what runs where");
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
