//! Runs one ffmpeg for each stream and publishes fragmented MP4 to the broker.

mod app;
mod args;
mod arrival;
mod board;
mod failure;
mod fanout;
mod fence;
mod ffmpeg;
#[cfg(test)]
mod fixture;
mod flv;
mod fmp4;
mod generation;
mod gop;
mod job;
mod jobs;
mod metrics;
mod muxer;
mod packet;
mod parts;
mod publisher;
mod rtsp;
mod run;
mod service;
mod stream;
mod timeline;
mod viewers;
mod whole;

fn main() -> anyhow::Result<()> {
    app::run(clap::Parser::parse())
}
