//! Assembly of the worker.
//!
//! Start-up order: what can be wrong with the configuration is found before anything binds (ffmpeg, certificates); then the
//! addresses are bound, so that a taken port ends the process and a free one is known; then the broker is dialled; then the
//! addresses are printed. Readiness follows the broker.
//!
//! The way out: unready, nothing new, streams that are watched go on until they were moved or time is up, the rest is
//! ended; then the servers stop, and the connection to the broker goes last, as viewers are told by it. A task that ends
//! before its time ends the process.

mod load;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use runtime::broker::Event;
use runtime::readiness::Readiness;
use runtime::trace;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tracing::{info, warn};

use self::load::Load;
use crate::args::{Args, ReaderArg, ServiceArgs};
use crate::board::{Board, Worker};
use crate::fence::Claim;
use crate::ffmpeg::{Learned, Sandbox, Settings};
use crate::job::Shared;
use crate::jobs::{Drained, Jobs, jobs};
use crate::metrics::Metrics;
use crate::publisher::{Judgement, Publisher};
use crate::service::Service;

type Contract = proto::v1::transcoder_service_server::TranscoderServiceServer<Service>;

/// A dead peer is noticed within both together, as the contract promises 5 s.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long calls under way may take after the last stream has ended.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// Runs until a signal ends it.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    // One thread for all streams: what a frame takes is microseconds, and waking another thread takes as many. What blocks is
    // not here: processes have threads of their own, and names and `/proc` are looked up on others.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let result = runtime.block_on(async {
        let name = name(&args.service)?;
        let version = env!("CARGO_PKG_VERSION");
        let service = trace::Service { name: "mqtt-video-transcoder", version, instance: Some(&name) };
        let traces = trace::start(&args.trace, service)?;
        runtime::log::init(&args.log, &traces);
        let result = serve(args, name).await;
        // The last export is waited for, and goes out by way of this thread.
        tokio::task::spawn_blocking(move || drop(traces)).await.ok();
        result
    });
    // What is left belongs to calls that were cut off.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn serve(args: Args, name: String) -> anyhow::Result<()> {
    let ffmpeg = Settings {
        program: program(&args.streams.ffmpeg)?,
        source_timeout: args.streams.source_timeout,
        stall_timeout: args.streams.stall_timeout,
        sandbox: Sandbox::new(),
        learned: Learned::default(),
        direct: args.streams.reader == ReaderArg::Direct,
    };
    let mut server = server(&args.service)?;
    let shutdown = runtime::shutdown::signals().context("cannot handle signals")?;

    let grpc =
        TcpListener::bind(args.service.grpc).await.with_context(|| format!("cannot bind {}", args.service.grpc))?;
    let http =
        TcpListener::bind(args.service.http).await.with_context(|| format!("cannot bind {}", args.service.http))?;
    let (grpc_address, http_address) = (grpc.local_addr()?, http.local_addr()?);

    let registry = prometheus::default_registry().clone();
    let metrics = Metrics::register(&registry, args.service.metrics_sources).context("cannot register metrics")?;
    let readiness = Readiness::new(&["broker"]);
    let (health, health_service) = tonic_health::server::health_reporter();
    set_health(&health, ServingStatus::NotServing).await;

    let broker_token = CancellationToken::new();
    // Unique, as a second client of the same name would cut the first one off.
    let client_id = format!("transcoder-{name}-{:08x}", rand::random::<u32>());
    let (broker, events, mut connection) =
        runtime::broker::connect(args.broker.options(client_id, Vec::new()), broker_token.clone());
    let judgement = Judgement { grace: args.delivery.viewer_grace, max_session: args.delivery.max_session };
    let publisher = Publisher::new(broker, metrics.clone(), judgement, args.delivery.reply_pump);

    let slots = usize::from(args.streams.max_streams);
    let board = Board::new(Worker { name: name.clone(), slots, draining: false, cpu_cores: 0.0 });
    Metrics::observe(&registry, board.clone()).context("cannot register metrics")?;
    let shared = Shared {
        worker: name.clone().into(),
        ffmpeg: Arc::new(ffmpeg),
        publisher: publisher.clone(),
        board: board.clone(),
        metrics: metrics.clone(),
        linger: args.streams.linger,
        max_message_bytes: args.delivery.max_message_bytes as usize,
    };
    let (jobs, table) = jobs(shared, slots);

    let servers = CancellationToken::new();
    let mut admin =
        tokio::spawn(runtime::admin::serve(http, registry, readiness.clone(), axum::Router::new(), servers.clone()));
    let service = Service { jobs: jobs.clone(), token: servers.clone() };
    let incoming = TcpIncoming::from(grpc).with_nodelay(Some(true));
    let routes = server.add_service(health_service).add_service(Contract::new(service));
    let mut service = tokio::spawn(routes.serve_with_incoming_shutdown(incoming, servers.clone().cancelled_owned()));
    let mut table = tokio::spawn(table);
    let mut follower = tokio::spawn(follow_broker(
        events,
        publisher,
        metrics.clone(),
        jobs.clone(),
        readiness.clone(),
        health.clone(),
        shutdown.clone(),
    ));
    let mut observer = tokio::spawn(observe(board, metrics));

    announce("grpc", grpc_address);
    announce("http", http_address);
    info!(name, slots, version = env!("CARGO_PKG_VERSION"), "transcoder is up");

    tokio::select! {
        () = shutdown.cancelled() => {}
        _ = &mut connection => bail!("the connection to the broker is gone for good"),
        ended = &mut admin => bail!("the HTTP server ended: {ended:?}"),
        ended = &mut service => bail!("the gRPC server ended: {ended:?}"),
        _ = &mut table => bail!("the table of streams is gone"),
        _ = &mut follower => bail!("nobody follows the broker any more"),
        _ = &mut observer => bail!("nobody watches the load any more"),
    }

    readiness.set("draining", Err("shutting down".to_owned()));
    set_health(&health, ServingStatus::NotServing).await;
    let drained = jobs.drain(args.streams.drain_timeout).await;
    say(drained);
    servers.cancel();
    if tokio::time::timeout(LAST_CALLS, service).await.is_err() {
        info!("calls that were still open are cut off");
    }
    broker_token.cancel();
    connection.await.ok();
    Ok(())
}

