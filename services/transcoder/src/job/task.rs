//! The loop of a job: takes whatever happens next, asks the pure parts what follows, and does it.
//!
//! What it is asked for is answered in [`commands`], what its source gives goes out in [`media`], and [`upkeep`] is what has
//! to be done in any case. What follows from whatever it was is decided here.

mod commands;
mod media;
mod upkeep;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime::broker::Subscription;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::herald::{Herald, News};
use super::report;
use super::starting::Starting;
use super::{Answer, Cause, Command, Ended, Shared};
use crate::board::{Entry, Stream};
use crate::failure::{Code, Failure};
use crate::fanout::Fanout;
use crate::ffmpeg::feed::Feed;
use crate::job::life::Life;
use crate::job::rate::Rate;
use crate::metrics::StreamFigures;
use crate::muxer::{Media, Muxer, Start};
use crate::stream::Spec;
use crate::timeline::Ticks;
use crate::viewers::{Viewer, Viewers, Whom};

const SECOND: Duration = Duration::from_secs(1);

/// A stream.
pub(super) struct Job {
    shared: Shared,
    spec: Arc<Spec>,
    entry: Entry,
    life: Life,
    feed: Feed,
    muxer: Muxer,
    fanout: Fanout,
    viewers: Viewers,
    /// Somebody has subscribed to the tick, viewer or not.
    passive: bool,
    waiting: Vec<Waiting>,
    herald: Herald,
    /// Hears who else says that it publishes the stream.
    _claims: Subscription,
    rate: Rate,
    /// Why there is no media now.
    failure: Option<Failure>,
    restarts: u32,
    /// A run began whose first keyframe is not out.
    run_began: bool,
    /// When the stream was asked for, as long as it never had a picture.
    asked: Option<Instant>,
    /// When the last keyframe is due, in units of 1/90000 s.
    last_keyframe: Option<Ticks>,
    figures: Option<StreamFigures>,
    starting: Starting,
    /// What viewers were told last.
    announced: Option<(&'static str, u64, Option<Code>)>,
    connected: bool,
    seconds: u32,
}

/// Somebody who waits for the first keyframe.
struct Waiting {
    adopts: Vec<Viewer>,
    answer: Answer<Result<Media, Failure>>,
}

impl Job {
    /// A job whose first run of ffmpeg begins when it is run.
    pub(super) fn new(shared: Shared, spec: Arc<Spec>, cause: &Cause) -> Self {
        let now = Instant::now();
        let fanout = Fanout::new(shared.publisher.clone(), &spec, shared.max_message_bytes);
        let figures = shared.metrics.stream(&spec.key);
        let job = Self {
            life: Life::new(shared.linger, now),
            feed: Feed::new(shared.ffmpeg.clone(), spec.clone()),
            muxer: Muxer::new(Start { unix_ms: report::unix_ms(), after: cause.after }),
            entry: shared.board.entry(spec.key.clone()),
            fanout,
            herald: Herald::new(shared.publisher.clone(), spec.clone(), shared.worker.clone()),
            _claims: shared.publisher.follow_claims(&spec.live_topic),
            shared,
            spec,
            viewers: Viewers::default(),
            passive: false,
            waiting: Vec::new(),
            rate: Rate::default(),
            failure: None,
            restarts: 0,
            run_began: false,
            asked: Some(now),
            last_keyframe: None,
            figures,
            starting: Starting::new(cause.trace.as_ref()),
            announced: None,
            connected: true,
            seconds: 0,
        };
        job.post();
        job
    }

