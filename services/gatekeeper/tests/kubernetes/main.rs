//! The real gatekeeper against a real Kubernetes API, the one that `KUBECONFIG` names.
//!
//! It is built with `--features gatekeeper/cluster-tests` only, so that no run without a cluster can seem to have tested
//! this. Each test has a namespace of its own, and its gatekeepers may do there what the documented Role says and no
//! more. Broker and workers are those of the other tests.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

#[path = "../gatekeeper/broker.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod broker;
mod discovery;
mod gatekeeper;
mod leading;
mod sources;
mod told;
#[path = "../gatekeeper/viewer.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod viewer;
#[path = "../gatekeeper/worker.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod worker;
mod world;
