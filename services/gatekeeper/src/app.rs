//! The assembly, in the order of start-up.
//!
//! Everything that can be wrong with the configuration is found before anything is bound or dialled. Then: HTTP, so that
//! probes are answered; the pool, and what the Kubernetes API tells, so that workers are known when the first request
//! comes; the broker last. Shutdown goes the other way: unready, no more requests, somebody else may lead, what is under
//! way is finished up to a deadline, the broker is left, and only then HTTP goes.

mod figures;
mod files;
mod platform;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use prometheus::{Registry, process_collector::ProcessCollector};
use runtime::broker::{Event, QoS};
use runtime::readiness::Readiness;
use runtime::trace::{Service, Traces};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic::transport::ClientTlsConfig;
use tracing::{error, info, warn};

use self::files::Files;
use self::platform::Platform;
use crate::args::{Args, Workers};
use crate::handler::{Handler, Parts};
use crate::http;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::rebalance;
use crate::reply_topic::Confinement;
use crate::status::Board;
use crate::wire::Topics;
use crate::worker;

/// How often the files are looked at: a change takes effect within it.
const LOOK: Duration = Duration::from_secs(1);
/// For so long after the start the lists are surely not older than anybody else's, so what runs and is on none of them may
/// be ended; later, another gatekeeper may have seen a change of a file before us.
const FRESH: Duration = Duration::from_secs(10);
/// How long the first word of the workers is waited for; one that cannot be reached says so sooner, as a rule.
const SETTLE: Duration = Duration::from_secs(2);
/// How long requests under way may take once the end is near.
const DRAIN: Duration = Duration::from_secs(5);

/// Whose spans we export.
pub(crate) const SERVICE: Service<'static> =
    Service { name: "mqtt-video-gatekeeper", version: env!("CARGO_PKG_VERSION"), instance: None };
/// In whose name we export what players report.
const PLAYER: &str = "mqtt-video-player";

/// Runs until `token` is cancelled.
pub(crate) async fn run(args: Args, traces: &Traces, token: CancellationToken) -> Result<()> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self())).context("cannot register process metrics")?;
    let metrics = Metrics::register(&registry).context("cannot register metrics")?;
    let mut files = Files::open(&args, &metrics)?;
    let mut platform = Platform::connect(&args).await?;
    let tls = worker_tls(&args.workers, platform.worker_name(&args.workers))?;
    let pool = Pool::new(tls, metrics.clone(), token.child_token());
    let board = Board::new(pool.clone(), args.kubernetes.lease.is_some());
    let topics = Topics::new(&args.viewers.topic_prefix);

    let listener =
        TcpListener::bind(args.site.http).await.with_context(|| format!("cannot bind {}", args.site.http))?;
    let bound = listener.local_addr().context("the bound address is unknown")?;
    let readiness = Readiness::new(&["broker"]);
    Platform::conditions(&args, &readiness);
    let site = http::Site {
        player: args.site.player(),
        broker_websocket: args.site.broker_websocket.clone(),
        topic_prefix: args.viewers.topic_prefix.clone(),
    };
    // HTTP outlives the rest, so that probes see the end coming.
    let last = CancellationToken::new();
    let admin =
        runtime::admin::serve(listener, registry, readiness.clone(), http::router(&site, board.clone()), last.clone());
    let mut admin = tokio::spawn(admin);
    writeln!(std::io::stdout(), "listening http={bound}").context("cannot write to standard output")?;

    pool.set_members(&args.workers.transcoders)?;
    platform.follow(&args, &pool, &readiness);
    // Requests are shared among all gatekeepers: one that does not know workers and sources yet must not take any.
    tokio::select! {
        objects = platform.known() => if let Some(objects) = objects { files.add(objects, &metrics) },
        ended = &mut admin => return Err(anyhow::anyhow!("the HTTP server ended: {ended:?}")),
        () = token.cancelled() => {
            info!("ended before the Kubernetes API answered");
            last.cancel();
            return Ok(());
        }
    }
    if tokio::time::timeout(SETTLE, pool.settled()).await.is_err() {
        warn!("some workers do not answer; they are not waited for");
    }
    platform.lead(&args.kubernetes, &metrics)?;
    board.leader(platform.leader());
    platform.tell(&args, &pool, files.judged.subscribe());

    let subscriptions = topics.subscriptions().into_iter().map(|filter| (filter, QoS::AtLeastOnce)).collect();
    let client_id = format!("mqtt-video-gatekeeper-{:016x}", rand::random::<u64>());
    let leave = CancellationToken::new();
    let (publisher, mut events, mut connection) =
        runtime::broker::connect(args.broker.options(client_id, subscriptions), leave.clone());
    let mut handler = Handler::new(Parts {
        topics,
        confinement: Confinement::new(&args.viewers.reply_topics, &args.viewers.topic_prefix),
        describe_timeout: args.viewers.describe_timeout,
        catalog: files.catalog.clone(),
        tokens: files.tokens.as_ref().map(|(_, tokens)| tokens.clone()),
        cluster: platform.cluster.clone(),
        pool,
        publisher: publisher.clone(),
        metrics: metrics.clone(),
        board: board.clone(),
        players: traces.speaker(PLAYER)?,
    });

    let mut tasks = JoinSet::new();
    tasks.spawn(rebalance::run(handler.desk(), platform.leader(), token.child_token()));
    let hearing = figures::hear(publisher, platform.leader(), metrics.clone());
    tasks.spawn(token.child_token().run_until_cancelled_owned(hearing).map(drop));
    tasks.spawn(board.clone().run(token.child_token()));
    let ended = tokio::select! {
        ended = serve(&mut handler, &mut files, &mut events, &mut tasks, &readiness, &metrics, &board) => ended,
        ended = &mut admin => Err(anyhow::anyhow!("the HTTP server ended: {ended:?}")),
        ended = &mut connection => Err(anyhow::anyhow!("the broker connection's task ended: {ended:?}")),
        ended = platform.ended() => Err(ended),
        () = token.cancelled() => Ok(()),
    };

    readiness.set("broker", Err("shutting down".to_owned()));
    let rest = async { while tasks.join_next().await.is_some() {} };
    let finished = tokio::time::timeout(DRAIN, async { tokio::join!(platform.leave(), rest) }).await;
    if finished.is_ok() {
        info!("drained");
    } else {
        warn!(left = tasks.len(), "requests did not finish in time");
    }
    leave.cancel();
    // Its receiver must go first: a connection that tells an event to nobody would wait for room.
    drop(events);
    if !connection.is_finished() {
        connection.await.context("the broker connection's task failed")?;
    }
    last.cancel();
    ended
}

