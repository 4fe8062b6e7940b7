//! A receiver of traces: that of the OpenTelemetry Collector, see `deploy/collector`, and a view of what it got.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::part::Part;
use crate::{binaries, ports, wait};

/// A receiver with its process.
#[derive(Debug)]
pub struct Collector {
    /// Its process.
    pub part: Part,
    /// Where it takes OTLP over gRPC.
    pub otlp: SocketAddr,
}

/// A span as it was exported.
#[derive(Debug, Clone)]
pub struct Span {
    /// `service.name` of the resource.
    pub service: String,
    /// All attributes of the resource.
    pub resource: BTreeMap<String, String>,
    /// Trace id in hexadecimal.
    pub trace: String,
    /// Its own id in hexadecimal.
    pub id: String,
    /// Id of its parent in hexadecimal; empty: it has none.
    pub parent: String,
    /// What was done.
    pub name: String,
    /// When it began and ended, in nanoseconds since 1970.
    pub time: (u64, u64),
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Whether it failed.
    pub failed: bool,
}

impl Collector {
    /// One that is not yet started.
    pub fn new() -> Result<Self> {
        let otlp = SocketAddr::from(([127, 0, 0, 1], ports::free()));
        Ok(Self { part: Part::new("collector", program()?).args([otlp.to_string()]), otlp })
    }

    /// Starts it, and waits until it listens.
    pub async fn begin(&mut self) -> Result<()> {
        self.part.start()?;
        self.part.listening("otlp").await.map(|_| ())
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        let lines = self.part.log().lines();
        let exports = lines.iter().filter_map(|line| serde_json::from_str::<Value>(&line.text).ok());
        exports.flat_map(|export| list(&export, "resourceSpans")).flat_map(|of| spans(&of)).collect()
    }

    /// Waits for a span for which `is` holds.
    pub async fn span(&self, what: &str, is: impl Fn(&Span) -> bool) -> Span {
        wait::until(&format!("the span of {what}"), || self.spans().into_iter().find(&is)).await
    }
}

fn spans(of_resource: &Value) -> Vec<Span> {
    let resource = attributes(&of_resource["resource"]);
    let all = list(of_resource, "scopeSpans").into_iter().flat_map(|scope| list(&scope, "spans"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nanos = |value: &Value| value.as_str().and_then(|nanos| nanos.parse().ok()).unwrap_or_default();
    all.map(|span| Span {
        service: resource.get("service.name").cloned().unwrap_or_default(),
        resource: resource.clone(),
        trace: text(&span["traceId"]),
        id: text(&span["spanId"]),
        parent: text(&span["parentSpanId"]),
        name: text(&span["name"]),
        time: (nanos(&span["startTimeUnixNano"]), nanos(&span["endTimeUnixNano"])),
        attributes: attributes(&span),
        failed: span["status"]["code"] == 2,
    })
    .collect()
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let pair = |attribute: &Value| {
        let value = attribute["value"].as_object()?.values().next()?;
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some((attribute["key"].as_str()?.to_owned(), value))
    };
    list(of, "attributes").iter().filter_map(pair).collect()
}

fn list(of: &Value, name: &str) -> Vec<Value> {
    of[name].as_array().cloned().unwrap_or_default()
}

/// Built at most once in a test run, and as a rule in an earlier one.
fn program() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

fn build() -> Result<PathBuf> {
    let script = binaries::repository().join("deploy/collector/build.sh");
    let output = Command::new(&script).output().with_context(|| script.display().to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "building the collector failed: {}: {said}", output.status);
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}
