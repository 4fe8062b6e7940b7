//! Claims about the whole system, each against real parts: mosquitto, RTSP cameras, ffmpeg, gatekeeper, transcoders.
//!
//! One binary, because linking is most of what a test costs to build. A module is a topic; a test is a sentence. What needs
//! a browser is in `tests/browser`.

mod alerts;
mod catalog;
mod cli;
mod dashboards;
mod describing;
mod direct;
mod leaving;
mod live;
mod logs;
mod metrics;
mod moving;
mod page;
mod placement;
mod recovery;
mod refusals;
mod reply;
mod secrets;
mod sharing;
mod traces;
mod vectors;
