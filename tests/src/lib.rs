//! The harness of the end-to-end tests: a [`World`] of real parts (mosquitto, RTSP cameras, gatekeeper, transcoders with
//! their ffmpegs) and the eyes to judge it by: an MQTT client, an MP4 reader, a view of the processes.
//!
//! It is a crate of its own, and shares no code with the services, so that a mistake in one of them is not repeated in
//! what checks it: MQTT packets, MP4 boxes and the viewer's JSON are read here a second time.
//!
//! Everything a world starts listens on 127.0.0.1 at free ports, dies with it, and on failure tells its log. Nothing here
//! sleeps to wait: [`wait::until`] looks for a condition, and a backstop turns a hang into a failure.

pub mod binaries;
pub mod broker;
pub mod camera;
pub mod collector;
pub mod http;
pub mod log;
pub mod media;
pub mod mp4;
pub mod mqtt;
pub mod operator;
pub mod part;
pub mod ports;
pub mod process;
pub mod processes;
pub mod prometheus;
pub mod services;
pub mod sources;
pub mod viewer;
pub mod wait;
pub mod wire;
pub mod world;

pub use camera::Camera;
pub use viewer::Viewer;
pub use world::{Description, World};
