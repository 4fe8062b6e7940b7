//! An MQTT client for 3.1.1 and 5, written for tests: it can vanish in every way that a viewer can, and shows every
//! message as it came.
//!
//! The services use a library; this is not that library, so that a misreading of the standard shows.

mod client;
mod packet;

pub use client::{Client, Connect};
pub use packet::{Error, Message, Publication, Qos, Version, Will};
