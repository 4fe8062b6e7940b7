//! What the objects say about themselves: the leader writes their status, from what the workers report.
//!
//! [`describe`] is pure; [`Writer`] compares what it says with what was written last, and writes an object at most once in
//! [`PAUSE`]. A status is only ever an answer: nothing here reads one to decide anything but when a condition changed, and a
//! status that cannot be written is tried again at the next look.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, warn};

use super::objects::{Judged, Verdict};
use super::resource::{VideoSource, VideoSourceStatus};
use crate::cluster::{self, Cluster};
use crate::placement::{MemberId, Worker};
use crate::policy;
use crate::pool::Pool;
use crate::stream::{Failure, Health, SOURCE_PROFILE, StreamKey};

/// How often the workers' reports are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// An object is written at most this often: viewers come and go faster than anybody reads.
const PAUSE: Duration = Duration::from_secs(3);
/// How often it is looked whether the login of an object can be read: one that can, and one that cannot.
const LOGIN: Duration = Duration::from_mins(1);
const MISSING_LOGIN: Duration = Duration::from_secs(5);
/// How long one write may take.
const ANSWER: Duration = Duration::from_secs(2);
/// Under this name we own the fields of a status, whichever replica leads.
const MANAGER: &str = "mqtt-video-gatekeeper";
const READY: &str = "Ready";
/// A measured frame rate changes by this much before it is written again, so that one between two numbers does not flap.
const FRAME_RATE_STEP: f64 = 0.75;

/// What the writer works with.
pub(crate) struct Writer {
    /// Where the objects are.
    pub(crate) cluster: Cluster,
    /// The objects, and what became of each.
    pub(crate) judged: watch::Receiver<Judged>,
    /// The workers.
    pub(crate) pool: Pool,
    /// Whether we write at all.
    pub(crate) leader: watch::Receiver<bool>,
}

/// What is known of one object.
#[derive(Default)]
struct Known {
    uid: Option<String>,
    status: Option<VideoSourceStatus>,
    written: Option<Instant>,
    /// Failures after that are news.
    looked: Option<SystemTime>,
    login: Option<(Instant, Option<String>)>,
}

impl Writer {
    /// Writes until it is dropped.
    pub(crate) async fn run(self) {
        let api = self.cluster.api::<VideoSource>();
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = false;
        loop {
            look.tick().await;
            if !*self.leader.borrow() {
                // Whoever leads writes; what we know of it is old when we lead again.
                known.clear();
                continue;
            }
            let Judged { objects, verdicts } = self.judged.borrow().clone();
            known.retain(|name, known| objects.get(name).is_some_and(|object| object.uid() == known.uid));
            let view = self.pool.view();
            let mut failed = None;
            for (name, object) in objects.iter() {
                let Some(verdict) = verdicts.get(name) else { continue };
                let known = known.entry(name.clone()).or_default();
                known.uid = object.uid();
                let login = self.login(object, known).await;
                let previous = known.status.as_ref().or(object.status.as_ref());
                let now = Timestamp::now();
                let since = *known.looked.get_or_insert_with(|| begins(object, now));
                let status = describe(object, verdict, login.as_deref(), &view, previous, since, now);
                if known.written.is_some_and(|written| written.elapsed() < PAUSE) {
                    continue;
                }
                if known.status.as_ref() == Some(&status) {
                    known.looked = Some(now.into());
                    continue;
                }
                known.written = Some(Instant::now());
                match tokio::time::timeout(ANSWER, write(&api, object, &status)).await {
                    Ok(Ok(())) => {
                        known.status = Some(status);
                        known.looked = Some(now.into());
                    }
                    Ok(Err(error)) => failed = Some(cluster::why(&error)),
                    Err(_) => failed = Some("no answer in time".to_owned()),
                }
                if failed.is_some() {
                    break;
                }
            }
            match &failed {
                Some(why) if told => debug!(why, "status of a video source not written"),
                Some(why) => warn!(why, "status of a video source not written"),
                None => {}
            }
            told = failed.is_some();
        }
    }

    /// Why the login of an object cannot be read, if it cannot.
    async fn login(&self, object: &VideoSource, known: &mut Known) -> Option<String> {
        let secret = &object.spec.credentials.as_ref()?.secret_ref;
        if let Some((when, problem)) = &known.login
            && when.elapsed() < if problem.is_some() { MISSING_LOGIN } else { LOGIN }
        {
            return problem.clone();
        }
        let problem = secret.read(Some(&self.cluster)).await.err().map(|error| error.to_string());
        known.login = Some((Instant::now(), problem.clone()));
        problem
    }
}

async fn write(api: &Api<VideoSource>, object: &VideoSource, status: &VideoSourceStatus) -> Result<(), kube::Error> {
    let name = object.name_any();
    let patch = json!({
        "apiVersion": VideoSource::api_version(&()),
        "kind": VideoSource::kind(&()),
        // Not that of another object that has this name by now.
        "metadata": {"name": name, "uid": object.uid()},
        "status": status,
    });
    let written = api.patch_status(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(patch)).await;
    match written {
        // It is gone, or another; the list will say so.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        written => written.map(drop),
    }
}

