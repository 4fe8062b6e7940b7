//! Process plumbing that both services share: log, traces, admin HTTP, readiness, shutdown, back-off and the MQTT
//! connection.
//!
//! It knows nothing of cameras or viewers; whatever has a domain word in it belongs to a service.

pub mod admin;
pub mod backoff;
pub mod broker;
pub mod duration;
pub mod log;
pub mod readiness;
pub mod shutdown;
pub mod trace;
