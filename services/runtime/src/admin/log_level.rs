//! `/log-level`: what is logged, read with GET and changed with PUT while the process runs.
//!
//! The gatekeeper's port also serves the page, so not everybody who reaches it may do this: only who is on the machine
//! itself, or in the pod, as `kubectl port-forward` and `kubectl exec` are. A proxy beside us is there, too, and would let
//! everybody in; what it forwards says so in its head, and is refused.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::log::level::{self, LevelError};

/// Of the text of a filter; what is too long for a filter is told so as long as it fits in here.
const LONGEST_BODY: usize = 16 * 1024;
/// What proxies add to what they forward: RFC 7239, RFC 9110 section 7.6.3, and the customs from before them.
const FORWARDED: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];

pub(super) fn router() -> Router {
    Router::new()
        .route("/log-level", get(read).put(change))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(from_fn(only_from_here))
}

async fn only_from_here(ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    if is_from_here(peer, request.headers()) {
        return next.run(request).await;
    }
    let text = "only from this machine itself, and not through a proxy: use kubectl port-forward, or ask 127.0.0.1\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

fn is_from_here(peer: SocketAddr, headers: &HeaderMap) -> bool {
    peer.ip().to_canonical().is_loopback() && !FORWARDED.iter().any(|name| headers.contains_key(*name))
}

async fn read() -> Result<String, LevelError> {
    Ok(level::current()?.text() + "\n")
}

async fn change(filter: String) -> Result<String, LevelError> {
    level::current()?.set(&filter)?;
    read().await
}

impl IntoResponse for LevelError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NotOurs => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, format!("{self}\n")).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_who_is_on_the_machine_itself_may_ask() {
        let nothing = HeaderMap::new();
        for (peer, here) in [
            ("127.0.0.1:5", true),
            ("127.8.8.8:5", true),
            ("[::1]:5", true),
            ("[::ffff:127.0.0.1]:5", true),
            ("10.0.0.1:5", false),
            ("[2001:db8::1]:5", false),
            ("[::ffff:10.0.0.1]:5", false),
        ] {
            assert_eq!(is_from_here(peer.parse().expect(peer), &nothing), here, "{peer}");
        }
        for name in ["X-Forwarded-For", "forwarded", "VIA", "x-real-ip"] {
            let mut headers = HeaderMap::new();
            headers.insert(axum::http::HeaderName::try_from(name).expect(name), HeaderValue::from_static("127.0.0.1"));
            assert!(!is_from_here("127.0.0.1:5".parse().expect("an address"), &headers), "{name}");
        }
    }
}
