//! Gatekeeper and transcoder: how they are started, and what they say over HTTP.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use crate::part::Part;
use crate::{binaries, http, ports, wait};

/// One of our two services.
#[derive(Debug)]
pub struct Service {
    /// Its process.
    pub part: Part,
    /// Where its HTTP is.
    pub http: SocketAddr,
    /// Where it serves gRPC, if it is a transcoder.
    pub grpc: Option<SocketAddr>,
}

impl Service {
    /// A transcoder that is not yet started.
    pub fn transcoder(number: usize, broker: SocketAddr, more: &[String]) -> Result<Self> {
        let (http, grpc) = (loopback(), loopback());
        let name = format!("transcoder{number}");
        let part = Part::new(&name, binaries::path("transcoder")?)
            .args([format!("--broker=mqtt://{broker}"), format!("--name={name}")])
            .args([format!("--http={http}"), format!("--grpc={grpc}")])
            .args(more);
        Ok(Self { part, http, grpc: Some(grpc) })
    }

    /// A gatekeeper that is not yet started.
    pub fn gatekeeper(
        broker: SocketAddr,
        websocket: SocketAddr,
        sources: &Path,
        transcoders: &[SocketAddr],
        more: &[String],
    ) -> Result<Self> {
        let http = loopback();
        let part = Part::new("gatekeeper", binaries::path("gatekeeper")?)
            .args([format!("--broker=mqtt://{broker}"), format!("--broker-websocket=ws://{websocket}")])
            .args([format!("--http={http}"), format!("--sources={}", sources.display())])
            .args(transcoders.iter().map(|grpc| format!("--transcoder=http://{grpc}")))
            .args(more);
        Ok(Self { part, http, grpc: None })
    }

    /// With environment variables.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        for (name, value) in variables {
            self.part = self.part.env(&name, value);
        }
        self
    }

    /// Waits until it says that it listens, at the addresses that it was told.
    pub async fn listening(&mut self) -> Result<()> {
        let bound = self.part.listening("http").await?;
        anyhow::ensure!(bound == self.http, "{} listens at {bound}, not at {}", self.part.name(), self.http);
        if let Some(grpc) = self.grpc {
            let bound = self.part.listening("grpc").await?;
            anyhow::ensure!(bound == grpc, "{} listens at {bound}, not at {grpc}", self.part.name());
        }
        Ok(())
    }

    /// Waits until `/ready` answers 200.
    pub async fn ready(&mut self) -> Result<()> {
        self.listening().await?;
        self.answers("becomes ready", "/ready", |answer| answer.status == 200).await
    }

    /// Waits until a sample of its metrics, such as `workers{state="ready"}`, reaches a value. The service's own prefix of
    /// the name is left out.
    pub async fn counts(&mut self, sample: &str, at_least: f64) -> Result<()> {
        let reached = |answer: &http::Response| value(&answer.body, sample).is_some_and(|value| value >= at_least);
        self.answers(&format!("counts {at_least} {sample}"), "/metrics", reached).await
    }

    /// Its Prometheus page.
    pub async fn metrics(&self) -> Result<String> {
        Ok(http::get(self.http, "/metrics").await?.body)
    }

    /// The value of a sample of its metrics, named as in [`Self::counts`].
    pub async fn count(&self, sample: &str) -> Result<f64> {
        value(&self.metrics().await?, sample).with_context(|| format!("no {sample} in the metrics"))
    }

    async fn answers(&mut self, what: &str, path: &str, enough: impl Fn(&http::Response) -> bool) -> Result<()> {
        let deadline = Instant::now() + wait::BACKSTOP;
        loop {
            let answer = http::get(self.http, path).await;
            if answer.as_ref().is_ok_and(&enough) {
                return Ok(());
            }
            if !self.part.running() {
                bail!("{} ended before it {what}", self.part.name());
            }
            if Instant::now() > deadline {
                bail!("{} never {what}: {answer:?}", self.part.name());
            }
            // Nothing tells of it but a further question.
            sleep(wait::PERIOD).await;
        }
    }
}

fn value(page: &str, sample: &str) -> Option<f64> {
    page.lines().find_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        (name.ends_with(sample) && !name.starts_with('#')).then(|| value.parse().ok())?
    })
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], ports::free()))
}
