//! The real gatekeeper against a real broker, over real gRPC, with workers that do as a test says.
//!
//! What a worker can answer is more than real ones can be brought to in a test: refusals in every order, silence, death.
//! That real workers play real cameras is shown elsewhere.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod broker;
mod moving;
mod placement;
mod refusals;
mod status;
mod stopping;
mod surroundings;
mod tls;
mod viewer;
mod worker;
mod world;
