//! What must hold of the program as a process, whatever its source does: nothing is left behind, and no login is shown.
//!
//! The source is a listener that accepts and says nothing, which keeps ffmpeg waiting for as long as a test wants. There is
//! no broker: a worker has to cope with that, too.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use proto::v1;
use proto::v1::transcoder_service_client::TranscoderServiceClient;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tonic::transport::Channel;
use tonic_types::StatusExt;

/// Backstop of anything that is waited for.
const BACKSTOP: Duration = Duration::from_secs(20);

struct Worker {
    child: Child,
    client: TranscoderServiceClient<Channel>,
    http: String,
}

/// Starts a worker with these arguments on top of what a test always needs.
async fn worker(args: &[&str]) -> Worker {
    let mut child = Command::new(env!("CARGO_BIN_EXE_transcoder"))
        .args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--broker", "mqtt://127.0.0.1:1", "--name", "w"])
        .args(["--log-level", "debug", "--stall-timeout", "1h"])
        .args(args)
        .env_clear()
        .env("MQTT_VIDEO_SOURCE_TIMEOUT", "1h")
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut listening = async |what: &str| {
        let line = lines.next_line().await.unwrap().unwrap();
        line.strip_prefix(&format!("listening {what}=")).unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    let grpc = listening("grpc").await;
    let http = listening("http").await;
    let client = TranscoderServiceClient::connect(format!("http://{grpc}")).await.unwrap();
    Worker { child, client, http }
}

impl Worker {
    fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Its ffmpegs; they are its only children.
    fn children(&self) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten();
        let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()).collect()
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid() as i32), signal).unwrap();
    }

    /// Its whole log, once it has ended.
    async fn log(mut self) -> (Option<i32>, String) {
        let mut log = self.child.stderr.take().unwrap();
        let mut text = String::new();
        let (status, _) = tokio::time::timeout(BACKSTOP, async {
            tokio::join!(self.child.wait(), tokio::io::AsyncReadExt::read_to_string(&mut log, &mut text))
        })
        .await
        .expect("it does not end");
        (status.unwrap().code(), text)
    }
}

/// A camera that accepts and says nothing.
struct Mute(TcpListener);

impl Mute {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn spec(&self, login: Option<(&str, &str)>) -> v1::StreamSpec {
        let address: SocketAddr = self.0.local_addr().unwrap();
        v1::StreamSpec {
            key: Some(v1::StreamKey { source: "mute".to_owned(), profile: "source".to_owned() }),
            url: format!("rtsp://{address}/live"),
            credentials: login.map(|(username, password)| v1::Credentials {
                username: username.to_owned(),
                password: password.to_owned(),
            }),
            transcode: None,
            live_topic: "video/live/mute/source".to_owned(),
            pattern_url: String::new(),
        }
    }

    /// The worker's ffmpeg has dialled and asked; returns what it asked.
    async fn asked(&self) -> (std::net::TcpStream, String) {
        let listener = self.0.try_clone().unwrap();
        let accepted = tokio::task::spawn_blocking(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 2048];
            let length = stream.read(&mut request).unwrap();
            (stream, String::from_utf8_lossy(&request[..length]).into_owned())
        });
        tokio::time::timeout(BACKSTOP, accepted).await.expect("nobody dials").unwrap()
    }
}

fn play(stream: v1::StreamSpec) -> v1::PlayRequest {
    v1::PlayRequest {
        stream: Some(stream),
        viewer: Some(v1::Viewer {
            reply_topic: "video_1".to_owned(),
            delivery: v1::Delivery::Live.into(),
            ..v1::Viewer::default()
        }),
        ..v1::PlayRequest::default()
    }
}

/// Waits until a process that is no child of ours is gone.
async fn gone(pid: u32) {
    // Readable once the process is a zombie or gone; there may be nothing left to open.
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let gone = async {
        while stat().rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X'])) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BACKSTOP, gone).await.expect("it is still there");
}

#[tokio::test]
async fn ffmpeg_dies_with_a_worker_that_is_killed() {
    let (camera, mut worker) = (Mute::new(), worker(&[]).await);
    worker.client.play(play(camera.spec(None))).await.unwrap();
    let _connection = camera.asked().await;
    let children = worker.children();
    assert_eq!(children.len(), 1);
    worker.child.kill().await.unwrap();
    gone(children[0]).await;
}

#[tokio::test]
async fn a_login_is_in_no_argument_and_no_log() {
    const SECRETS: [&str; 4] = ["operator", "hunter2:@'x", "hunter2", "b3BlcmF0b3"];
    let (camera, mut worker) = (Mute::new(), worker(&[]).await);
    worker.client.play(play(camera.spec(Some((SECRETS[0], SECRETS[1]))))).await.unwrap();
    let (connection, request) = camera.asked().await;
    assert!(request.starts_with("OPTIONS rtsp://127.0.0.1:"), "{request}");
    for pid in worker.children().into_iter().chain([worker.pid()]) {
        for file in ["cmdline", "environ", "comm"] {
            let text = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/{file}")).unwrap()).into_owned();
            assert!(!SECRETS.iter().any(|secret| text.contains(secret)), "{file}: {text}");
        }
    }
    // ffmpeg complains of a source that hangs up, and names it.
    drop(connection);
    let _again = camera.asked().await;
    worker.signal(nix::sys::signal::Signal::SIGINT);
    worker.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, log) = worker.log().await;
    assert!(log.contains("source lost"), "{log}");
    assert!(!SECRETS.iter().any(|secret| log.contains(secret)), "{log}");
}

