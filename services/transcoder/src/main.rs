//! Runs one ffmpeg for each stream and publishes fragmented MP4 to the broker.

mod app;
mod args;
mod board;
mod failure;
mod fanout;
mod ffmpeg;
#[cfg(test)]
mod fixture;
mod flv;
mod fmp4;
mod generation;
mod gop;
mod job;
mod jobs;
mod life;
mod load;
mod metrics;
mod muxer;
mod packet;
mod presence;
mod publisher;
mod rate;
mod report;
mod run;
mod service;
mod stream;
mod timeline;
mod viewers;
mod whole;

fn main() -> anyhow::Result<()> {
    let args: args::Args = clap::Parser::parse();
    runtime::log::init(&args.log.0);
    app::run(args)
}