/// From when on failures are news: of an object that has no status yet since it exists, of others since we lead.
fn begins(object: &VideoSource, now: Timestamp) -> SystemTime {
    let created = object.metadata.creation_timestamp.as_ref().filter(|_| object.status.is_none());
    created.map_or(now, |created| created.0).into()
}

/// What an object's status is. `login` says why its login cannot be read; `previous` is what the status was `since`.
fn describe(
    object: &VideoSource,
    verdict: &Verdict,
    login: Option<&str>,
    view: &[(MemberId, Arc<Worker>)],
    previous: Option<&VideoSourceStatus>,
    since: SystemTime,
    now: Timestamp,
) -> VideoSourceStatus {
    let name = object.name_any();
    let mut streams: Vec<(&StreamKey, &Worker)> = view
        .iter()
        .flat_map(|(_, worker)| worker.jobs.keys().map(|key| (key.as_ref(), worker.as_ref())))
        .filter(|(key, _)| policy::entry_of(&key.source) == name)
        .collect();
    // What comes first speaks for the source: as the camera sends it rather than transcoded, and always the same.
    streams.sort_by_key(|(key, worker)| (key.profile != SOURCE_PROFILE, *key, worker.name.as_str()));
    let health: Vec<&Health> =
        streams.iter().filter_map(|(key, worker)| worker.jobs.get(*key)).map(|job| &job.health).collect();
    let media = health.iter().find_map(|health| health.media.as_ref());
    let mut workers: Vec<&str> = streams.iter().map(|(_, worker)| worker.name.as_str()).collect();
    workers.sort_unstable();
    workers.dedup();

    let changed = previous.is_none_or(|previous| previous.observed_generation != object.metadata.generation);
    let previous = previous.filter(|_| !changed);
    let ended = view.iter().flat_map(|(_, worker)| &worker.failed);
    let ended = ended.filter(|(key, (_, heard))| policy::entry_of(&key.source) == name && *heard > since);
    let ended = ended.max_by_key(|(_, (_, heard))| *heard).map(|(_, (failure, _))| *failure);
    let failure = health.iter().find_map(|health| health.failure).or(ended);
    let live = health.iter().any(|health| health.live());
    let last_error = match failure {
        _ if live => None,
        Some(failure) => Some(text(failure).to_owned()),
        // Nobody tries just now; the last word stands.
        None => previous.and_then(|previous| previous.last_error.clone()),
    };
    let (status, reason, message) = match (verdict, login, &last_error) {
        (Verdict::Invalid(why), ..) => ("False", "Invalid", why.as_str()),
        (Verdict::NameConflict, ..) => {
            ("False", "NameConflict", "the file of sources has an entry of this name; rename one of them")
        }
        (Verdict::Accepted, Some(why), _) => ("False", "SecretMissing", why),
        (Verdict::Accepted, None, Some(why)) => ("False", reason_of(why), why.as_str()),
        (Verdict::Accepted, None, None) if live => ("True", "Live", "it runs"),
        (Verdict::Accepted, None, None) => ("True", "Accepted", "it can be played"),
    };
    let since = previous.and_then(ready).filter(|ready| ready.status == status);
    let ready = Condition {
        type_: READY.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: object.metadata.generation,
        last_transition_time: since.map_or(Time(now), |ready| ready.last_transition_time.clone()),
    };
    let measured = health.iter().find_map(|health| health.frame_rate);
    VideoSourceStatus {
        conditions: vec![ready],
        observed_generation: object.metadata.generation,
        codec: media.map(|media| {
            let audio = media.audio.as_ref().map(|audio| format!(", {}", audio.codec)).unwrap_or_default();
            format!("{}{audio}", media.video.codec)
        }),
        size: media.map(|media| format!("{}x{}", media.video.width, media.video.height)),
        frame_rate: measured.map(|rate| steady(rate, previous.and_then(|previous| previous.frame_rate))),
        viewers: streams
            .iter()
            .filter_map(|(key, worker)| worker.jobs.get(*key))
            .map(|job| job.viewers.len() as i32)
            .sum(),
        worker: (!workers.is_empty()).then(|| workers.join(",")),
        last_error,
    }
}

fn ready(status: &VideoSourceStatus) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.type_ == READY)
}

/// What is said of a failure.
fn text(failure: Failure) -> &'static str {
    match failure {
        Failure::Unreachable => "the camera does not answer, or does not have the path",
        Failure::Unauthorized => "the camera refuses the login",
        Failure::UnsupportedCodec => "the camera sends nothing that a browser could play",
        Failure::Other => "it cannot be played; the log of the transcoder says why",
    }
}

/// The reason that goes with what is said, which may stand in an older status.
fn reason_of(said: &str) -> &'static str {
    let reasons = [
        (Failure::Unreachable, "SourceUnreachable"),
        (Failure::Unauthorized, "SourceUnauthorized"),
        (Failure::UnsupportedCodec, "UnsupportedCodec"),
    ];
    reasons.iter().find(|(failure, _)| text(*failure) == said).map_or("SourceFailed", |(_, reason)| *reason)
}

fn steady(rate: f64, previous: Option<i32>) -> i32 {
    match previous {
        Some(previous) if (rate - f64::from(previous)).abs() < FRAME_RATE_STEP => previous,
        _ => rate.round() as i32,
    }
}

#[cfg(test)]
mod tests;