    /// Runs it to its end.
    pub(super) async fn run(mut self, mut mailbox: mpsc::Receiver<Command>, token: CancellationToken) -> Ended {
        info!("stream begins");
        let mut second = tokio::time::interval(SECOND);
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut cancelled = pin!(token.cancelled());
        self.review();
        let ended = loop {
            let over = self.life.deadline();
            let ended = tokio::select! {
                () = &mut cancelled => Some(Ended::Drained),
                command = mailbox.recv() => match command {
                    Some(command) => self.command(command),
                    None => Some(Ended::Drained),
                },
                event = self.feed.next() => self.source(event),
                answer = self.herald.next() => {
                    self.answered(answer);
                    None
                }
                _ = second.tick() => {
                    self.second();
                    None
                }
                () = until(over) => None,
            };
            self.review();
            if let Some(ended) = ended {
                break ended;
            }
            if self.life.is_over(Instant::now()) {
                break Ended::Unwatched;
            }
        };
        mailbox.close();
        // Commands that came too late; their senders ask again, and of a new job.
        while mailbox.try_recv().is_ok() {}
        self.close(&ended).await;
        ended
    }

    /// Draws the conclusions from whatever has just happened.
    fn review(&mut self) {
        self.review_watched();
        if !self.is_public() {
            return;
        }
        let state = report::to_viewers(self.life.state());
        let generation = self.generation();
        let news = (state, generation, self.failure.as_ref().map(|failure| failure.code));
        if self.announced == Some(news) {
            return;
        }
        if self.announced.is_some_and(|(before, ..)| before != state) {
            info!(old = self.announced.map(|(before, ..)| before), new = state, viewers = self.viewers.len(), "state");
        }
        self.announced = Some(news);
        let news = self.news();
        for viewer in self.viewers.iter() {
            self.herald.status(viewer, &news);
        }
        self.herald.retain(&news, self.muxer.media());
        self.post();
    }

    /// Whether the stream has something to tell. Until its first keyframe one that is only described, or taken over, has not:
    /// another worker may still be telling.
    fn is_public(&self) -> bool {
        !self.viewers.is_empty() || self.muxer.media().is_some()
    }

    fn review_watched(&mut self) {
        let before = self.life.state();
        self.life.watched(self.is_watched() || !self.waiting.is_empty(), Instant::now());
        if self.life.state() != before {
            self.post();
        }
    }

    fn is_watched(&self) -> bool {
        !self.viewers.is_empty() || self.passive
    }

    async fn close(mut self, ended: &Ended) {
        info!(reason = ended.as_str(), viewers = self.viewers.len(), "stream ends");
        self.shared.metrics.ended(ended);
        let failure = match ended {
            Ended::Lost(failure) => Some(failure.clone()),
            Ended::Drained => Some(Failure::from(Code::Draining)),
            Ended::Unwatched | Ended::Stopped | Ended::Moved => None,
        };
        if let Ended::Lost(failure) = ended {
            self.entry.fail(failure.code);
        }
        for viewer in self.viewers.remove(&Whom::All) {
            if *ended != Ended::Moved {
                self.herald.ended(&viewer, self.generation(), failure.as_ref());
            }
        }
        self.waiting.clear();
        if *ended != Ended::Moved && self.announced.is_some() {
            self.herald.clear();
        }
        tokio::join!(self.herald.finish(), self.feed.end());
    }

    fn post(&self) {
        if let Some(figures) = &self.figures {
            figures.up(self.life.is_flowing());
        }
        self.entry.post(Stream {
            state: self.life.state(),
            viewers: self.viewers.iter().cloned().collect(),
            media: self.muxer.media().cloned(),
            continuation: self.muxer.continuation(),
            last_error: self.failure.as_ref().map(|failure| failure.code),
            restarts: self.restarts,
            frames_per_second: self.rate.frames_per_second(),
            pattern_url: self.spec.pattern_url.clone(),
            plan: self.shared.ffmpeg.learned.plan(self.spec.source.url(), Instant::now()),
        });
    }

    fn news(&self) -> News {
        News { state: self.life.state(), generation: self.generation(), failure: self.failure.clone() }
    }

    fn generation(&self) -> u64 {
        self.muxer.media().map_or(0, |media| media.generation)
    }
}

/// Never, if there is no such time. Sets no timer before it is polled.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
