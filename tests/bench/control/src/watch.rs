//! How much memory and processor it takes to watch many workers.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep_until};

use crate::gate::{Cores, Gate};
use crate::report::{Figure, Report, say};
use crate::workers::{Workers, patterned};

const WORKERS: usize = 1000;
const STREAMS: usize = 20;
/// So many reports of each worker are heard before memory is looked at: it has settled by then.
const HEARD: Duration = Duration::from_secs(15);

/// Measures a gatekeeper with one idle worker, then one with [`WORKERS`] busy ones.
pub(crate) async fn measure(cores: &Cores) -> Result<Report> {
    let (idle, _) = watch(cores, 1, 1, Duration::from_secs(3)).await?;
    let (full, used) = watch(cores, WORKERS, STREAMS, HEARD).await?;
    let conditions = format!(
        "{WORKERS} workers with {STREAMS} streams and a viewer each, all of whose numbering is reported every second; \
         after {} s; {}",
        HEARD.as_secs(),
        cores.told(),
    );
    let figures = vec![
        Figure::number("control.watch", "Resident memory, watching 1,000 workers", "MiB", full)
            .at_most("value", 100.0)
            .under(&conditions),
        Figure::number("control.watch.idle", "Resident memory, watching one worker", "MiB", idle),
        Figure::number("control.watch.more", "Resident memory that 999 workers more take", "MiB", full - idle),
        Figure::number("control.watch.cpu", "Processor, watching 1,000 workers", "cores", used).under(conditions),
    ];
    Ok(Report { figures, ..Report::default() })
}

/// Resident memory in MiB, and the share of a processor that is used.
async fn watch(cores: &Cores, workers: usize, streams: usize, heard: Duration) -> Result<(f64, f64)> {
    say(format_args!("watching {workers} workers with {streams} streams each"));
    let pool = Workers::start(workers, streams, patterned).await?;
    // Of one entry of the list, since it is not the list that is measured; what no entry allows would be stopped.
    let gate = Gate::open(cores, &pool, "  - {name: plant, pattern: 'rtsp://*.plant.example/*'}\n").await?;
    let before = gate.usage()?;
    sleep_until(Instant::now() + heard).await;
    let used = gate.usage()?.since(before);
    gate.all_ready(workers).await?;
    Ok((gate.resident()?, used))
}
