//! Asks a gatekeeper for `/status.json`.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

use crate::exit::Failure;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer in bytes: some ten thousand streams.
const LONGEST: usize = 8 << 20;

/// Asks one gatekeeper, on one connection if it likes.
#[derive(Debug)]
pub(super) struct Fetch {
    uri: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<bytes::Bytes>>,
}

impl Fetch {
    /// Of the gatekeeper at `base`; a path in front of its own is kept.
    pub(super) fn new(base: &Url) -> Result<Self, Failure> {
        let url = format!("{}/status.json", base.as_str().trim_end_matches('/'));
        let uri = url.parse().map_err(|error| Failure::Gatekeeper { url, why: format!("{error}") })?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls(&uri)?).https_or_http().enable_http1().build();
        Ok(Self { uri, client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// The object as it is.
    pub(super) async fn object(&self) -> Result<Value, Failure> {
        match timeout(PATIENCE, self.get()).await {
            Ok(object) => object.map_err(|why| self.failure(&why)),
            Err(_) => Err(self.failure(&format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    /// That something is wrong with the gatekeeper or its answer.
    pub(super) fn failure(&self, why: &str) -> Failure {
        Failure::Gatekeeper { url: self.uri.to_string(), why: why.to_owned() }
    }

    async fn get(&self) -> Result<Value, String> {
        let request = Request::get(self.uri.clone()).body(Empty::new()).map_err(|error| error.to_string())?;
        let response = self.client.request(request).await.map_err(|error| told(&error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                return Err("it has no /status.json; is it a gatekeeper, and not an older one?".to_owned());
            }
            status => return Err(format!("it answers {status}")),
        }
        let body = Limited::new(response.into_body(), LONGEST).collect().await.map_err(|error| error.to_string())?;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| format!("its answer is no JSON: {error}"))
    }
}

/// Trusts the system's authorities, and none where no TLS is spoken: not every host has them.
fn tls(uri: &Uri) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| Failure::Internal(error.to_string()))?;
    if uri.scheme_str() == Some("https") {
        Ok(config.with_native_roots()?.with_no_client_auth())
    } else {
        Ok(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
    }
}

/// An error of hyper with its cause, which says what happened.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => told(cause),
        None => error.to_string(),
    }
}
