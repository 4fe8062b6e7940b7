//! Gatekeeper and transcoder: how they are started, and what they say over HTTP.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Result, bail};
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
        transcoders: &[Self],
        more: &[String],
    ) -> Result<Self> {
        let http = loopback();
        let workers = transcoders.iter().filter_map(|transcoder| transcoder.grpc);
        let part = Part::new("gatekeeper", binaries::path("gatekeeper")?)
            .args([format!("--broker=mqtt://{broker}"), format!("--broker-websocket=ws://{websocket}")])
            .args([format!("--http={http}"), format!("--sources={}", sources.display())])
            .args(workers.map(|grpc| format!("--transcoder=http://{grpc}")))
            .args(more);
        Ok(Self { part, http, grpc: None })
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
        let deadline = Instant::now() + wait::BACKSTOP;
        loop {
            let answer = http::get(self.http, "/ready").await;
            if matches!(&answer, Ok(answer) if answer.status == 200) {
                return Ok(());
            }
            if !self.part.running() {
                bail!("{} ended before it was ready", self.part.name());
            }
            if Instant::now() > deadline {
                bail!("{} never becomes ready: {answer:?}", self.part.name());
            }
            // Nothing tells of readiness but a further question.
            sleep(wait::PERIOD).await;
        }
    }

    /// Its Prometheus page.
    pub async fn metrics(&self) -> Result<String> {
        Ok(http::get(self.http, "/metrics").await?.body)
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], ports::free()))
}
