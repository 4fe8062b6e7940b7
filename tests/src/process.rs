//! A child process that cannot be left behind.
//!
//! It is killed when its handle is dropped, together with everything that it started, and by the kernel when the test
//! process dies without a chance to drop anything. The kernel ties that to the *thread* which spawned it: spawn from a
//! thread that lives as long as the test does, as the single-threaded runtime of `#[tokio::test]` runs on.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::log::{Channel, Log};
use crate::{processes, wait};

/// A running child.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Log,
}

impl Process {
    /// Starts `program`; what it prints goes to `log`.
    pub fn spawn<A, E>(program: &Path, args: A, env: E, log: &Log) -> io::Result<Self>
    where
        A: IntoIterator<Item: AsRef<OsStr>>,
        E: IntoIterator<Item = (String, String)>,
    {
        // `setpriv` sets the parent death signal and then becomes the program, so the process id stays. Doing it here
        // would take unsafe code between fork and exec.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(args);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MQTT_VIDEO_")) {
            command.env_remove(name);
        }
        let mut child = command.envs(env).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(out) = child.stdout.take() {
            log.follow(Channel::Out, out);
        }
        if let Some(err) = child.stderr.take() {
            log.follow(Channel::Err, err);
        }
        log.note(format!("started, process {}", child.id()));
        Ok(Self { child, log: log.clone() })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends a signal; no matter if it is gone.
    pub fn signal(&self, signal: Signal) {
        self.log.note(format!("gets {signal}"));
        // A process that ended by itself is what the caller wanted.
        let _ = kill(Pid::from_raw(self.id() as i32), signal);
    }

    /// Waits for its end.
    pub async fn end(&mut self) -> ExitStatus {
        let status = wait::until("the process ends", || self.ended()).await;
        self.log.note(format!("ended: {status}"));
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let offspring = processes::descendants(self.id());
        // Both fail only for a child that is gone, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for process in offspring {
            process.kill();
        }
    }
}
