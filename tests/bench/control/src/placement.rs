//! How long it takes to choose a worker, in the code that the gatekeeper runs.
//!
//! Each sample is what a request does under its lock: see the present workers, forget what was placed long ago, order the
//! candidates, take the first, and note it. Time is simulated such that 3,000 requests come each second, so that what was
//! noted within the last seconds, 15,000 placements, weighs on it as it would.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gatekeeper::placement::{Fleet, View};
use gatekeeper::stream::StreamKey;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::distribution::Distribution;
use crate::report::{Figure, Report, Unit, say};
use crate::{pool, workers};

const STREAMS: usize = 20;
/// With room for the new streams of the last seconds.
const SLOTS: u32 = 64;
const PER_SECOND: u32 = 3000;
const SAMPLES: usize = 100_000;
const SEED: u64 = 1;

/// Measures pools of 1,000 and of 10,000 workers.
pub(crate) fn measure() -> Result<Report> {
    let mut figures = Vec::new();
    for (count, id, samples) in
        [(1000, "control.placement", SAMPLES), (10_000, "control.placement.large", SAMPLES / 10)]
    {
        let streams = count * STREAMS;
        say(format_args!("placement over {count} workers and {streams} streams"));
        let Times { new, running, reports } = place(count, samples)?;
        let conditions = format!("{PER_SECOND} requests a second, half of them for streams that run; one thread");
        let mut all = new.clone();
        all.merge(&running);
        let title = |what: &str| format!("{what}, {count} workers and {streams} streams");
        let of = |id: String, what: &str, times: &Distribution| {
            Figure::times(id, title(what), Unit::Microseconds, times).under(conditions.as_str())
        };
        let main = of(id.to_owned(), "Placement", &all);
        figures.push(if count == 1000 { main.at_most("p50", 50.0) } else { main });
        figures.push(of(format!("{id}.new"), "Placement of a new stream", &new));
        figures.push(of(format!("{id}.running"), "Placement where the stream runs", &running));
        figures.push(of(format!("{id}.report"), "A worker's report with one new stream and one that ended", &reports));
    }
    Ok(Report { figures, ..Report::default() })
}

struct Times {
    new: Distribution,
    running: Distribution,
    reports: Distribution,
}

fn place(count: usize, samples: usize) -> Result<Times> {
    let mut members: Vec<_> = (0..count).map(|number| (pool::id(number), pool::busy(number, SLOTS, STREAMS))).collect();
    let mut view: View = members.clone().into();
    let (mut fleet, mut rng) = (Fleet::default(), StdRng::seed_from_u64(SEED));
    let begin = Instant::now();
    let mut times =
        Times { new: Distribution::default(), running: Distribution::default(), reports: Distribution::default() };
    // The first seconds fill what was placed of late, and are not told.
    let warm = PER_SECOND as usize * 6;
    for nth in 0..warm + samples {
        let now = begin + Duration::from_secs(1) / PER_SECOND * nth as u32;
        let runs = nth % 2 == 0;
        let key = if runs {
            pool::key(workers::source(rng.random_range(0..count), rng.random_range(1..STREAMS)))
        } else {
            pool::key(format!("new-{nth}"))
        };
        let before = Instant::now();
        let placed = request(&mut fleet, &view, &key, now);
        let took = before.elapsed();
        ensure!(placed, "nobody was chosen");
        if nth >= warm {
            if runs { &mut times.running } else { &mut times.new }.record(took);
        }
        if nth % 30 == 0 {
            let number = rng.random_range(0..count);
            let mut worker = members[number].1.as_ref().clone();
            worker.jobs.remove(&pool::key(workers::source(number, 0)));
            let fresh = format!("fresh-{nth}");
            worker.jobs.retain(|key, _| !key.source.starts_with("fresh"));
            worker.jobs.insert(pool::key(fresh.as_str()).into(), pool::job(&fresh));
            members[number].1 = Arc::new(worker);
            view = members.clone().into();
            let before = Instant::now();
            fleet.see(&view);
            times.reports.record(before.elapsed());
        }
    }
    Ok(times)
}

/// What a request does under its lock; whether somebody was chosen.
fn request(fleet: &mut Fleet, view: &View, key: &StreamKey, now: Instant) -> bool {
    fleet.see(view);
    fleet.expire(now);
    let plan = fleet.plan(key);
    if let Some(first) = plan.first() {
        fleet.place(key, first, now);
    }
    black_box(plan).next().is_some()
}