/// Events of the broker, changes of files and ends of requests, one at a time and none of them waited for long.
async fn serve(
    handler: &mut Handler,
    files: &mut Files,
    events: &mut mpsc::Receiver<Event>,
    tasks: &mut JoinSet<()>,
    readiness: &Readiness,
    metrics: &Metrics,
    board: &Board,
) -> Result<()> {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let fresh = Instant::now() + FRESH;
    loop {
        tokio::select! {
            event = events.recv() => match event.context("the broker connection's task ended")? {
                Event::Connected => {
                    metrics.broker(true);
                    board.broker(true);
                    readiness.set("broker", Ok(()));
                    tasks.spawn(handler.announce());
                }
                Event::Disconnected { why } => {
                    metrics.broker(false);
                    metrics.broker_figures().forget();
                    board.broker(false);
                    // Once ready, still ready: no other replica would serve the page better, and it says that it reconnects.
                    readiness.explain("broker", why);
                }
                Event::Message(message) if metrics.broker_figures().hear(&message.topic, &message.payload) => {}
                Event::Message(message) => {
                    if let Some(work) = handler.accept(message) {
                        tasks.spawn(work);
                    }
                }
            },
            () = files.objects_changed() => {
                let changed = files.merge(metrics);
                tasks.spawn(handler.announce());
                tasks.spawn(handler.withdraw(changed));
            }
            _ = look.tick() => {
                if let Some(changed) = files.look(metrics) {
                    tasks.spawn(handler.announce());
                    tasks.spawn(handler.withdraw(changed));
                } else if Instant::now() < fresh {
                    tasks.spawn(handler.withdraw_unlisted());
                }
            }
            Some(ended) = tasks.join_next() => {
                if let Err(failure) = ended {
                    error!(%failure, "a request failed; please report this defect");
                }
            }
        }
    }
}

fn worker_tls(args: &Workers, name: Option<String>) -> Result<Option<ClientTlsConfig>> {
    let encrypted = args.transcoders.iter().filter(|url| url.starts_with("https:")).count();
    let Some(authority) = &args.worker_ca else {
        ensure!(encrypted == 0, "https:// transcoders need --worker-ca, the authority that signs their certificates");
        return Ok(None);
    };
    ensure!(encrypted == args.transcoders.len(), "with --worker-ca every --transcoder must be an https:// URL");
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let authority = read(authority)?;
    let identity = match (&args.worker_cert, &args.worker_key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
        _ => None,
    };
    let identity = identity.as_ref().map(|(certificate, key)| (certificate.as_slice(), key.as_slice()));
    Ok(Some(worker::tls(&authority, identity, name)))
}
