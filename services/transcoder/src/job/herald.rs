//! What is told to viewers of one stream, and what the broker's acknowledgements say of them.
//!
//! Every report is QoS 1. A full queue or a lost connection loses it: the next one says the same and is newer. What is under
//! way is bounded by the broker's queue, as nothing is under way that it did not take.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use runtime::broker::{Outcome, Pending, PublishError};
use tracing::debug;

use crate::failure::Failure;
use crate::fanout::Evidence;
use crate::fence::{self, Claim};
use crate::job::life::State;
use crate::job::rate::Rate;
use crate::job::report::About;
use crate::muxer::Media;
use crate::publisher::Publisher;
use crate::stream::Spec;
use crate::viewers::{Delivery, Viewer};

/// The broker forgets by itself what it retains, should we not come to clear it.
const RETAINED_FOR: Duration = Duration::from_mins(1);
/// How long the last reports may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// Of whose presence an acknowledgement tells.
#[derive(Debug)]
pub(super) enum Subject {
    /// Of anybody's who follows the stream, counted as a viewer or not.
    Anybody,
    /// Of a viewer's, by its status.
    Viewer(String),
    /// Of a viewer's, by a GOP.
    ReplyViewer(String),
    /// Of nobody's: the last byte of a keyframe went to the network that came out of ffmpeg then.
    Keyframe(SystemTime),
    /// Of nobody's.
    Nobody,
}

/// What became of something.
pub(super) type Answer = (Subject, Result<Outcome, PublishError>);

/// How the stream is doing, as viewers are told.
#[derive(Debug, Clone)]
pub(super) struct News {
    /// Where it is in its life.
    pub(super) state: State,
    /// The present generation, or the last one; zero before the first.
    pub(super) generation: u64,
    /// Why it does not flow.
    pub(super) failure: Option<Failure>,
}

/// Tells, and listens for answers.
pub(super) struct Herald {
    publisher: Publisher,
    spec: Arc<Spec>,
    worker: Arc<str>,
    pending: FuturesUnordered<BoxFuture<'static, Answer>>,
}

impl Herald {
    /// For one stream on this worker.
    pub(super) fn new(publisher: Publisher, spec: Arc<Spec>, worker: Arc<str>) -> Self {
        Self { publisher, spec, worker, pending: FuturesUnordered::new() }
    }

    /// To one viewer.
    pub(super) fn status(&mut self, viewer: &Viewer, news: &News) {
        // A reply viewer need not read its status, so nothing follows from its not doing so.
        let subject = match viewer.delivery {
            Delivery::Live => Subject::Viewer(viewer.reply_topic.clone()),
            Delivery::Reply => Subject::Nobody,
        };
        let status = self.about(news.generation).status(news.state, &viewer.session, news.failure.as_ref());
        let pending = self.publisher.report(status_topic(viewer), &status);
        self.expect(subject, pending);
    }

    /// To one viewer, for the last time. Without a failure it was its own wish.
    pub(super) fn ended(&mut self, viewer: &Viewer, generation: u64, failure: Option<&Failure>) {
        let ended = self.about(generation).ended(&viewer.session, failure);
        let pending = self.publisher.report(status_topic(viewer), &ended);
        self.expect(Subject::Nobody, pending);
    }

    /// To all.
    pub(super) fn tick(&mut self, news: &News, rate: &Rate, viewers: usize, restarts: u32) {
        let tick = self.about(news.generation).tick(news.state, rate, viewers, restarts);
        let pending = self.publisher.report(self.topic("tick"), &tick);
        self.expect(Subject::Anybody, pending);
    }

    /// To all, and to those who come later.
    pub(super) fn retain(&mut self, news: &News, media: Option<&Media>) {
        let retained = self.about(news.generation).retained(news.state, media);
        let claim = Claim::new(&self.spec.live_topic, &self.worker, news.generation);
        let pending = self.publisher.claim(&claim, &retained, RETAINED_FOR);
        self.expect(Subject::Nobody, pending);
    }

    /// There is nothing to be told to those who come later.
    pub(super) fn clear(&mut self) {
        let pending = self.publisher.clear(fence::topic(&self.spec.live_topic));
        self.expect(Subject::Nobody, pending);
    }

    /// Listens to what becomes of GOPs, too.
    pub(super) fn listen(&mut self, gops: Evidence) {
        for (reply_topic, pending) in gops {
            self.await_outcome(Subject::ReplyViewer(reply_topic), pending);
        }
    }

    /// Listens to when a keyframe is out that came out of ffmpeg `at` that time.
    pub(super) fn time(&mut self, keyframe: Pending, at: SystemTime) {
        self.await_outcome(Subject::Keyframe(at), keyframe);
    }

    /// The next answer. Cancel-safe.
    pub(super) async fn next(&mut self) -> Answer {
        match self.pending.next().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// Waits, though not for long, until everything is out.
    pub(super) async fn finish(mut self) {
        let all = async { while self.pending.next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            debug!("the last reports are still under way");
        }
    }

    fn expect(&mut self, subject: Subject, pending: Result<Pending, PublishError>) {
        match pending {
            Ok(pending) => {
                let awaited = self.publisher.awaits_ack();
                self.pending.push(Box::pin(async move {
                    let outcome = pending.outcome().await;
                    if outcome.is_ok() {
                        awaited.came();
                    }
                    (subject, outcome)
                }));
            }
            Err(error) => debug!(%error, ?subject, "a report was not published"),
        }
    }

    fn await_outcome(&mut self, subject: Subject, pending: Pending) {
        self.pending.push(Box::pin(async move { (subject, pending.outcome().await) }));
    }

    fn about(&self, generation: u64) -> About<'_> {
        About { spec: &self.spec, worker: &self.worker, generation }
    }

    fn topic(&self, below: &str) -> String {
        format!("{}/{below}", self.spec.live_topic)
    }
}

fn status_topic(viewer: &Viewer) -> String {
    format!("{}/status", viewer.reply_topic)
}
