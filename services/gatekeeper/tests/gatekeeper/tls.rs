//! Mutual TLS between gatekeeper and workers, with certificates made on the spot.

use std::path::{Path, PathBuf};
use std::process::Command;

use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::worker::Worker;
use crate::world::World;

/// An authority, and what it signed.
struct Authority(tempfile::TempDir);

impl Authority {
    fn new() -> Self {
        let authority = Self(tempfile::tempdir().unwrap());
        authority.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 1 -subj /CN=authority");
        authority
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split(' ')).current_dir(&self.0).output().expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file(name)).unwrap()
    }

    /// Signs a certificate for loopback: `<name>.pem` and `<name>.key`.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        std::fs::write(self.file("extensions"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -extfile extensions -out {name}.pem"
        ));
        (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")))
    }

    async fn worker(&self, believes: &Self) -> Worker {
        self.sign("worker");
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(self.read("worker.pem"), self.read("worker.key")))
            .client_ca_root(Certificate::from_pem(believes.read("ca.pem")));
        Worker::start_with("t0", 4, Some(tls)).await
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn both_sides_prove_who_they_are() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("gatekeeper");
    let ca = authority.file("ca.pem");
    let flags = ["--worker-ca", text(&ca), "--worker-cert", text(&certificate), "--worker-key", text(&key)];
    let mut world = World::with(vec![authority.worker(&authority).await], &flags).await;
    let reply = world.viewer.ask("video/describe", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    assert_eq!(reply["worker"], "t0", "{reply}");
}

#[tokio::test]
async fn whoever_cannot_prove_it_gets_no_stream() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.sign("gatekeeper");
    let ca = ours.file("ca.pem");
    let us = ["--worker-ca", text(&ca), "--worker-cert", text(&certificate), "--worker-key", text(&key)];
    let anonymous = ["--worker-ca", text(&ca)];
    for (worker, flags) in [
        (theirs.worker(&ours).await, us.as_slice()),
        (ours.worker(&theirs).await, us.as_slice()),
        (ours.worker(&ours).await, anonymous.as_slice()),
    ] {
        let mut world = World::without_waiting(vec![worker], flags).await;
        world.until("/metrics", |text| text.contains("workers{state=\"lost\"} 1")).await;
        let reply = world.viewer.ask("video/describe", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
        assert_eq!(reply["code"], "no_capacity", "{reply}");
        assert_eq!(world.calls(), []);
    }
}
