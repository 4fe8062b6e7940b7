//! The gatekeeper: answers viewers, checks the allowlist, and places streams on transcoders.
//!
//! A library, so that the benchmarks run the very code that places and moves streams. What is public is what they need; it
//! is no interface for anybody else.

mod app;
mod args;
mod cluster;
mod follow;
mod handler;
mod http;
mod leader;
mod metrics;
pub mod placement;
mod play;
mod policy;
mod pool;
pub mod rebalance;
mod recent;
mod refusal;
mod reply_topic;
mod source_url;
mod sources;
mod status;
pub mod stream;
mod token;
mod turns;
mod wire;
mod worker;

/// Runs with the arguments of this process until it is told to end.
pub async fn run() -> anyhow::Result<()> {
    let args = <args::Args as clap::Parser>::parse();
    let traces = runtime::trace::start(&args.trace, app::SERVICE)?;
    runtime::log::init(&args.log, &traces);
    app::run(args, &traces, runtime::shutdown::signals()?).await
}
