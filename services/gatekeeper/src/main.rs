//! The gatekeeper: answers viewers, checks the allowlist, and places streams on transcoders.

mod app;
mod args;
mod cluster;
mod follow;
mod handler;
mod http;
mod leader;
mod metrics;
mod placement;
mod play;
mod policy;
mod pool;
mod rebalance;
mod recent;
mod refusal;
mod reply_topic;
mod source_url;
mod sources;
mod status;
mod stream;
mod token;
mod turns;
mod wire;
mod worker;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = <args::Args as clap::Parser>::parse();
    let traces = runtime::trace::start(&args.trace, app::SERVICE)?;
    runtime::log::init(&args.log, &traces);
    app::run(args, &traces, runtime::shutdown::signals()?).await
}
