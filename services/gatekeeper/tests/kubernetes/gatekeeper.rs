//! A gatekeeper and its way to the Kubernetes API, which a test can cut.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use kube::Config;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::broker::Broker;
use crate::world::within;

/// A process.
pub(crate) struct Gatekeeper {
    process: tokio::process::Child,
    http: SocketAddr,
    pub(crate) way: Way,
    _kubeconfig: tempfile::NamedTempFile,
}

/// Passes bytes between a gatekeeper and the API server, as far as its state lets it.
pub(crate) struct Way {
    cluster: serde_json::Value,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Connections end, and new ones as soon as they are made.
    Cut,
    /// Connections stay, and no byte passes.
    Silent,
}

impl Way {
    pub(crate) async fn to(config: &Config) -> Self {
        let url = &config.cluster_url;
        let (host, port) = (url.host().unwrap().to_owned(), url.port_u16().unwrap_or(443));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = watch::channel(State::Open).0;
        let authority = config.root_cert.as_ref().map(|chain| {
            let block =
                |der: &Vec<u8>| format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64(der));
            base64(chain.iter().map(block).collect::<String>().as_bytes())
        });
        let cluster = json!({
            "server": format!("https://{address}"),
            "certificate-authority-data": authority,
            "tls-server-name": host.trim_matches(['[', ']']),
        });
        tokio::spawn(pass(listener, format!("{host}:{port}"), state.subscribe()));
        Self { cluster, state }
    }

    /// Ends all connections and takes no new ones.
    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// From now on nothing is heard of the API server, as if its machine had lost its power.
    pub(crate) fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Lets new connections through.
    pub(crate) fn restore(&self) {
        self.state.send_replace(State::Open);
    }
}

async fn pass(listener: TcpListener, server: String, state: watch::Receiver<State>) {
    loop {
        let Ok((mut client, _)) = listener.accept().await else { return };
        let (server, mut state) = (server.clone(), state.clone());
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(server).await else { return };
            if *state.borrow() == State::Open {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
                    _ = state.wait_for(|state| *state != State::Open) => {}
                }
            }
            if *state.borrow() == State::Silent {
                std::future::pending::<()>().await;
            }
        });
    }
}

impl Gatekeeper {
    pub(crate) async fn start(broker: &Broker, way: Way, token: &str, flags: &[&str]) -> Self {
        let kubeconfig = tempfile::NamedTempFile::new().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": way.cluster}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        std::fs::write(kubeconfig.path(), config.to_string()).unwrap();
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gatekeeper"));
        command
            .args(["--http", "127.0.0.1:0", "--log-level", "info", "--broker", &broker.url()])
            .args(flags)
            .env_clear()
            .env("KUBECONFIG", kubeconfig.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = within(lines.next_line()).await.unwrap().unwrap();
        let http = line.strip_prefix("listening http=").unwrap().parse().unwrap();
        Self { process, http, way, _kubeconfig: kubeconfig }
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(self) -> Self {
        self.until("/ready", |text| text.contains("200 OK")).await;
        self
    }

    /// Waits until its page at `path`, with its header, is as `wanted` says.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&str) -> bool) {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        within(async {
            while !wanted(&self.get(path).await) {
                look.tick().await;
            }
        })
        .await;
    }

    /// Waits until it knows this many workers.
    pub(crate) async fn knows(&self, workers: usize) {
        let known = format!("workers{{state=\"ready\"}} {workers}\n");
        self.until("/metrics", |text| text.contains(&known)).await;
    }

    pub(crate) async fn leads(&self) -> bool {
        self.get("/metrics").await.contains("mqtt_video_gatekeeper_leader 1\n")
    }

    /// SIGTERM, and does not wait.
    pub(crate) fn terminate(&self) {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        within(stream.read_to_string(&mut text)).await.unwrap();
        text
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let digit = |nth: usize| if nth <= chunk.len() { DIGITS[(bits >> (18 - 6 * nth)) as usize & 63] } else { b'=' };
        [digit(0), digit(1), digit(2), digit(3)].map(char::from)
    };
    bytes.chunks(3).flat_map(group).collect()
}
