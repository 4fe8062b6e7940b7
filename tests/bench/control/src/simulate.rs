//! What becomes of pools that no single machine holds, in simulated time.
//!
//! What decides is the gatekeeper's own code: [`Fleet`](gatekeeper::placement::Fleet) chooses workers, `rebalance::plan`
//! says what has to be moved, and `rebalance::pace` how much of it at once and where to. What is simulated is what
//! surrounds them: reports each second, streams that come and go, workers that die or drain, and how long a camera takes to
//! show its first keyframe on another worker. Everything is seeded, so that two runs come to the same.

mod world;

use anyhow::Result;
use gatekeeper::rebalance::pace::{LEADING, RECEIVING, WORKERS_A_MOVE};

use self::world::{CHURN, FIRST_KEYFRAME, SLOTS, STREAMS, World};
use crate::report::{Figure, Plot, Report, Series, say};

const SIZES: [usize; 3] = [100, 1000, 10_000];
const SEED: u64 = 7;
/// Minutes of churn before anything else happens.
const MINUTES: u32 = 5;
/// Workers that are lost one after another.
const LOSSES: usize = 5;

/// What became of one size.
struct Outcome {
    workers: usize,
    /// Most streams of a worker over the mean, second by second.
    imbalance: Vec<f64>,
    after: f64,
    moves: f64,
    had: f64,
    converged: f64,
    drained: f64,
    disaster: Disaster,
    /// Most moves that were under way at once, and most of them that one worker received.
    moving: usize,
    received: usize,
}

/// What became of it when one worker in ten was lost at once.
struct Disaster {
    seconds: f64,
    /// Of the streams, how many the leader took over.
    share: f64,
    imbalance: f64,
}

/// Simulates each size.
pub(crate) fn measure() -> Result<Report> {
    let outcomes: Vec<Outcome> = SIZES.iter().map(|workers| simulate(*workers)).collect::<Result<_>>()?;
    let mut report = Report::default();
    for outcome in &outcomes {
        let count = outcome.workers;
        let conditions = format!(
            "{count} workers, {} streams, {SLOTS} slots each, {:.0} % churn a minute, seed {SEED}",
            count * STREAMS,
            CHURN * 100.0
        );
        let figure = |id: &str, title: &str, unit, value| {
            Figure::number(format!("control.simulate.{id}.{count}"), format!("{title}, {count} workers"), unit, value)
                .under(conditions.as_str())
        };
        let worst = outcome.imbalance.iter().copied().fold(0.0, f64::max);
        report.figures.extend([
            figure("imbalance", "Most streams of a worker over the mean, worst in five minutes", "", worst),
            figure("imbalance.after", "Most streams of a worker over the mean, after five losses", "", outcome.after),
            figure("moves", "Streams moved for each lost worker", "", outcome.moves),
            figure("moves.excess", "Moves over the streams that it ran", "", outcome.moves / outcome.had),
            figure("converge", "From a worker's death until all its streams play elsewhere", "s", outcome.converged),
            figure("drain", "From a worker's leave until all its streams play elsewhere", "s", outcome.drained),
        ]);
        let disaster = &outcome.disaster;
        let share = "Share of their streams that the leader took over before their viewers had to ask again";
        let imbalance = "Most streams of a worker over the mean, after one in ten died";
        report.figures.extend([
            figure("disaster", "The same when one worker in ten dies at once", "s", disaster.seconds),
            figure("disaster.share", share, "", disaster.share),
            figure("disaster.imbalance", imbalance, "", disaster.imbalance),
            figure("moving", "Most moves under way at once", "", outcome.moving as f64),
            figure("received", "Most of them that one worker received", "", outcome.received as f64),
        ]);
    }
    let over = |id: &str, title: &str, y, value: &dyn Fn(&Outcome) -> f64| Plot {
        id: format!("control.{id}"),
        title: title.to_owned(),
        x: "workers",
        y,
        series: vec![Series {
            name: format!("{STREAMS} streams each"),
            points: outcomes.iter().map(|outcome| (outcome.workers as f64, value(outcome))).collect(),
        }],
    };
    report.plots = vec![
        over("moves", "Moves for each lost worker", "moves", &|outcome| outcome.moves),
        over("converge", "Time until a lost worker's streams play elsewhere", "s", &|outcome| outcome.converged),
        over("imbalance", "Most streams of a worker over the mean, after five losses", "max/mean", &|o| o.after),
        Plot {
            id: "control.churn".to_owned(),
            title: format!("Imbalance under {:.0} % churn a minute", CHURN * 100.0),
            x: "seconds",
            y: "max/mean",
            series: outcomes
                .iter()
                .map(|outcome| Series {
                    name: format!("{} workers", outcome.workers),
                    points: outcome.imbalance.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect(),
                })
                .collect(),
        },
    ];
    report.notes.push(format!(
        "Simulated: reports each second, death noticed after 2.5 s, a first keyframe {} to {} s after a worker was asked. \
         A worker receives {RECEIVING} moves at once at most, and starting that many takes it no longer than starting one; the \
         leader has {LEADING} under way, or one for {WORKERS_A_MOVE} workers where that is more. What is not elsewhere after a minute it forgets, and viewers have asked again by \
         themselves.",
        FIRST_KEYFRAME.start, FIRST_KEYFRAME.end
    ));
    Ok(report)
}

fn simulate(workers: usize) -> Result<Outcome> {
    say(format_args!("simulating {workers} workers and {} streams", workers * STREAMS));
    let mut world = World::fill(workers, SEED)?;
    let mut imbalance = Vec::new();
    for _ in 0..MINUTES * 60 {
        world.second()?;
        imbalance.push(world.imbalance());
    }
    say("five losses");
    let (mut moves, mut had, mut converged) = (0, 0, 0.0);
    for _ in 0..LOSSES {
        let lost = world.kill_one();
        let before = world.moves;
        converged += world.converge()?;
        (moves, had) = (moves + world.moves - before, had + lost);
        world.join();
        world.second()?;
    }
    let after = world.imbalance();
    say("a drain");
    world.drain_one();
    let drained = world.converge()?;
    say("one in ten");
    let mut lost = 0;
    for _ in 0..workers / 10 {
        lost += world.kill_one();
    }
    let before = world.moves;
    let seconds = world.converge()?;
    let share = (world.moves - before) as f64 / lost as f64;
    let disaster = Disaster { seconds, share, imbalance: world.imbalance() };
    let each = |sum: f64| sum / LOSSES as f64;
    Ok(Outcome {
        workers,
        imbalance,
        after,
        moves: each(moves as f64),
        had: each(had as f64),
        converged: each(converged),
        drained,
        disaster,
        moving: world.most_moving,
        received: world.most_received,
    })
}
