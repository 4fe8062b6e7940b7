//! The player's files and what the page has to know before it can dial the broker.
//!
//! `/`, `/wall` and `/status` are pages; `/config.json` and `/status.json` are made here; everything else is a file of the
//! player or not found. Liveness, readiness and metrics are the runtime's.

use std::path::{Path, PathBuf};

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use serde::Serialize;
use tower_http::compression::CompressionLayer;
use tower_http::services::{ServeDir, ServeFile};

use crate::status::Board;

/// What the page is served with.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// Where the built player is.
    pub(crate) player: PathBuf,
    /// What browsers dial; `None`: the page's own host, port 9001.
    pub(crate) broker_websocket: Option<url::Url>,
    /// Prefix of topics.
    pub(crate) topic_prefix: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    /// `null`: the page's own host, port 9001.
    broker_websocket: Option<String>,
    topic_prefix: String,
    version: &'static str,
}

/// The routes of the site.
pub(crate) fn router(site: &Site, board: Board) -> Router {
    let config = Config {
        broker_websocket: site.broker_websocket.as_ref().map(ToString::to_string),
        topic_prefix: site.topic_prefix.clone(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let mut router = Router::new()
        .route("/config.json", get(|| async { Json(config) }))
        .route("/status.json", get(async move || Json(board.status())));
    let built = site.player.join("index.html").is_file();
    if built {
        for (route, file) in [("/", "index.html"), ("/wall", "wall.html"), ("/status", "status.html")] {
            router = router.route_service(route, ServeFile::new(page(&site.player, file)));
        }
    }
    let files = ServeDir::new(&site.player).append_index_html_on_directories(false);
    let missing = move |uri: Uri| async move { not_found(&uri, built) };
    router
        .fallback_service(files.fallback(get(missing)))
        .layer(from_fn_with_state(policy(site.broker_websocket.as_ref()), headers))
        .layer(CompressionLayer::new())
}

/// A page of its own if the player has one, else the one page that looks at its address.
fn page(player: &Path, file: &str) -> PathBuf {
    let own = player.join(file);
    if own.is_file() { own } else { player.join("index.html") }
}

fn not_found(uri: &Uri, built: bool) -> Response {
    let text = if built || uri.path() != "/" {
        "not found\n"
    } else {
        "the player is not built: run `make build`, or point --player-dir at its files\n"
    };
    (StatusCode::NOT_FOUND, text).into_response()
}

/// Scripts and styles are ours alone; media comes out of `MediaSource` objects; the only connection is to the broker.
fn policy(broker: Option<&url::Url>) -> HeaderValue {
    let broker = broker.map_or_else(|| "ws: wss:".to_owned(), |url| url[..url::Position::BeforePath].to_owned());
    let text = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
         font-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self' {broker}; \
         manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'self'"))
}

async fn headers(State(policy): State<HeaderValue>, request: Request, next: Next) -> Response {
    // Vite puts a digest of the content into the names below `assets`.
    let immutable = request.uri().path().starts_with("/assets/");
    let made = matches!(request.uri().path(), "/config.json" | "/status.json");
    let mut response = next.run(request).await;
    let cache = match (response.status(), immutable, made) {
        (StatusCode::OK | StatusCode::NOT_MODIFIED, true, _) => "public, max-age=31536000, immutable",
        (_, _, true) => "no-store",
        _ => "no-cache",
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;

    fn site(files: &[(&str, &str)]) -> (tempfile::TempDir, Site) {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        let site = Site { player: dir.path().to_owned(), broker_websocket: None, topic_prefix: "video".to_owned() };
        (dir, site)
    }

    fn board() -> Board {
        let metrics = crate::metrics::Metrics::register(&prometheus::Registry::new()).expect("metrics");
        Board::new(crate::pool::Pool::new(None, metrics, tokio_util::sync::CancellationToken::new()), false)
    }

    async fn fetch(site: &Site, path: &str) -> (StatusCode, String, axum::http::HeaderMap) {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let response = router(site, board()).oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        (parts.status, String::from_utf8_lossy(&bytes).into_owned(), parts.headers)
    }

    #[tokio::test]
    async fn pages_fall_back_to_the_one_that_is_there() {
        let (_dir, site) = site(&[("index.html", "home"), ("wall.html", "wall"), ("assets/x-1a2b.js", "js")]);
        for (path, status, text) in [
            ("/", 200, "home"),
            ("/?source=lobby&autoplay", 200, "home"),
            ("/wall", 200, "wall"),
            ("/wall?sources=a,b", 200, "wall"),
            ("/status", 200, "home"),
            ("/assets/x-1a2b.js", 200, "js"),
            ("/nothing", 404, "not found\n"),
            ("/../Cargo.toml", 404, "not found\n"),
            ("/%2e%2e/Cargo.toml", 404, "not found\n"),
        ] {
            let (found, body, _) = fetch(&site, path).await;
            assert_eq!((found.as_u16(), body.as_str()), (status, text), "{path}");
        }
    }

    #[tokio::test]
    async fn only_names_with_a_digest_are_cached_for_good() {
        let (_dir, site) = site(&[("index.html", "home"), ("assets/x-1a2b.js", "js")]);
        for (path, cache) in [
            ("/", "no-cache"),
            ("/assets/x-1a2b.js", "public, max-age=31536000, immutable"),
            ("/assets/gone.js", "no-cache"),
            ("/config.json", "no-store"),
            ("/status.json", "no-store"),
        ] {
            let (_, _, headers) = fetch(&site, path).await;
            assert_eq!(headers[header::CACHE_CONTROL], cache, "{path}");
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }

    #[tokio::test]
    async fn the_page_may_dial_the_broker_that_it_is_told_and_no_other() {
        let (_dir, mut site) = site(&[("index.html", "home")]);
        let (_, body, headers) = fetch(&site, "/config.json").await;
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(body, format!(r#"{{"brokerWebsocket":null,"topicPrefix":"video","version":"{version}"}}"#));
        assert!(
            headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text").contains("connect-src 'self' ws: wss:;")
        );

        site.broker_websocket = Some("wss://broker.example:8443/mqtt".parse().expect("a URL"));
        let (_, body, headers) = fetch(&site, "/config.json").await;
        assert!(body.contains(r#""brokerWebsocket":"wss://broker.example:8443/mqtt""#), "{body}");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.contains("connect-src 'self' wss://broker.example:8443;"), "{policy}");
    }

    #[tokio::test]
    async fn a_missing_player_says_how_to_build_it() {
        let (_dir, site) = site(&[]);
        let (status, body, _) = fetch(&site, "/").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(body.contains("make build"), "{body}");
    }
}
