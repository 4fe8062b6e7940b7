//! What workers are asked to do, and in which order which worker is asked.
//!
//! A worker's refusal moves on to the next candidate; what another worker could not do better is final.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use runtime::trace;
use tracing::{Instrument, debug, info, info_span};

use super::books::Books;
use super::{Desk, RETRY};
use crate::metrics::Placement;
use crate::placement::{MemberId, Plan, View, Worker};
use crate::policy::{self, AllowedSource};
use crate::refusal::{Code, Refusal};
use crate::stream::{Media, StreamKey, Viewer};
use crate::wire;
use crate::worker::{Client, Failure, Start, Stop};

/// What a worker is asked.
#[derive(Clone, Copy)]
enum Errand<'a> {
    Describe { session: &'a str, until: Instant },
    Play(&'a Viewer),
}

impl Errand<'_> {
    async fn run(self, client: &Client, start: &Start<'_>) -> Result<Option<Media>, Failure> {
        match self {
            Self::Describe { session, until } => {
                let left = until.saturating_duration_since(Instant::now());
                client.describe(start, session, left).await.map(Some)
            }
            Self::Play(viewer) => client.play(start, viewer).await.map(|()| None),
        }
    }
}

/// Where a stream was placed.
struct Placed {
    member: MemberId,
    name: String,
    media: Option<Media>,
}

impl Desk {
    pub(super) async fn describe(&self, source: &AllowedSource, session: &str) -> Result<Bytes, Refusal> {
        let until = Instant::now() + self.parts.describe_timeout;
        let placed = self.place(source, Errand::Describe { session, until }).await?;
        let media = placed.media.ok_or_else(|| Refusal::new(Code::Internal, "the transcoder gave no description"))?;
        Ok(wire::describe(source.key(), &self.parts.topics.live(source.key()), &media, &placed.name))
    }

    pub(super) async fn play(&self, source: &AllowedSource, viewer: &Viewer) -> Result<(), Refusal> {
        let placed = self.place(source, Errand::Play(viewer)).await?;
        self.books().watches(&viewer.reply_topic, placed.member, Instant::now());
        info!(worker = placed.name, "playing");
        Ok(())
    }

    /// Confirms a viewer with the worker that has it.
    pub(super) async fn refresh(&self, source: &AllowedSource, viewer: &Viewer) -> Result<(), Refusal> {
        let unknown = || Refusal::bad_request("this viewer is not known (any more); send play again");
        let live_topic = self.parts.topics.live(source.key());
        let start = Start { source, login: None, live_topic: &live_topic };
        let plan = self.books().seeing(&self.parts.pool).plan(source.key());
        let running = plan.running();
        for member in plan.take(running) {
            let Some(client) = self.parts.pool.client(&member) else { continue };
            match client.refresh(&start, viewer).await {
                Ok(()) => return Ok(()),
                Err(Failure::Final(refusal)) => return Err(refusal),
                Err(_) => {}
            }
        }
        Err(unknown())
    }

    /// Removes the viewer on `reply_topic` wherever it may be.
    pub(super) async fn stop(&self, reply_topic: &str) {
        let recent = self.books().watched(reply_topic, Instant::now());
        let mut members: BTreeSet<MemberId> = recent.into_iter().collect();
        members.extend(self.books().seeing(&self.parts.pool).serving(reply_topic).cloned());
        self.stop_at(Stop::Viewer(reply_topic.to_owned()), members).await;
    }

    /// Removes the viewers of `source` that speak `client/*`.
    pub(super) async fn stop_source(&self, source: &str) {
        let placed = self.books().fleet.placed(source, Instant::now());
        let mut members: BTreeSet<MemberId> = placed.into_iter().collect();
        let runs = |worker: &Worker| worker.jobs.keys().any(|key| key.source == source);
        let view = self.parts.pool.view();
        members.extend(view.iter().filter(|(_, worker)| runs(worker)).map(|(member, _)| member.clone()));
        self.stop_at(Stop::ClientDialect(source.to_owned()), members).await;
    }

    /// Ends the streams of entries that are no longer allowed, or mean another camera now.
    pub(super) async fn withdraw(&self, entries: &[String]) {
        for (member, worker) in self.parts.pool.view().iter() {
            let Some(client) = self.parts.pool.client(member) else { continue };
            let keys = worker.jobs.keys().map(|key| key.source.as_str());
            let sources: BTreeSet<&str> = keys.filter(|source| policy::comes_from(source, entries)).collect();
            for source in sources {
                let stopped = client.stop(Stop::NotAllowed(source.to_owned())).await;
                info!(source, worker = worker.name, ?stopped, "source withdrawn");
            }
        }
    }

