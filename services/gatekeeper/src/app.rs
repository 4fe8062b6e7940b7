//! The assembly, in the order of start-up.
//!
//! Everything that can be wrong with the configuration is found before anything is bound or dialled. Then: HTTP, so that
//! probes are answered; the pool, so that workers are known when the first request comes; the broker last. Shutdown goes
//! the other way: unready, no more requests, those under way are finished up to a deadline, the broker is left, and
//! only then HTTP goes.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use arc_swap::ArcSwap;
use prometheus::{Registry, process_collector::ProcessCollector};
use runtime::broker::{Event, QoS};
use runtime::readiness::Readiness;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tonic::transport::ClientTlsConfig;
use tracing::{error, info, warn};

use crate::args::{Args, Workers};
use crate::follow::Follower;
use crate::handler::{Handler, Parts};
use crate::http;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::reply_topic::Confinement;
use crate::sources::{Catalog, Reload};
use crate::token::Tokens;
use crate::wire::Topics;
use crate::worker;

/// How often the files are looked at: a change takes effect within it.
const LOOK: Duration = Duration::from_secs(1);
/// How long requests under way may take once the end is near.
const DRAIN: Duration = Duration::from_secs(5);

/// The files that may change while we run, and what they last said.
struct Files {
    reload: Reload,
    catalog: Arc<ArcSwap<Catalog>>,
    tokens: Option<(Follower, Arc<ArcSwap<Tokens>>)>,
}

/// Runs until `token` is cancelled.
pub(crate) async fn run(args: Args, token: CancellationToken) -> Result<()> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self())).context("cannot register process metrics")?;
    let metrics = Metrics::register(&registry).context("cannot register metrics")?;
    let mut files = Files::open(&args, &metrics)?;
    let pool = Pool::new(worker_tls(&args.workers)?, metrics.clone(), token.child_token());
    let topics = Topics::new(&args.viewers.topic_prefix);

    let listener =
        TcpListener::bind(args.site.http).await.with_context(|| format!("cannot bind {}", args.site.http))?;
    let bound = listener.local_addr().context("the bound address is unknown")?;
    let readiness = Readiness::new(&["broker"]);
    let site = http::Site {
        player: args.site.player(),
        broker_websocket: args.site.broker_websocket.clone(),
        topic_prefix: args.viewers.topic_prefix.clone(),
    };
    // HTTP outlives the rest, so that probes see the end coming.
    let last = CancellationToken::new();
    let admin = runtime::admin::serve(listener, registry, readiness.clone(), http::router(&site), last.clone());
    let mut admin = tokio::spawn(admin);
    writeln!(std::io::stdout(), "listening http={bound}").context("cannot write to standard output")?;

    pool.set_members(&args.workers.transcoders)?;

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
        pool,
        publisher,
        metrics: metrics.clone(),
    });

    let mut tasks = JoinSet::new();
    let ended = tokio::select! {
        ended = serve(&mut handler, &mut files, &mut events, &mut tasks, &readiness, &metrics) => ended,
        ended = &mut admin => Err(anyhow::anyhow!("the HTTP server ended: {ended:?}")),
        ended = &mut connection => Err(anyhow::anyhow!("the broker connection's task ended: {ended:?}")),
        () = token.cancelled() => Ok(()),
    };

    readiness.set("broker", Err("shutting down".to_owned()));
    let finished = tokio::time::timeout(DRAIN, async { while tasks.join_next().await.is_some() {} }).await;
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
) -> Result<()> {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.recv() => match event.context("the broker connection's task ended")? {
                Event::Connected => {
                    metrics.broker(true);
                    readiness.set("broker", Ok(()));
                    tasks.spawn(handler.announce());
                }
                Event::Disconnected { why } => {
                    metrics.broker(false);
                    readiness.set("broker", Err(why));
                }
                Event::Message(message) => {
                    if let Some(work) = handler.accept(message) {
                        tasks.spawn(work);
                    }
                }
            },
            _ = look.tick() => {
                if let Some(changed) = files.look(metrics) {
                    tasks.spawn(handler.announce());
                    tasks.spawn(handler.withdraw(changed));
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

impl Files {
    fn open(args: &Args, metrics: &Metrics) -> Result<Self> {
        let reload = Reload::open(&args.sources).context("cannot use the file of sources")?;
        let catalog = reload.catalog();
        metrics.list_loaded(catalog.sources().count());
        info!(file = %args.sources.display(), sources = catalog.sources().count(), "sources loaded");
        let tokens = match &args.viewers.viewer_token_file {
            Some(path) => Some(Self::open_tokens(path)?),
            None => None,
        };
        Ok(Self { reload, catalog: Arc::new(ArcSwap::new(catalog)), tokens })
    }

    fn open_tokens(path: &Path) -> Result<(Follower, Arc<ArcSwap<Tokens>>)> {
        let mut follower = Follower::new(path);
        let tokens = match follower.look() {
            Some(text) => Tokens::parse(text.context("cannot use the file of viewer tokens")?),
            None => Tokens::default(),
        };
        ensure!(tokens.len() > 0, "{} holds no token, so nobody could view anything", path.display());
        Ok((follower, Arc::new(ArcSwap::from_pointee(tokens))))
    }

    /// Looks at the files; names entries that are no longer what they were, if there is a new list.
    fn look(&mut self, metrics: &Metrics) -> Option<Vec<String>> {
        if let Some((follower, tokens)) = &mut self.tokens {
            match follower.look() {
                Some(Ok(text)) => {
                    tokens.store(Arc::new(Tokens::parse(text)));
                    info!(tokens = tokens.load().len(), "viewer tokens reloaded");
                }
                Some(Err(error)) => warn!(%error, "viewer tokens not reloaded; the old ones stay valid"),
                None => {}
            }
        }
        match self.reload.look()? {
            Ok(reloaded) => {
                metrics.list_loaded(reloaded.catalog.sources().count());
                info!(sources = reloaded.catalog.sources().count(), changed = ?reloaded.changed, "sources reloaded");
                self.catalog.store(reloaded.catalog);
                Some(reloaded.changed)
            }
            Err(error) => {
                metrics.list_refused();
                error!(%error, "sources not reloaded; the old list stays in effect");
                None
            }
        }
    }
}

fn worker_tls(args: &Workers) -> Result<Option<ClientTlsConfig>> {
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
    Ok(Some(worker::tls(&authority, identity)))
}