/// Of the contract, and of the server as a whole, which is what a probe asks for that names no service.
async fn set_health(health: &HealthReporter, status: ServingStatus) {
    health.set_service_status("", status).await;
    health.set_service_status(<Contract as NamedService>::NAME, status).await;
}

/// Readiness follows the connection.
async fn follow_broker(
    mut events: mpsc::Receiver<Event>,
    publisher: Publisher,
    metrics: Metrics,
    jobs: Jobs,
    readiness: Readiness,
    health: HealthReporter,
    shutdown: CancellationToken,
) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected => {
                publisher.reconnected();
                metrics.broker(true);
                readiness.set("broker", Ok(()));
                if !shutdown.is_cancelled() {
                    set_health(&health, ServingStatus::Serving).await;
                }
            }
            Event::Disconnected { why } => {
                metrics.broker(false);
                readiness.set("broker", Err(why));
                set_health(&health, ServingStatus::NotServing).await;
            }
            Event::Message(message) => {
                if let Some(claim) = Claim::read(&message) {
                    jobs.claimed(claim).await;
                }
            }
        }
    }
    // The connection is closed on purpose.
    std::future::pending::<()>().await;
}

/// Keeps up to date what the worker and its ffmpegs use.
async fn observe(board: Board, metrics: Metrics) {
    let mut load = Load::default();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        // A few files for each ffmpeg, for which the frames of a busy worker would have to wait.
        let looked = tokio::task::spawn_blocking(move || {
            let usage = load.look();
            (load, usage)
        });
        let Ok((after, usage)) = looked.await else { return };
        load = after;
        board.worker(|worker| worker.cpu_cores = usage.cores);
        metrics.ffmpeg(usage.ffmpeg);
    }
}

fn say(drained: Drained) {
    match drained {
        Drained { in_time: true, streams: 0, .. } => info!("drained: no stream was left"),
        Drained { in_time: true, streams, .. } => info!(streams, "drained: nobody watched what was left"),
        Drained { streams, viewers, .. } => warn!(streams, viewers, "drain timed out: viewers were cut off"),
    }
}

fn server(args: &ServiceArgs) -> anyhow::Result<Server> {
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT));
    let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(server) };
    let mut tls = ServerTlsConfig::new().identity(Identity::from_pem(read(cert)?, read(key)?));
    if let Some(authorities) = &args.tls_client_ca {
        tls = tls.client_ca_root(Certificate::from_pem(read(authorities)?));
    }
    server.tls_config(tls).context("the certificate, its key or the authorities cannot be used")
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn name(args: &ServiceArgs) -> anyhow::Result<String> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").context("no host name; give one with --name")?;
    Ok(name.trim().to_owned())
}

/// The program's absolute path: ffmpeg runs with an empty environment, in which nothing can be looked for.
fn program(ffmpeg: &Path) -> anyhow::Result<PathBuf> {
    let is_program = |path: &PathBuf| path.metadata().is_ok_and(|file| file.is_file());
    let found = if ffmpeg.components().count() > 1 {
        std::path::absolute(ffmpeg).ok().filter(is_program)
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|dir| dir.join(ffmpeg)).find(is_program)
    };
    found.with_context(|| format!("there is no program {}; install ffmpeg or name it with --ffmpeg", ffmpeg.display()))
}

/// One line for each bound address, for whoever started us with port 0.
#[allow(clippy::print_stdout, reason = "the addresses are this program's output; its log goes to standard error")]
fn announce(what: &str, address: std::net::SocketAddr) {
    println!("listening {what}={address}");
}
