//! The HTTP side of a service: `/live`, `/ready`, `/metrics`, `/log-level`, and whatever routes the service adds.
//!
//! Liveness says only that the process answers; it depends on nothing else, so that a broker's outage does not make
//! Kubernetes restart what works.

mod log_level;

use std::net::SocketAddr;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::readiness::Readiness;

#[derive(Clone)]
struct Shared {
    registry: Registry,
    readiness: Readiness,
}

/// Serves until `token` is cancelled; requests under way are finished.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    registry: Registry,
    readiness: Readiness,
    extra: Router,
    token: CancellationToken,
) -> std::io::Result<()> {
    let router = router(registry, readiness).merge(log_level::router()).merge(extra);
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(token.cancelled_owned())
        .await
}

fn router(registry: Registry, readiness: Readiness) -> Router {
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Shared { registry, readiness })
}

async fn ready(State(shared): State<Shared>) -> Response {
    match shared.readiness.check() {
        Ok(()) => "ready\n".into_response(),
        Err(unmet) => {
            let lines: Vec<_> = unmet.iter().map(|(name, why)| format!("{name}: {why}")).collect();
            (StatusCode::SERVICE_UNAVAILABLE, lines.join("\n") + "\n").into_response()
        }
    }
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&shared.registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
