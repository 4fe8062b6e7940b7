//! Measures the gatekeeper: what is decided, how fast, in how much memory, and what becomes of pools that no single
//! machine holds. README.md beside this says how.
//!
//! Each subcommand prints one JSON object, the [`report::Report`], to standard output, and says what it does on standard
//! error. It takes a bounded time. A goal that is missed is told in the figure and is no failure of the program.

mod describe;
mod distribution;
mod gate;
mod placement;
mod pool;
mod report;
mod simulate;
mod viewers;
mod watch;
mod workers;

use std::io::Write;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Measures the gatekeeper; prints figures as JSON.
#[derive(Debug, Parser)]
#[command(name = "bench-control", version)]
struct Args {
    #[command(subcommand)]
    what: What,
}

/// What is measured.
#[derive(Debug, Subcommand)]
enum What {
    /// How long it takes to choose a worker for a stream.
    Placement,
    /// How many describes a second one core answers, and how soon.
    Describe,
    /// How much memory it takes to watch 1,000 workers.
    Watch,
    /// What losing workers comes to in pools of up to 10,000, in simulated time.
    Simulate,
}

fn main() -> Result<()> {
    let report = match Args::parse().what {
        What::Placement => placement::measure(),
        What::Describe => gate::block_on(describe::measure)?,
        What::Watch => gate::block_on(watch::measure)?,
        What::Simulate => simulate::measure(),
    };
    let text = serde_json::to_string(&report?).context("the report is no JSON")?;
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}
