//! A real broker.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// mosquitto with one loopback listener.
pub(crate) struct Broker {
    process: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Broker {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // mosquitto cannot be asked for any port, so one that is free now is named; who loses the race tries again.
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let config = format!("listener {port} 127.0.0.1\nallow_anonymous true\n");
            std::fs::write(directory.path().join("mosquitto.conf"), config).unwrap();
            if let Some(process) = mosquitto(&directory, port) {
                return Self { process, port, directory };
            }
        }
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) {
        self.process = mosquitto(&self.directory, self.port).expect("its port is still free");
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs it, and waits until it listens; `None` if it cannot.
fn mosquitto(directory: &tempfile::TempDir, port: u16) -> Option<Child> {
    let mut command = Command::new("mosquitto");
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    command.arg("-c").arg(directory.path().join("mosquitto.conf")).env("PATH", path);
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mosquitto is installed");
    while process.try_wait().unwrap().is_none() {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(process);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}
