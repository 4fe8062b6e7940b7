//! The real gatekeeper on a core of its own, and everything else, broker and this process included, on the others.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use e2e::broker::Broker;
use e2e::processes;
use e2e::services::Service;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::workers::Workers;

/// Which processor is whose.
#[derive(Debug)]
pub(crate) struct Cores {
    gatekeeper: CpuSet,
    others: CpuSet,
    shared: bool,
}

impl Cores {
    /// Gives the last processor that this process may use to the gatekeeper.
    fn divide() -> Result<Self> {
        let all = sched_getaffinity(Pid::from_raw(0)).context("which processors there are")?;
        let numbers: Vec<usize> = (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu).unwrap_or(false)).collect();
        let last = *numbers.last().context("no processor")?;
        let (mut gatekeeper, mut others) = (CpuSet::new(), all);
        gatekeeper.set(last)?;
        let shared = numbers.len() == 1;
        if !shared {
            others.unset(last)?;
        }
        Ok(Self { gatekeeper, others, shared })
    }

    /// Takes this whole process off the gatekeeper's processor, threads included that read what the gatekeeper prints.
    fn leave(&self) -> Result<()> {
        for thread in fs::read_dir("/proc/self/task")? {
            let name = thread?.file_name();
            let id = name.to_str().and_then(|id| id.parse().ok()).context("a thread without a number")?;
            sched_setaffinity(Pid::from_raw(id), &self.others)?;
        }
        Ok(())
    }

    /// What a figure has to say of it.
    pub(crate) fn told(&self) -> &'static str {
        if self.shared {
            "gatekeeper, broker and load share the only core, so the figure is too low"
        } else {
            "gatekeeper alone on one core; mosquitto, load and workers on the others"
        }
    }
}

/// Runs a measurement on everything but the gatekeeper's core.
pub(crate) fn block_on<T>(measure: impl AsyncFnOnce(&Cores) -> T) -> Result<T> {
    // A thousand workers are a thousand connections on either side, and as many listeners.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most.min(65_536), most)?;
    let cores = Cores::divide()?;
    // Threads and children that begin from here on inherit it.
    sched_setaffinity(Pid::from_raw(0), &cores.others)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(runtime.block_on(measure(&cores)))
}

/// A running gatekeeper with its broker.
pub(crate) struct Gate {
    /// The broker.
    pub(crate) broker: Broker,
    gatekeeper: Service,
    _folder: TempDir,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    cpu: Duration,
    at: std::time::Instant,
}

impl Usage {
    /// Share of one processor that was used from `before` until now.
    pub(crate) fn since(self, before: Self) -> f64 {
        self.cpu.saturating_sub(before.cpu).as_secs_f64() / self.at.duration_since(before.at).as_secs_f64()
    }
}

impl Gate {
    /// Starts it, to allow the entries of `sources` and watch `workers`, and waits until it knows them all.
    pub(crate) async fn open(cores: &Cores, workers: &Workers, sources: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let broker = Broker::start(folder.path(), "").await?;
        let file = folder.path().join("sources.yaml");
        fs::write(&file, format!("sources:\n{sources}"))?;
        let more = [format!("--player-dir={}", folder.path().display())];
        let mut gatekeeper = Service::gatekeeper(broker.mqtt, broker.websocket, &file, &workers.addresses, &more)?;
        // It counts processors when it starts, so it must be told before.
        sched_setaffinity(Pid::from_raw(0), &cores.gatekeeper)?;
        let started = gatekeeper.part.start();
        cores.leave()?;
        started?;
        gatekeeper.ready().await?;
        gatekeeper.counts("workers{state=\"ready\"}", workers.addresses.len() as f64).await?;
        Ok(Self { broker, gatekeeper, _folder: folder })
    }

    /// Resident memory in MiB.
    pub(crate) fn resident(&self) -> Result<f64> {
        let kib = processes::resident_kib(self.gatekeeper.part.id()).context("the gatekeeper is gone")?;
        Ok(kib as f64 / 1024.0)
    }

    /// What the gatekeeper has used.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let cpu = processes::cpu_time(self.gatekeeper.part.id()).context("the gatekeeper is gone")?;
        Ok(Usage { cpu, at: std::time::Instant::now() })
    }

    /// Fails unless exactly the workers that it was given are ready: a figure of fewer would be too good.
    pub(crate) async fn all_ready(&self, expected: usize) -> Result<()> {
        let ready = self.gatekeeper.count("workers{state=\"ready\"}").await?;
        if ready < expected as f64 {
            bail!("{ready} of {expected} workers were ready at the end; is the machine overloaded?");
        }
        Ok(())
    }
}