    /// Ends the streams that no entry allows.
    pub(super) async fn withdraw_unlisted(&self) {
        let catalog = self.parts.catalog.load_full();
        let unlisted: BTreeSet<String> = self
            .parts
            .pool
            .view()
            .iter()
            .flat_map(|(_, worker)| worker.jobs.keys())
            .map(|key| policy::entry_of(&key.source))
            .filter(|entry| catalog.by_name(entry).is_none())
            .map(str::to_owned)
            .collect();
        if !unlisted.is_empty() {
            self.withdraw(&unlisted.into_iter().collect::<Vec<_>>()).await;
        }
    }

    /// Asks these members; if there are none, everyone.
    async fn stop_at(&self, stop: Stop, mut members: BTreeSet<MemberId>) {
        if members.is_empty() {
            members.extend(self.parts.pool.view().iter().map(|(member, _)| member.clone()));
        }
        let clients = members.iter().filter_map(|member| self.parts.pool.client(member));
        let stopped = join_all(clients.map(|client| {
            let stop = stop.clone();
            async move { client.stop(stop).await }
        }))
        .await;
        debug!(?stopped, "stopped");
    }

    /// Tries the candidates in order until one takes the stream.
    async fn place(&self, source: &AllowedSource, errand: Errand<'_>) -> Result<Placed, Refusal> {
        let span = info_span!(target: trace::TARGET, "placement", worker = tracing::field::Empty);
        let placed = self.try_candidates(source, errand).instrument(span.clone()).await;
        match &placed {
            Ok(placed) => drop(span.record("worker", placed.name.as_str())),
            Err(refusal) => trace::failed(&span, refusal.code.as_str()),
        }
        placed
    }

    async fn try_candidates(&self, source: &AllowedSource, errand: Errand<'_>) -> Result<Placed, Refusal> {
        let login = self.login(source).await?;
        let live_topic = self.parts.topics.live(source.key());
        let start = Start { source, login: login.as_ref(), live_topic: &live_topic };
        let workers = self.parts.pool.view();
        let plan = self.plan_and_note(source.key());
        let running = plan.running();
        let mut retry_after: Option<Duration> = None;
        let (mut candidates, mut draining) = (0, 0);
        for (nth, member) in plan.enumerate() {
            candidates += 1;
            let Some(client) = self.parts.pool.client(&member) else { continue };
            self.books().fleet.place(source.key(), &member, Instant::now());
            let failure = match errand.run(&client, &start).await {
                Ok(media) => {
                    self.parts.metrics.placement(Placement::Placed);
                    return Ok(Placed { name: name_of(&member, &workers), member, media });
                }
                Err(failure) => failure,
            };
            self.books().fleet.refused(source.key(), &member);
            debug!(worker = %member, ?failure, "not placed");
            match failure {
                Failure::Full(after) => {
                    self.parts.metrics.placement(Placement::Full);
                    retry_after = retry_after.max(after);
                    // It runs the stream and lets nobody else in; on another worker the stream would run twice.
                    if nth < running {
                        let text = "this source has all the viewers that it may have; try again later";
                        return Err(Refusal::no_capacity(text, after.unwrap_or(RETRY)));
                    }
                }
                Failure::Draining => {
                    draining += 1;
                    self.parts.metrics.placement(Placement::Unavailable);
                }
                Failure::Unavailable | Failure::Unknown => self.parts.metrics.placement(Placement::Unavailable),
                Failure::Final(refusal) => {
                    self.parts.metrics.placement(Placement::Failed);
                    return Err(refusal);
                }
            }
        }
        self.parts.metrics.placement(Placement::Nobody);
        if draining > 0 && draining == candidates {
            let text = "the transcoder that runs this source is shutting down and there is no other; try again soon";
            return Err(Refusal { retry_after: Some(RETRY), ..Refusal::new(Code::Draining, text) });
        }
        let text = if workers.is_empty() {
            "no transcoder is running right now; try again in a few seconds"
        } else {
            "all transcoders are busy; try again in a few seconds"
        };
        Err(Refusal::no_capacity(text, retry_after.unwrap_or(RETRY)))
    }

    /// Plans and notes the first choice under one lock, so that a request a moment later sees it.
    fn plan_and_note(&self, key: &StreamKey) -> Plan {
        let mut books = self.books();
        let fleet = books.seeing(&self.parts.pool);
        let plan = fleet.plan(key);
        if let Some(first) = plan.first() {
            fleet.place(key, first, Instant::now());
        }
        plan
    }

    /// Where streams and viewers are, as far as this process knows.
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_of(member: &MemberId, workers: &View) -> String {
    let place = workers.binary_search_by(|(id, _)| id.cmp(member));
    place.map_or_else(|_| member.to_string(), |place| workers[place].1.name.clone())
}
