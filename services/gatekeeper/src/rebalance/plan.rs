//! What has to be moved, as the view stands. Pure.

use std::sync::Arc;

use crate::placement::{Fleet, Job, MemberId};
use crate::stream::{StreamKey, Viewer};

/// Why a stream has to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Its worker is gone: nothing is seen until it runs elsewhere.
    Lost,
    /// Its worker is on its way out.
    Draining,
}

impl Cause {
    /// As metrics and logs spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Draining => "draining",
        }
    }
}

/// A stream that has to be moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Which.
    pub key: Arc<StreamKey>,
    /// Why.
    pub cause: Cause,
    /// Where it ran, or runs.
    pub from: MemberId,
    /// The stream, with the viewers that have to be served elsewhere: perhaps none.
    pub job: Arc<Job>,
    /// How often that was tried in vain.
    pub failures: u32,
}

impl Task {
    /// The worker that gives the stream away and so cannot be its next. One that was lost and is back can.
    pub fn giver(&self) -> Option<&MemberId> {
        (self.cause == Cause::Draining).then_some(&self.from)
    }
}

/// What has to be moved, the most urgent first: who sees nothing before who still sees something; then what was tried the
/// fewest times, so that cameras that do not answer hold up nobody else's; then the stream that most watch.
pub fn plan(
    fleet: &Fleet,
    lost: &[(MemberId, Arc<StreamKey>, Arc<Job>)],
    failures: impl Fn(&StreamKey) -> u32,
) -> Vec<Task> {
    let lost = lost.iter().map(|(from, key, job)| Task {
        key: key.clone(),
        cause: Cause::Lost,
        from: from.clone(),
        job: unserved(job, fleet),
        failures: failures(key),
    });
    let draining = fleet.draining().flat_map(|(from, worker)| {
        let watched = worker.jobs.iter().filter(|(_, job)| !job.viewers.is_empty());
        watched.map(|(key, job)| Task {
            key: key.clone(),
            cause: Cause::Draining,
            from: from.clone(),
            job: job.clone(),
            failures: failures(key),
        })
    });
    let mut tasks: Vec<_> = lost.chain(draining).collect();
    tasks.sort_by(|a, b| {
        let rank = |task: &Task| (task.cause, task.failures, std::cmp::Reverse(task.job.viewers.len()));
        rank(a).cmp(&rank(b)).then_with(|| a.key.cmp(&b.key))
    });
    tasks
}

/// Without the viewers that asked again, of whom some worker knows by now.
fn unserved(job: &Arc<Job>, fleet: &Fleet) -> Arc<Job> {
    let waits = |viewer: &&Viewer| fleet.serving(&viewer.reply_topic).next().is_none();
    if job.viewers.iter().all(|viewer| waits(&viewer)) {
        return job.clone();
    }
    Arc::new(Job { viewers: job.viewers.iter().filter(waits).cloned().collect(), ..Job::clone(job) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Worker;
    use crate::stream::{Delivery, Dialect};

    fn key(source: &str) -> Arc<StreamKey> {
        Arc::new(StreamKey { source: source.to_owned(), profile: "source".to_owned() })
    }

    fn job(viewers: &[&str]) -> Arc<Job> {
        let viewer = |topic: &&str| Viewer {
            reply_topic: (*topic).to_owned(),
            delivery: Delivery::Live,
            dialect: Dialect::Video,
            session: String::new(),
            video_only: false,
        };
        Arc::new(Job { viewers: viewers.iter().map(viewer).collect(), ..Job::default() })
    }

    fn worker(name: &str, draining: bool, jobs: &[(&str, &[&str])]) -> (MemberId, Arc<Worker>) {
        let jobs = jobs.iter().map(|(source, viewers)| (key(source), job(viewers))).collect();
        (name.into(), Arc::new(Worker { name: name.to_owned(), draining, jobs, ..Worker::default() }))
    }

    fn planned(ready: &[(MemberId, Arc<Worker>)], lost: &[(MemberId, Arc<StreamKey>, Arc<Job>)]) -> Vec<Task> {
        let mut fleet = Fleet::default();
        fleet.see(&ready.into());
        plan(&fleet, lost, |_| 0)
    }

    /// Stream, cause, worker and number of viewers of each task.
    fn told(tasks: &[Task]) -> Vec<(&str, Cause, &str, usize)> {
        tasks.iter().map(|task| (&*task.key.source, task.cause, &*task.from, task.job.viewers.len())).collect()
    }

    #[test]
    fn a_pool_in_good_health_is_left_alone() {
        assert_eq!(planned(&[worker("a", false, &[("x", &["v1"])]), worker("b", false, &[])], &[]), []);
    }

    #[test]
    fn what_is_watched_on_a_draining_worker_moves_and_the_rest_ends_by_itself() {
        let ready = [worker("a", true, &[("x", &["v1"]), ("idle", &[])]), worker("b", false, &[("y", &["v2"])])];
        assert_eq!(told(&planned(&ready, &[])), [("x", Cause::Draining, "a", 1)]);
    }

    #[test]
    fn who_sees_nothing_comes_first_and_then_the_stream_that_most_watch() {
        let ready = [worker("a", true, &[("x", &["v1"]), ("y", &["v2", "v3"])])];
        let lost = [("b".into(), key("z"), job(&["v4"]))];
        let expected = [("z", Cause::Lost, "b", 1), ("y", Cause::Draining, "a", 2), ("x", Cause::Draining, "a", 1)];
        assert_eq!(told(&planned(&ready, &lost)), expected);
    }

    #[test]
    fn what_was_not_tried_yet_comes_before_what_failed() {
        let lost =
            ["x", "y", "z"].map(|source| ("b".into(), key(source), job(&["v1", "v2"][..=usize::from(source < "z")])));
        let failures = |key: &StreamKey| if key.source == "x" { 3 } else { 0 };
        let order: Vec<_> = plan(&Fleet::default(), &lost, failures).into_iter().map(|task| task.key).collect();
        assert_eq!(order, ["y", "z", "x"].map(key));
    }

    #[test]
    fn who_asked_again_by_itself_is_not_taken_over() {
        let ready = [worker("a", false, &[("x", &["v1"]), ("y", &["v3"])])];
        let lost = [("b".into(), key("x"), job(&["v1", "v2", "v3"])), ("b".into(), key("z"), job(&["v3"]))];
        // v1 asked for the same stream, v3 for another: only v2 is without a picture.
        let expected = [("x", Cause::Lost, "b", 1), ("z", Cause::Lost, "b", 0)];
        assert_eq!(told(&planned(&ready, &lost)), expected);
    }
}
