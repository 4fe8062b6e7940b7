//! A part of a world: a program with its arguments, which runs or does not, and can be started again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;

use crate::log::Log;
use crate::process::Process;
use crate::wait;

/// A program of a world.
#[derive(Debug)]
pub struct Part {
    name: String,
    program: PathBuf,
    /// What it is started with the next time.
    pub(crate) args: Vec<String>,
    env: Vec<(String, String)>,
    log: Log,
    /// Line of the log with which the present process began.
    born: usize,
    process: Option<Process>,
}

impl Part {
    pub(crate) fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        let (name, program) = (name.into(), program.into());
        Self { name, program, args: Vec::new(), env: Vec::new(), log: Log::default(), born: 0, process: None }
    }

    pub(crate) fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// What it is called in the world.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it printed, over all its starts.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The line of its log with which the present process began.
    pub(crate) fn born(&self) -> usize {
        self.born
    }

    /// Starts it; what it needs until it can be used is not awaited.
    pub fn start(&mut self) -> Result<()> {
        ensure!(!self.running(), "{} runs already", self.name);
        self.born = self.log.len();
        let process = Process::spawn(&self.program, &self.args, self.env.clone(), &self.log);
        self.process = Some(process.with_context(|| format!("cannot start {}", self.program.display()))?);
        Ok(())
    }

    /// Whether its process runs.
    pub fn running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.ended().is_none())
    }

    /// Its process id.
    ///
    /// # Panics
    ///
    /// When it was never started, or was stopped.
    #[track_caller]
    pub fn id(&self) -> u32 {
        let Some(process) = &self.process else { panic!("{} does not run", self.name) };
        process.id()
    }

    /// Its process id, if it was started and not stopped.
    pub fn started(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// Sends SIGTERM and waits for the end.
    pub async fn stop(&mut self) -> Option<ExitStatus> {
        self.finish(Signal::SIGTERM).await
    }

    /// Sends SIGKILL and waits for the end. Its children are left to themselves.
    pub async fn kill(&mut self) -> Option<ExitStatus> {
        self.finish(Signal::SIGKILL).await
    }

    /// Waits for the end that something else brings about.
    pub async fn end(&mut self) -> Option<ExitStatus> {
        let mut process = self.process.take()?;
        Some(process.end().await)
    }

    /// The address that it says it listens at as `what`.
    pub async fn listening(&mut self, what: &str) -> Result<SocketAddr> {
        let prefix = format!("listening {what}=");
        self.printed(&format!("prints {prefix}"), |line| line.strip_prefix(&prefix)?.parse().ok()).await
    }

    /// What `pick` finds in a line that the present process printed.
    pub(crate) async fn printed<T>(&mut self, what: &str, pick: impl Fn(&str) -> Option<T>) -> Result<T> {
        let log = self.log.clone();
        let born = self.born;
        let found = wait::try_until(|| match log.last(born, &pick) {
            Some(found) => Some(Some(found)),
            None if self.running() => None,
            None => Some(None),
        });
        match found.await {
            Some(Some(found)) => Ok(found),
            Some(None) => bail!("{} ended before it {what}", self.name),
            None => bail!("{} never {what}", self.name),
        }
    }

    async fn finish(&mut self, signal: Signal) -> Option<ExitStatus> {
        let mut process = self.process.take()?;
        process.signal(signal);
        Some(process.end().await)
    }
}
