//! Runs one ffmpeg for each stream and publishes fragmented MP4 to the broker.
#![allow(dead_code, reason = "until the job is there")]

#[cfg(test)]
mod fixture;
mod flv;
mod fmp4;
mod generation;
mod gop;
mod muxer;
mod packet;
mod run;
mod timeline;
mod whole;

fn main() {}
