//! The contract between gatekeeper and transcoder.
//!
//! Everything here is generated from `mqttvideo/v1/transcoder.proto`, whose comments are the reference. Generated
//! types stop at the two modules where gRPC meets the domain: the gatekeeper's `worker` and the transcoder's `service`.
#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

/// Package `mqttvideo.v1`.
pub mod v1 {
    tonic::include_proto!("mqttvideo.v1");
}
