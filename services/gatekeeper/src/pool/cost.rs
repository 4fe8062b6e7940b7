//! Which workers scale-in takes first: the leader writes `pod-deletion-cost` on their pods, the number of streams that a
//! worker runs.
//!
//! A pod disruption budget does not bind a Deployment that shrinks; this annotation is all that it looks at. When a worker
//! turns busy or idle, that is written at once, and between two other numbers seldom. It never fails anything else: a pod
//! without it is as good as one more idle worker.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, warn};

use super::Pool;
use crate::cluster::{self, Cluster};

const ANNOTATION: &str = "controller.kubernetes.io/pod-deletion-cost";
/// How often the pool is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a number stands unless the worker turns busy or idle; also how long a failure is left alone.
const PAUSE: Duration = Duration::from_secs(10);
/// How long one write may take.
const ANSWER: Duration = Duration::from_secs(2);

/// What the writing takes.
pub(crate) struct Costs {
    /// Where the pods are.
    pub(crate) cluster: Cluster,
    /// The workers; the name of each is that of its pod.
    pub(crate) pool: Pool,
    /// Whether we write at all.
    pub(crate) leader: watch::Receiver<bool>,
}

/// What was written last, and when.
struct Written {
    /// `None`: it could not be.
    cost: Option<usize>,
    when: Instant,
}

impl Costs {
    /// Writes until it is dropped.
    pub(crate) async fn run(self) {
        let pods = self.cluster.api::<Pod>();
        let mut written: HashMap<String, Written> = HashMap::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = false;
        loop {
            look.tick().await;
            if !*self.leader.borrow() {
                // Whoever leads writes; what we know of it is old when we lead again.
                written.clear();
                continue;
            }
            let view = self.pool.view();
            written.retain(|name, _| view.iter().any(|(_, worker)| worker.name == *name));
            for (_, worker) in view.iter().filter(|(_, worker)| is_pod_name(&worker.name)) {
                let cost = worker.jobs.len();
                if !is_due(written.get(&worker.name), cost, Instant::now()) {
                    continue;
                }
                let annotations = Patch::Merge(json!({"metadata": {"annotations": {ANNOTATION: cost.to_string()}}}));
                let params = PatchParams::default();
                let patch = pods.patch_metadata(&worker.name, &params, &annotations);
                let why = match tokio::time::timeout(ANSWER, patch).await {
                    Ok(Ok(_)) => None,
                    Ok(Err(error)) => Some(cluster::why(&error)),
                    Err(_) => Some("no answer in time".to_owned()),
                };
                match &why {
                    Some(why) if told => debug!(worker = worker.name, why, "deletion cost not written"),
                    Some(why) => warn!(worker = worker.name, why, "deletion cost not written"),
                    None => debug!(worker = worker.name, cost, "deletion cost written"),
                }
                told = why.is_some();
                let cost = if why.is_some() { None } else { Some(cost) };
                written.insert(worker.name.clone(), Written { cost, when: Instant::now() });
            }
        }
    }
}

fn is_due(written: Option<&Written>, cost: usize, now: Instant) -> bool {
    let Some(written) = written else { return true };
    match written.cost {
        Some(old) if old == cost => false,
        Some(old) if (old == 0) != (cost == 0) => true,
        _ => now.duration_since(written.when) >= PAUSE,
    }
}

/// It becomes a part of a path: whatever is no name of a pod must not.
fn is_pod_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    (1..=253).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_and_idle_are_written_at_once_and_other_numbers_seldom() {
        let now = Instant::now();
        for (old, cost, after, due) in [
            (None, 0, Duration::ZERO, false),
            (None, 0, PAUSE, true),
            (Some(0), 0, PAUSE, false),
            (Some(0), 1, Duration::ZERO, true),
            (Some(3), 0, Duration::ZERO, true),
            (Some(3), 4, Duration::ZERO, false),
            (Some(3), 4, PAUSE, true),
        ] {
            let written = Written { cost: old, when: now };
            assert_eq!(is_due(Some(&written), cost, now + after), due, "{old:?} {cost} {after:?}");
        }
        assert!(is_due(None, 0, now));
    }

    #[test]
    fn only_names_of_pods_become_a_path() {
        assert!(is_pod_name("transcoder-5d9c7b-x2x"));
        for name in ["", "../secrets", "a/b", "a?b", "UPPER", "..", "a b"] {
            assert!(!is_pod_name(name), "{name}");
        }
    }
}
