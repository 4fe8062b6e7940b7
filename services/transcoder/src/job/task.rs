//! The loop of a job: takes whatever happens next, asks the pure parts what follows, and does it. What it is asked for is
//! answered in [`commands`].

mod commands;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use runtime::broker::{Outcome, PublishError, Subscription};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::herald::{self, Herald, News, Subject};
use super::report;
use super::starting::Starting;
use super::{Answer, Cause, Command, Ended, Shared};
use crate::board::{Entry, Stream};
use crate::failure::{Code, Failure};
use crate::fanout::Fanout;
use crate::ffmpeg::feed::{self, End, Feed};
use crate::job::life::{Life, State, Verdict};
use crate::job::rate::Rate;
use crate::metrics::StreamFigures;
use crate::muxer::{Error as MuxerError, Media, Muxer, Output, Start, Track};
use crate::stream::Spec;
use crate::timeline::Ticks;
use crate::viewers::presence::Rule;
use crate::viewers::{Delivery, Viewer, Viewers, Whom};

const SECOND: Duration = Duration::from_secs(1);
/// How often a live viewer is told the status, which is also how its presence is noticed.
const STATUS_EVERY: u32 = 5;
/// How often what is retained is renewed, in seconds.
const RETAIN_EVERY: u32 = 20;

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

    fn source(&mut self, event: feed::Event) -> Option<Ended> {
        match event {
            feed::Event::Began { expects_audio } => {
                self.run_began = true;
                self.starting.ffmpeg_began();
                let outputs = self.muxer.begin(report::unix_ms(), expects_audio);
                self.publish(&outputs);
            }
            feed::Event::Item(item, at) => match self.muxer.push(item, report::unix(at).as_micros() as u64) {
                Ok(outputs) => self.publish(&outputs),
                Err(error) => {
                    warn!(%error, "the source has to be transcoded");
                    self.feed.reject(match error {
                        MuxerError::UnsupportedVideo(_) => Track::Video,
                        MuxerError::UnsupportedAudio(_) => Track::Audio,
                    });
                }
            },
            feed::Event::AudioEnded => {
                let outputs = self.muxer.give_up_audio();
                self.publish(&outputs);
            }
            feed::Event::Ended(End::Learnt | End::Replaced) => {
                self.restarted("learnt");
                self.life.interrupted();
            }
            feed::Event::Ended(End::Lost { failure, reason }) => {
                self.restarted(reason.as_str());
                // Said once, and not with each attempt while the source is away.
                if self.failure.as_ref().map(|failure| failure.code) != Some(failure.code) {
                    warn!(code = failure.code.as_str(), reason = reason.as_str(), "source lost");
                }
                for waiting in std::mem::take(&mut self.waiting) {
                    waiting.answer.send(Err(failure.clone())).ok();
                }
                self.starting.failed(failure.code);
                self.failure = Some(failure.clone());
                self.review_watched();
                if self.life.lost(failure.code) == Verdict::End {
                    return Some(Ended::Lost(failure));
                }
            }
        }
        None
    }

    fn restarted(&mut self, reason: &'static str) {
        self.restarts += 1;
        self.shared.metrics.restarted(reason);
    }

    fn publish(&mut self, outputs: &[Output]) {
        if outputs.is_empty() {
            return;
        }
        let under_way = self.fanout.publish(outputs);
        self.herald.listen(under_way.evidence);
        if let Some(keyframe) = under_way.keyframe {
            self.herald.time(keyframe);
        }
        let mut keyframe = false;
        for output in outputs {
            match output {
                Output::Generation(media) => info!(
                    generation = media.generation,
                    video = media.video.codec,
                    width = media.video.width,
                    height = media.video.height,
                    audio = media.audio.as_ref().map(|audio| audio.codec.as_str()),
                    "generation begins"
                ),
                Output::Fragment { track, sync, bytes, decode_time, reached_us, .. } => {
                    let now = report::unix(SystemTime::now());
                    let held = reached_us.map(|reached| now.saturating_sub(Duration::from_micros(reached)));
                    self.rate.count(held, bytes.len());
                    if *track == Track::Video && *sync {
                        keyframe = true;
                        self.keyframe_due(*decode_time);
                    }
                }
                Output::Init { .. } | Output::Gop { .. } => {}
            }
        }
        if keyframe && (self.run_began || !self.life.is_flowing()) {
            self.keyframe();
        }
    }

    fn keyframe_due(&mut self, decode_time: Ticks) {
        let last = self.last_keyframe.replace(decode_time);
        if let (Some(last), Some(figures)) = (last, &self.figures) {
            figures.keyframe_interval(Duration::from_secs_f64(decode_time.saturating_sub(last) as f64 / 90_000.0));
        }
    }

    /// The first keyframe of a run is out.
    fn keyframe(&mut self) {
        self.run_began = false;
        if let Some(asked) = self.asked.take() {
            self.shared.metrics.started(asked.elapsed());
        }
        self.starting.done();
        self.failure = None;
        self.life.flows();
        if let Some(media) = self.muxer.media().cloned() {
            for waiting in std::mem::take(&mut self.waiting) {
                self.serve(waiting, media.clone());
            }
        }
    }

    fn answered(&mut self, (subject, outcome): herald::Answer) {
        let reply_viewer = matches!(subject, Subject::ReplyViewer(_));
        if let Subject::ReplyViewer(topic) = &subject {
            self.fanout.settled(topic);
        }
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                debug!(%error, reply_viewer, "a report was not published");
                // The connection went, even if it is back already.
                self.connected &= !matches!(error, PublishError::Lost);
                return;
            }
        };
        self.shared.publisher.noticed(outcome);
        let anybody = outcome == Outcome::Delivered;
        match subject {
            Subject::Anybody => {
                let tells = matches!(self.shared.publisher.rule(), Rule::Subscribers { .. });
                self.passive = anybody && tells;
            }
            Subject::Viewer(topic) | Subject::ReplyViewer(topic) => {
                self.viewers.answered(&topic, anybody, Instant::now());
            }
            Subject::Keyframe(since) => self.shared.metrics.keyframe_out(since.elapsed()),
            Subject::Nobody => {}
        }
    }

    fn second(&mut self) {
        let now = Instant::now();
        self.seconds = self.seconds.wrapping_add(1);
        let stands = self.rate.second();
        if self.is_watched() && (stands || self.life.state() == State::Restarting) {
            self.shared.metrics.stalled(SECOND);
        }
        if let Some(figures) = &self.figures {
            figures.frame_rate(self.rate.frames_per_second());
        }
        // Nobody waits any more who has hung up.
        self.waiting.retain(|waiting| !waiting.answer.is_closed());
        if !self.shared.publisher.connected() {
            self.connected = false;
        } else if !self.connected {
            self.connected = true;
            self.viewers.resumed(now);
            self.announced = None;
        }
        if self.connected {
            self.shared.publisher.ask_broker(self.fanout.root());
            let gone = self.viewers.remove_gone(self.shared.publisher.rule(), now);
            for viewer in &gone {
                info!(session = viewer.session, viewers = self.viewers.len(), "viewer has gone");
                self.fanout.leave(&viewer.reply_topic);
            }
            let news = self.news();
            if self.is_public() {
                self.herald.tick(&news, &self.rate, self.viewers.len(), self.restarts);
            }
            if self.seconds.is_multiple_of(STATUS_EVERY) {
                for viewer in self.viewers.iter().filter(|viewer| viewer.delivery == Delivery::Live) {
                    self.herald.status(viewer, &news);
                }
            }
            if self.is_public() && self.seconds.is_multiple_of(RETAIN_EVERY) {
                self.herald.retain(&news, self.muxer.media());
            }
        }
        self.post();
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