#[tokio::test]
async fn a_worker_that_nobody_needs_ends_at_once_and_in_order() {
    let (camera, mut worker) = (Mute::new(), worker(&["--drain-timeout", "1h"]).await);
    let mut describing = worker.client.clone();
    let request = v1::DescribeRequest { stream: Some(camera.spec(None)), ..v1::DescribeRequest::default() };
    let described = tokio::spawn(async move { describing.describe(request).await });
    let _connection = camera.asked().await;
    let children = worker.children();
    let mut watched = worker.client.watch(v1::WatchRequest {}).await.unwrap().into_inner();
    assert!(watched.message().await.unwrap().unwrap().snapshot);
    worker.signal(nix::sys::signal::Signal::SIGTERM);
    let (code, log) = worker.log().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("drained: nobody watched what was left"), "{log}");
    gone(children[0]).await;
    let refused = described.await.unwrap().unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "DRAINING");
    let mut draining = false;
    while let Ok(Some(news)) = watched.message().await {
        draining |= news.worker.is_some_and(|worker| worker.draining);
    }
    assert!(draining);
}

#[tokio::test]
async fn a_drain_waits_for_viewers_and_a_second_signal_for_nobody() {
    let (camera, mut worker) = (Mute::new(), worker(&["--drain-timeout", "1h"]).await);
    worker.client.play(play(camera.spec(None))).await.unwrap();
    let _connection = camera.asked().await;
    let children = worker.children();
    worker.signal(nix::sys::signal::Signal::SIGTERM);
    let mut watched = worker.client.watch(v1::WatchRequest {}).await.unwrap().into_inner();
    while !watched.message().await.unwrap().unwrap().worker.is_some_and(|worker| worker.draining) {}
    // What runs here is to be moved, and its viewers with it; until then it takes more of them.
    worker.client.play(play(camera.spec(None))).await.unwrap();
    let mut other = camera.spec(None);
    other.key = Some(v1::StreamKey { source: "other".to_owned(), profile: "source".to_owned() });
    other.live_topic = "video/live/other/source".to_owned();
    let refused = worker.client.play(play(other)).await.unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "DRAINING");
    assert_eq!(worker.children(), children);
    worker.signal(nix::sys::signal::Signal::SIGTERM);
    let (code, log) = worker.log().await;
    assert_ne!(code, Some(0), "{log}");
    gone(children[0]).await;
}

#[tokio::test]
async fn a_moved_stream_lets_a_drain_end() {
    let (camera, mut worker) = (Mute::new(), worker(&["--drain-timeout", "1h"]).await);
    worker.client.play(play(camera.spec(None))).await.unwrap();
    let _connection = camera.asked().await;
    worker.signal(nix::sys::signal::Signal::SIGTERM);
    let moved = v1::StopRequest {
        target: Some(v1::stop_request::Target::Source("mute".to_owned())),
        reason: v1::ErrorCode::Draining.into(),
    };
    assert_eq!(worker.client.stop(moved).await.unwrap().into_inner().stopped, 1);
    let (code, log) = worker.log().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("drained"), "{log}");
}

#[tokio::test]
async fn a_source_that_says_nothing_is_unreachable() {
    let (camera, mut worker) = (Mute::new(), worker(&["--source-timeout", "200ms"]).await);
    let request = v1::DescribeRequest { stream: Some(camera.spec(None)), ..v1::DescribeRequest::default() };
    let refused = worker.client.describe(request).await.unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "SOURCE_UNREACHABLE");
    assert_eq!(refused.get_details_error_info().unwrap().domain, "mqttvideo");
}

#[tokio::test]
async fn slots_and_seats_are_limited() {
    let (camera, mut worker) = (Mute::new(), worker(&["--max-streams", "1"]).await);
    let request = v1::PlayRequest { max_viewers: 1, ..play(camera.spec(None)) };
    worker.client.play(request.clone()).await.unwrap();
    worker.client.play(request.clone()).await.expect("whoever is there is not refused");
    let mut another = request.clone();
    another.viewer.as_mut().unwrap().reply_topic = "video_2".to_owned();
    let mut elsewhere = request.clone();
    elsewhere.stream.as_mut().unwrap().key.as_mut().unwrap().profile = "legacy".to_owned();
    for refused in [another, elsewhere] {
        let refused = worker.client.play(refused).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        assert_eq!(refused.get_details_error_info().unwrap().reason, "NO_CAPACITY");
        assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    }
    let keepalive = v1::PlayRequest { refresh_only: true, ..request.clone() };
    worker.client.play(keepalive.clone()).await.unwrap();
    let stop = v1::StopRequest {
        target: Some(v1::stop_request::Target::ReplyTopic("video_1".to_owned())),
        ..v1::StopRequest::default()
    };
    assert_eq!(worker.client.stop(stop.clone()).await.unwrap().into_inner().stopped, 1);
    assert_eq!(worker.client.stop(stop).await.unwrap().into_inner().stopped, 0);
    assert_eq!(worker.client.play(keepalive).await.unwrap_err().code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn liveness_does_not_depend_on_the_broker_and_readiness_does() {
    let worker = worker(&[]).await;
    let get = async |path: &str| {
        let mut stream = tokio::net::TcpStream::connect(&worker.http).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        let mut response = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut response).await.unwrap();
        response
    };
    assert!(get("/live").await.starts_with("HTTP/1.1 200"));
    let ready = get("/ready").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("broker: "), "{ready}");
    assert!(get("/metrics").await.contains("mqtt_video_transcoder_slots 16"));
}
