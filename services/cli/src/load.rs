//! `load`: many viewers at once, each as `play` has one, and how they fared together.
//!
//! What a viewer got is thrown away as it comes, and a viewer's figures take some kilobytes: memory depends on their number alone.

mod crowd;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::args::{DeliveryArgs, Load};
use crate::connection::Connection;
use crate::exit::{Ended, Failure};
use crate::figures::Figures;
use crate::media::intake::Faults;
use crate::output;
use crate::viewer::{Options, Viewer};
use crate::wire::Wanted;
use crowd::Crowd;

/// Lets all viewers watch, and tells how they fared.
pub(crate) async fn run(args: Load) -> Result<(), Ended> {
    let interrupted = runtime::shutdown::signals()?;
    let token = args.service.token()?;
    // One failure instead of as many as viewers.
    Connection::open(&args.service.broker).await?.close().await;
    let mut shared = Vec::new();
    for _ in 0..args.connections.unwrap_or(0).min(args.viewers) {
        shared.push(Arc::new(Connection::open(&args.service.broker).await?));
    }
    let begin = Instant::now();
    let end = begin + args.ramp + args.duration;
    let mut viewers = JoinSet::new();
    for number in 0..args.viewers {
        let index = number as usize;
        let source = args.sources[index % args.sources.len()].clone();
        let wanted = Wanted { source, profile: args.stream.profile.clone(), token: token.clone() };
        let turn = Turn {
            begin: begin + args.ramp.mul_f64(f64::from(number) / f64::from(args.viewers)),
            end,
            broker: args.service.broker.clone(),
            shared: (!shared.is_empty()).then(|| Arc::clone(&shared[index % shared.len()])),
            options: Options { prefix: args.service.topic_prefix.clone(), wanted, timeout: args.service.timeout },
            delivery: args.delivery,
        };
        viewers.spawn(turn.run(interrupted.clone()));
    }
    let crowd = gather(viewers, begin, end - begin).await?;
    for connection in shared {
        if let Ok(connection) = Arc::try_unwrap(connection) {
            connection.close().await;
        }
    }
    output::tell(&format!("\n{} viewers, {} delivery\n{crowd}", args.viewers, args.delivery.delivery.name()));
    if args.json {
        let connections = args.connections.map_or(args.viewers, |shared| shared.min(args.viewers));
        output::print_json(&crowd.told(&args, connections))?;
    }
    crowd.verdict().map_err(Ended::told)
}

async fn gather(mut viewers: JoinSet<Outcome>, begin: Instant, length: Duration) -> Result<Crowd, Failure> {
    let style = ProgressStyle::with_template("{bar:20} {elapsed:>4} {msg}");
    let progress =
        ProgressBar::new(length.as_millis() as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut redraw = interval(Duration::from_millis(250));
    let mut crowd = Crowd::default();
    loop {
        tokio::select! {
            outcome = viewers.join_next() => match outcome {
                Some(Ok(outcome)) => crowd.add(outcome),
                Some(Err(error)) => return Err(Failure::Internal(format!("a viewer's task ended: {error}"))),
                None => break,
            },
            _ = redraw.tick() => {
                progress.set_position(begin.elapsed().as_millis() as u64);
                progress.set_message(format!("{} viewers, {} failed", viewers.len(), crowd.failed()));
            }
        }
    }
    progress.finish_and_clear();
    Ok(crowd)
}

/// What became of one viewer.
#[derive(Debug)]
struct Outcome {
    figures: Figures,
    faults: Faults,
    failure: Option<Failure>,
}

/// One viewer's part.
struct Turn {
    begin: Instant,
    end: Instant,
    broker: runtime::broker::Args,
    shared: Option<Arc<Connection>>,
    options: Options,
    delivery: DeliveryArgs,
}

impl Turn {
    /// Waits for its turn and watches until the end. One whose turn never came fails in nothing.
    async fn run(self, interrupted: CancellationToken) -> Outcome {
        let nothing = |failure| Outcome { figures: Figures::default(), faults: Faults::default(), failure };
        tokio::select! {
            () = sleep_until(self.begin.into()) => {}
            () = interrupted.cancelled() => return nothing(None),
        }
        let Self { end, broker, shared, options, delivery, .. } = self;
        if let Some(connection) = shared {
            return watch(&connection, options, &delivery, end, &interrupted).await;
        }
        match Connection::open(&broker).await {
            Ok(connection) => {
                let outcome = watch(&connection, options, &delivery, end, &interrupted).await;
                connection.close().await;
                outcome
            }
            Err(failure) => nothing(Some(failure)),
        }
    }
}

async fn watch(
    connection: &Connection,
    options: Options,
    delivery: &DeliveryArgs,
    end: Instant,
    interrupted: &CancellationToken,
) -> Outcome {
    let mut viewer = match Viewer::open(connection, options).await {
        Ok(viewer) => viewer,
        Err(failure) => {
            return Outcome { figures: Figures::default(), faults: Faults::default(), failure: Some(failure) };
        }
    };
    let began = Instant::now();
    let watched = async {
        let (described, _) = viewer.describe().await?;
        viewer.play(&described, delivery).await?;
        loop {
            viewer.next().await?;
        }
    };
    let failure = tokio::select! {
        watched = watched => match watched {
            Err(failure) => Some(failure),
            Ok::<Infallible, _>(never) => match never {},
        },
        () = sleep_until(end.into()) => None,
        () = interrupted.cancelled() => None,
    };
    let after = Duration::from_millis(began.elapsed().as_millis() as u64);
    let waited = viewer.figures().first_keyframe().is_none() && !interrupted.is_cancelled();
    let failure = failure.or(waited.then_some(Failure::TooLate { what: "no keyframe", after }));
    let faults = viewer.faults();
    Outcome { figures: viewer.close().await, faults, failure }
}

/// Failures by code, and the exit status that stands for each.
type Failures = BTreeMap<String, (u64, Failure)>;
