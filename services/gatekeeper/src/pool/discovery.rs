//! Who belongs to the pool, told by the `EndpointSlices` of a headless Service.
//!
//! Every endpoint counts, ready or not: whether a worker takes streams it tells by itself, and one that terminates has
//! streams to be moved, so it stays watched until its pod is gone. While the API server is away the last known members
//! stay.

use std::collections::BTreeMap;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use runtime::readiness::Readiness;
use tokio::sync::watch;
use tracing::{info, warn};

use super::Pool;
use crate::cluster::Cluster;

/// As `/ready` calls what is waited for.
pub(crate) const CONDITION: &str = "workers";
/// Name of the Service's port for gRPC.
const PORT: &str = "grpc";

/// Which Service to look for workers behind.
pub(crate) struct Discovery {
    /// Where it is.
    pub(crate) cluster: Cluster,
    /// Its name.
    pub(crate) service: String,
    /// Whether its workers are spoken to by TLS.
    pub(crate) encrypted: bool,
}

impl Discovery {
    /// Keeps the members of `pool` as the slices say; `complete` turns true with the first list.
    pub(crate) async fn run(self, pool: Pool, readiness: Readiness, complete: watch::Sender<bool>) {
        let mut slices = self.cluster.follow::<EndpointSlice>(&format!("kubernetes.io/service-name={}", self.service));
        let mut told = false;
        let mut members = Vec::new();
        loop {
            let found = match slices.changed().await {
                Ok(slices) => addresses(slices.values(), self.encrypted),
                Err(why) => {
                    if !*complete.borrow() {
                        readiness.set(CONDITION, Err(format!("the Kubernetes API does not list endpoints: {why}")));
                    }
                    if !told {
                        warn!(%why, "no news of endpoints; the known workers stay");
                        told = true;
                    }
                    continue;
                }
            };
            told = false;
            if found != members || !*complete.borrow() {
                info!(service = self.service, workers = found.len(), "endpoints changed");
                if let Err(error) = pool.set_members(&found) {
                    warn!(%error, "endpoints not used");
                }
                members = found;
            }
            readiness.set(CONDITION, Ok(()));
            complete.send_replace(true);
        }
    }
}

/// One URL for each pod behind the slices: its IPv4 address if it has one, or else the IPv6.
fn addresses<'a>(slices: impl Iterator<Item = &'a EndpointSlice>, encrypted: bool) -> Vec<String> {
    let scheme = if encrypted { "https" } else { "http" };
    let mut pods: BTreeMap<&str, (bool, String)> = BTreeMap::new();
    for slice in slices {
        let v6 = match slice.address_type.as_str() {
            "IPv4" => false,
            "IPv6" => true,
            _ => continue,
        };
        let Some(port) = port(slice) else { continue };
        for endpoint in &slice.endpoints {
            // All addresses of an endpoint are of one pod, and the first is as good as any.
            let Some(address) = endpoint.addresses.first() else { continue };
            let pod = endpoint.target_ref.as_ref().and_then(|target| target.uid.as_deref()).unwrap_or(address);
            let url =
                if v6 { format!("{scheme}://[{address}]:{port}") } else { format!("{scheme}://{address}:{port}") };
            let chosen = pods.entry(pod).or_insert((v6, url.clone()));
            if (v6, &url) < (chosen.0, &chosen.1) {
                *chosen = (v6, url);
            }
        }
    }
    pods.into_values().map(|(_, url)| url).collect()
}

/// The port for gRPC, or else the only one.
fn port(slice: &EndpointSlice) -> Option<i32> {
    let ports = slice.ports.as_deref().unwrap_or_default();
    let named = ports.iter().find(|port| port.name.as_deref() == Some(PORT));
    named.or(if let [only] = ports { Some(only) } else { None })?.port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(slices: &[serde_json::Value], expected: &[&str]) {
        let slices: Vec<EndpointSlice> =
            slices.iter().map(|slice| serde_json::from_value(slice.clone()).expect("a slice")).collect();
        assert_eq!(addresses(slices.iter(), false), expected);
    }

    fn slice(family: &str, ports: &[(&str, u16)], pods: &[(&str, &str)]) -> serde_json::Value {
        let port = |(name, port): &(&str, u16)| serde_json::json!({"name": name, "port": port, "protocol": "TCP"});
        let endpoint = |(pod, address): &(&str, &str)| {
            serde_json::json!({
                "addresses": [address],
                "conditions": {"ready": false, "terminating": true},
                "targetRef": {"kind": "Pod", "name": pod, "uid": format!("uid-{pod}")},
            })
        };
        serde_json::json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "x"},
            "addressType": family,
            "ports": ports.iter().map(port).collect::<Vec<_>>(),
            "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>(),
        })
    }

    #[test]
    fn endpoints_count_whether_ready_or_terminating() {
        check(
            &[slice("IPv4", &[("grpc", 50051)], &[("a", "10.0.0.1"), ("b", "10.0.0.2")])],
            &["http://10.0.0.1:50051", "http://10.0.0.2:50051"],
        );
    }

    #[test]
    fn the_port_is_the_one_for_grpc_or_the_only_one() {
        check(&[slice("IPv4", &[("http", 9100), ("grpc", 50051)], &[("a", "10.0.0.1")])], &["http://10.0.0.1:50051"]);
        check(&[slice("IPv4", &[("", 4000)], &[("a", "10.0.0.1")])], &["http://10.0.0.1:4000"]);
        check(&[slice("IPv4", &[("http", 9100), ("other", 1)], &[("a", "10.0.0.1")])], &[]);
    }

    #[test]
    fn a_pod_with_both_families_is_one_worker() {
        let (four, six) = (
            slice("IPv4", &[("grpc", 50051)], &[("a", "10.0.0.1")]),
            slice("IPv6", &[("grpc", 50051)], &[("a", "fd00::1"), ("b", "fd00::2")]),
        );
        let expected = ["http://10.0.0.1:50051", "http://[fd00::2]:50051"];
        check(&[four.clone(), six.clone()], &expected);
        check(&[six, four], &expected);
    }

    #[test]
    fn a_pod_that_is_in_two_slices_for_a_moment_is_one_worker() {
        let slice = slice("IPv4", &[("grpc", 50051)], &[("a", "10.0.0.1")]);
        check(&[slice.clone(), slice], &["http://10.0.0.1:50051"]);
    }
}
