//! What a service still waits for before it can do its job.
//!
//! `/ready` and gRPC health read it; whoever owns a condition sets it. Liveness is something else: a process whose
//! broker is down is alive, and restarting it would not help.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Named conditions, each met or not met for a reason. Clones share their state.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, Result<(), String>>>>);

impl Readiness {
    /// All `conditions` start out not met.
    pub fn new(conditions: &[&'static str]) -> Self {
        let unmet = conditions.iter().map(|name| (*name, Err("not yet".to_owned()))).collect();
        Self(Arc::new(Mutex::new(unmet)))
    }

    /// Records whether `condition` is met; adds it if it is new.
    pub fn set(&self, condition: &'static str, state: Result<(), String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(condition, state);
    }

    /// Gives the reason why `condition` is not met yet; one that is met stays so.
    pub fn explain(&self, condition: &'static str, why: String) {
        let mut conditions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(reason)) = conditions.get_mut(condition) {
            *reason = why;
        }
    }

    /// The conditions that are not met, each with its reason.
    ///
    /// # Errors
    /// When there is at least one.
    pub fn check(&self) -> Result<(), Vec<(&'static str, String)>> {
        let conditions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unmet: Vec<_> =
            conditions.iter().filter_map(|(name, state)| Some((*name, state.as_ref().err()?.clone()))).collect();
        if unmet.is_empty() { Ok(()) } else { Err(unmet) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_once_every_condition_is_met() {
        let readiness = Readiness::new(&["broker", "grpc"]);
        readiness.set("broker", Ok(()));
        assert_eq!(readiness.check(), Err(vec![("grpc", "not yet".to_owned())]));
        readiness.set("grpc", Ok(()));
        assert_eq!(readiness.check(), Ok(()));
        readiness.set("broker", Err("connection refused".to_owned()));
        assert_eq!(readiness.check(), Err(vec![("broker", "connection refused".to_owned())]));
    }

    #[test]
    fn an_explanation_takes_nothing_back() {
        let readiness = Readiness::new(&["broker"]);
        readiness.explain("broker", "connection refused".to_owned());
        assert_eq!(readiness.check(), Err(vec![("broker", "connection refused".to_owned())]));
        readiness.set("broker", Ok(()));
        readiness.explain("broker", "connection reset".to_owned());
        assert_eq!(readiness.check(), Ok(()));
    }
}
