//! How many describes a second the real gatekeeper answers on one core, and how soon at a rate that is below.
//!
//! The broker is a real mosquitto. The workers answer at once: a describe waits for a camera otherwise, and it is not the
//! camera that is measured.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::gate::{Cores, Gate};
use crate::report::{Figure, Report, Unit, say};
use crate::viewers::{Load, Viewers};
use crate::workers::{Workers, source};

const WORKERS: usize = 50;
const STREAMS: usize = 20;
const VIEWERS: usize = 64;
const RATE: u32 = 1000;
/// Below the 512 that a gatekeeper has under way at most, so that none is turned away.
const UNDER_WAY: usize = 256;
const WARM: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(10);

/// Measures latency at [`RATE`], then the throughput.
pub(crate) async fn measure(cores: &Cores) -> Result<Report> {
    let pool = Workers::start(WORKERS, STREAMS, source).await?;
    let sources = || (0..WORKERS).flat_map(|worker| (0..STREAMS).map(move |nth| source(worker, nth)));
    let entry = |name: String| {
        format!(
            "  - {{name: {name}, url: 'rtsp://192.0.2.1/{name}'}}
"
        )
    };
    let list = sources().map(entry).collect::<Vec<_>>().concat();
    let gate = Gate::open(cores, &pool, &list).await?;
    let mut viewers = Viewers::connect(gate.broker.mqtt, VIEWERS, sources().collect()).await?;

    say(format_args!("{RATE} describes a second"));
    let before = gate.usage()?;
    let paced = viewers.load(Load::Rate(RATE), WARM, MEASURED).await?;
    let paced_used = gate.usage()?.since(before);
    say(format_args!("{UNDER_WAY} describes under way"));
    let before = gate.usage()?;
    let most = viewers.load(Load::UnderWay(UNDER_WAY), WARM, MEASURED).await?;
    let most_used = gate.usage()?.since(before);
    gate.all_ready(WORKERS).await?;

    let failures = [paced.refused, paced.unanswered, most.refused, most.unanswered];
    ensure!(failures == [0; 4], "refused and unanswered, at a rate and at most: {failures:?}");
    let (described, told) = (pool.described(), paced.times.count() + most.times.count());
    ensure!(described >= told, "{told} answers, but workers were asked {described} times");
    let rate = most.times.count() as f64 / MEASURED.as_secs_f64();
    let pool = format!(
        "{WORKERS} workers that answer at once, with {STREAMS} streams each, all asked for in turn by {VIEWERS} viewers, each on a connection of its own; {}",
        cores.told()
    );
    let figures = vec![
        Figure::number("control.describe.throughput", "Describes on one core", "1/s", rate)
            .at_least("value", 3000.0)
            .under(format!("{UNDER_WAY} under way for {} s; {pool}", MEASURED.as_secs())),
        Figure::times("control.describe.latency", "Describe at 1,000 a second", Unit::Milliseconds, &paced.times)
            .at_most("p99", 20.0)
            .under(format!("from when it was due, for {} s; {pool}", MEASURED.as_secs())),
        Figure::times(
            "control.describe.latency.most",
            "Describe at the highest throughput",
            Unit::Milliseconds,
            &most.times,
        )
        .under(format!("{UNDER_WAY} under way")),
        Figure::number("control.describe.cpu", "Processor at 1,000 describes a second", "cores", paced_used),
        Figure::number("control.describe.cpu.most", "Processor at the highest throughput", "cores", most_used),
    ];
    let mut notes = vec![
        "Describes are answered by workers of the bench, at once: ffmpeg and cameras are not part of the figure."
            .to_owned(),
    ];
    if most_used < 0.9 {
        notes.push(format!(
            "The gatekeeper used {:.0} % of its core at the highest throughput: broker and load were the limit.",
            most_used * 100.0
        ));
    }
    Ok(Report { figures, notes, ..Report::default() })
}
