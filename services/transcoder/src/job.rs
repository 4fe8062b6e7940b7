//! One stream's life, run by one task that owns all of it: source, muxer, topics, viewers.
//!
//! Others hold a [`Handle`] and send commands; decisions are [`crate::life`]'s and [`crate::viewers`]'s; this is the loop that
//! feeds them and does what they say. A job that is closing takes no more commands: their senders see that and ask for a new
//! job. Its last acts, in this order: viewers are told, what is retained is cleared, ffmpeg is gone, the entry is off the
//! board.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt};
use runtime::broker::{Outcome, Pending, PublishError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::board::{Board, Entry, Stream};
use crate::failure::{Code, Failure};
use crate::fanout::{Evidence, Fanout};
use crate::ffmpeg::Settings;
use crate::ffmpeg::feed::{self, End, Feed};
use crate::life::{Life, Verdict};
use crate::metrics::Metrics;
use crate::muxer::{Continuation, Error as MuxerError, Media, Muxer, Output, Start, Track};
use crate::publisher::Publisher;
use crate::rate::Rate;
use crate::report::{self, About, Tick};
use crate::stream::Spec;
use crate::viewers::{Delivery, Viewer, Viewers, Whom};

/// Commands that wait: each has a caller that waits for its answer, so a longer queue would only hold dead ones.
const COMMANDS: usize = 64;
/// How often a live viewer is told the status, which is also how its presence is noticed.
const STATUS_EVERY: u32 = 5;
/// How long the last reports may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// What all jobs of a worker share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// Name of the worker.
    pub(crate) worker: Arc<str>,
    /// How to run ffmpeg.
    pub(crate) ffmpeg: Arc<Settings>,
    /// Where to publish.
    pub(crate) publisher: Publisher,
    /// Where to post.
    pub(crate) board: Board,
    /// What to count.
    pub(crate) metrics: Metrics,
    /// How long a stream stays that nobody watches.
    pub(crate) linger: Duration,
    /// Largest live message.
    pub(crate) max_message_bytes: usize,
}

/// What can be asked of a job.
#[derive(Debug)]
pub(crate) enum Command {
    /// What is in the stream.
    Describe(Answer<Result<Media, Failure>>),
    /// Count a viewer in and bring it up to what the others have.
    Play {
        /// The stream as it is to be from now on.
        spec: Arc<Spec>,
        /// Who.
        viewer: Viewer,
        /// Seats of the source; zero: any number.
        max_viewers: u32,
        /// Whether it is admitted.
        answer: Answer<Result<(), Failure>>,
    },
    /// A viewer is still there; answers whether it is known.
    Refresh(String, Answer<bool>),
    /// Count viewers in once a keyframe is out, and not at all if there will be none.
    Adopt(Vec<Viewer>, Answer<Result<Media, Failure>>),
    /// Count viewers out; answers how many.
    Stop(Whom, Farewell, Answer<usize>),
}

/// Whoever asked may have gone; then nobody is answered.
pub(crate) type Answer<T> = oneshot::Sender<T>;

/// What viewers that are counted out are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// It was their own wish.
    Asked,
    /// Why they have to go.
    Because(Code),
    /// Nothing: another stream or another worker goes on serving them.
    Silent,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Nobody watched for long enough.
    Unwatched,
    /// The source was lost, and nobody could wait for it, or it cannot be played.
    Lost(Failure),
    /// Its viewers had to go.
    Stopped,
    /// Another worker runs the stream.
    Moved,
    /// The worker shuts down.
    Drained,
}

impl Ended {
    /// As operators read it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Unwatched => "unwatched",
            Self::Lost(_) => "lost",
            Self::Stopped => "stopped",
            Self::Moved => "moved",
            Self::Drained => "drained",
        }
    }
}

/// Talks to a job.
#[derive(Debug, Clone)]
pub(crate) struct Handle(mpsc::Sender<Command>);

impl Handle {
    /// Asks; `None` when the job is closing or closed.
    pub(crate) async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.0.send(command(answer)).await.ok()?;
        answered.await.ok()
    }

    /// Whether it takes no more commands.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// A job that was not started yet, and its handle. Runs until it ends, or `token` is cancelled.
pub(crate) fn job(
    shared: Shared,
    spec: Arc<Spec>,
    after: Option<Continuation>,
    token: CancellationToken,
) -> (Handle, impl Future<Output = Ended> + Send) {
    let (sender, mailbox) = mpsc::channel(COMMANDS);
    let now = Instant::now();
    let fanout = Fanout::new(shared.publisher.clone(), &spec, shared.max_message_bytes);
    let job = Job {
        life: Life::new(shared.linger, now),
        feed: Feed::new(shared.ffmpeg.clone(), spec.clone()),
        muxer: Muxer::new(Start { unix_ms: report::unix_ms(), after }),
        entry: shared.board.entry(spec.key.clone()),
        fanout,
        shared,
        spec,
        viewers: Viewers::default(),
        passive: false,
        waiting: Vec::new(),
        evidence: FuturesUnordered::new(),
        rate: Rate::default(),
        failure: None,
        restarts: 0,
        run_began: None,
        announced: None,
        connected: true,
        seconds: 0,
    };
    job.post();
    (Handle(sender), job.run(mailbox, token))
}

struct Job {
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
    evidence: FuturesUnordered<futures::future::BoxFuture<'static, (Subject, Result<Outcome, PublishError>)>>,
    rate: Rate,
    /// Why there is no media now.
    failure: Option<Failure>,
    restarts: u32,
    /// When a run began whose first keyframe is not out.
    run_began: Option<Instant>,
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

/// Of whose presence an acknowledgement tells.
#[derive(Debug)]
enum Subject {
    Anybody,
    Viewer(String),
    ReplyViewer(String),
    Nobody,
}

impl Job {
    async fn run(mut self, mut mailbox: mpsc::Receiver<Command>, token: CancellationToken) -> Ended {
        info!("stream begins");
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.review();
        let ended = loop {
            let over = self.life.deadline();
            let ended = tokio::select! {
                () = token.cancelled() => Some(Ended::Drained),
                command = mailbox.recv() => match command {
                    Some(command) => self.command(command),
                    None => Some(Ended::Drained),
                },
                event = self.feed.next() => self.source(event),
                Some((subject, outcome)) = self.evidence.next() => {
                    self.answered(subject, outcome);
                    None
                }
                _ = second.tick() => {
                    self.second();
                    None
                }
                () = tokio::time::sleep_until(over.unwrap_or_else(Instant::now).into()), if over.is_some() => None,
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
        self.close(&ended).await;
        // Commands that came too late; their senders ask again.
        while mailbox.try_recv().is_ok() {}
        ended
    }

    fn command(&mut self, command: Command) -> Option<Ended> {
        match command {
            Command::Describe(answer) => self.wait(Vec::new(), answer),
            Command::Adopt(viewers, answer) => self.wait(viewers, answer),
            Command::Play { spec, viewer, max_viewers, answer } => {
                self.exchange(spec);
                answer.send(self.play(viewer, max_viewers)).ok();
            }
            Command::Refresh(reply_topic, answer) => {
                answer.send(self.viewers.refresh(&reply_topic, Instant::now())).ok();
            }
            Command::Stop(whom, farewell, answer) => {
                let gone = self.viewers.remove(&whom);
                answer.send(gone.len()).ok();
                self.see_off(gone, farewell);
                return match (whom, farewell) {
                    (Whom::All, Farewell::Silent) => Some(Ended::Moved),
                    (Whom::All, Farewell::Because(_)) => Some(Ended::Stopped),
                    _ => None,
                };
            }
        }
        None
    }

    /// Answers at once if the tracks are known, or if it is known that there are none to be had.
    fn wait(&mut self, adopts: Vec<Viewer>, answer: Answer<Result<Media, Failure>>) {
        let waiting = Waiting { adopts, answer };
        match (self.muxer.media(), &self.failure) {
            (Some(media), _) if self.life.is_flowing() || waiting.adopts.is_empty() => {
                let media = media.clone();
                self.serve(waiting, media);
            }
            (_, Some(failure)) => {
                waiting.answer.send(Err(failure.clone())).ok();
            }
            _ => self.waiting.push(waiting),
        }
    }

    fn serve(&mut self, waiting: Waiting, media: Media) {
        for viewer in waiting.adopts {
            self.play(viewer, 0).ok();
        }
        waiting.answer.send(Ok(media)).ok();
    }

    /// The allowlist may have another URL or login for the source by now.
    fn exchange(&mut self, spec: Arc<Spec>) {
        if self.spec.source != spec.source || self.spec.transcode != spec.transcode {
            info!("the source's settings changed");
            self.feed.replace(spec.clone());
            self.spec = spec;
        }
    }

    fn play(&mut self, viewer: Viewer, max_viewers: u32) -> Result<(), Failure> {
        if !self.entry.take_seat(&viewer, max_viewers) {
            let text = "the source has as many viewers as it may have";
            return Err(Failure::new(Code::NoCapacity, text).retry_after(self.shared.linger));
        }
        let evidence = self.fanout.join(&viewer);
        self.judge_by(evidence);
        self.tell(&viewer);
        let session = viewer.session.clone();
        if self.viewers.admit(viewer, Instant::now()) {
            info!(session, viewers = self.viewers.len(), "viewer joins");
        }
        Ok(())
    }

    fn source(&mut self, event: feed::Event) -> Option<Ended> {
        match event {
            feed::Event::Began { expects_audio } => {
                self.run_began = Some(Instant::now());
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
                warn!(code = failure.code.as_str(), reason = reason.as_str(), "source lost");
                for waiting in std::mem::take(&mut self.waiting) {
                    waiting.answer.send(Err(failure.clone())).ok();
                }
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
        let evidence = self.fanout.publish(outputs);
        self.judge_by(evidence);
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
                Output::Fragment { track, sync, bytes, .. } => {
                    self.rate.count(*track == Track::Video, bytes.len());
                    keyframe |= *track == Track::Video && *sync;
                }
                Output::Init { .. } | Output::Gop { .. } => {}
            }
        }
        if keyframe && (self.run_began.is_some() || !self.life.is_flowing()) {
            self.keyframe();
        }
    }

    /// The first keyframe of a run is out.
    fn keyframe(&mut self) {
        if let Some(began) = self.run_began.take() {
            self.shared.metrics.started(began.elapsed());
        }
        self.failure = None;
        self.life.flows();
        if let Some(media) = self.muxer.media().cloned() {
            for waiting in std::mem::take(&mut self.waiting) {
                self.serve(waiting, media.clone());
            }
        }
    }

    fn answered(&mut self, subject: Subject, outcome: Result<Outcome, PublishError>) {
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
                let tells = matches!(self.shared.publisher.rule(), crate::presence::Rule::Subscribers { .. });
                self.passive = anybody && tells;
            }
            Subject::Viewer(topic) | Subject::ReplyViewer(topic) => {
                self.viewers.answered(&topic, anybody, Instant::now());
            }
            Subject::Nobody => {}
        }
    }

    fn second(&mut self) {
        let now = Instant::now();
        self.seconds = self.seconds.wrapping_add(1);
        self.rate.second();
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
            self.tick();
            if self.seconds.is_multiple_of(STATUS_EVERY) {
                let live: Vec<_> =
                    self.viewers.iter().filter(|viewer| viewer.delivery == Delivery::Live).cloned().collect();
                live.iter().for_each(|viewer| self.tell(viewer));
            }
        }
        self.post();
    }

    /// Draws the conclusions from whatever has just happened.
    fn review(&mut self) {
        self.review_watched();
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
        let viewers: Vec<_> = self.viewers.iter().cloned().collect();
        viewers.iter().for_each(|viewer| self.tell(viewer));
        let retained = self.about().retained(self.life.state(), self.muxer.media());
        let pending = self.shared.publisher.retain(self.topic("state"), &retained);
        self.expect(Subject::Nobody, pending);
        self.post();
    }

    fn review_watched(&mut self) {
        let before = self.life.state();
        let watched = !self.viewers.is_empty() || self.passive || !self.waiting.is_empty();
        self.life.watched(watched, Instant::now());
        if self.life.state() != before {
            self.post();
        }
    }

    fn tell(&mut self, viewer: &Viewer) {
        let status = self.about().status(self.life.state(), &viewer.session, self.failure.as_ref());
        let pending = self.shared.publisher.report(status_topic(viewer), &status);
        // A reply viewer need not read its status, so nothing follows from its not doing so.
        let subject = match viewer.delivery {
            Delivery::Live => Subject::Viewer(viewer.reply_topic.clone()),
            Delivery::Reply => Subject::Nobody,
        };
        self.expect(subject, pending);
    }

    fn tick(&mut self) {
        let tick = Tick {
            time: report::unix_ms(),
            generation: self.generation(),
            state: report::to_viewers(self.life.state()),
            fps: self.rate.frames_per_second(),
            bitrate: self.rate.bits_per_second(),
            viewers: self.viewers.len(),
            restarts: self.restarts,
            worker: &self.shared.worker,
        };
        let pending = self.shared.publisher.report(self.topic("tick"), &tick);
        self.expect(Subject::Anybody, pending);
    }

    fn see_off(&mut self, gone: Vec<Viewer>, farewell: Farewell) {
        let failure = match farewell {
            Farewell::Because(code) => Some(Failure::from(code)),
            Farewell::Asked | Farewell::Silent => None,
        };
        for viewer in gone {
            info!(session = viewer.session, viewers = self.viewers.len(), "viewer leaves");
            self.fanout.leave(&viewer.reply_topic);
            if farewell != Farewell::Silent {
                self.tell_ended(&viewer, failure.as_ref());
            }
        }
        self.post();
    }

    fn tell_ended(&mut self, viewer: &Viewer, failure: Option<&Failure>) {
        let ended = self.about().ended(&viewer.session, failure);
        let pending = self.shared.publisher.report(status_topic(viewer), &ended);
        self.expect(Subject::Nobody, pending);
    }

    async fn close(mut self, ended: &Ended) {
        info!(reason = ended.as_str(), viewers = self.viewers.len(), "stream ends");
        self.shared.metrics.ended(ended.as_str());
        let failure = match ended {
            Ended::Lost(failure) => Some(failure.clone()),
            Ended::Drained => Some(Failure::from(Code::Draining)),
            Ended::Unwatched | Ended::Stopped | Ended::Moved => None,
        };
        for viewer in self.viewers.remove(&Whom::All) {
            self.tell_ended(&viewer, failure.as_ref());
        }
        // Who waits still asks again, and of a new job.
        self.waiting.clear();
        if *ended != Ended::Moved {
            let pending = self.shared.publisher.clear(self.topic("state"));
            self.expect(Subject::Nobody, pending);
        }
        let farewell = async { while self.evidence.next().await.is_some() {} };
        tokio::join!(tokio::time::timeout(FAREWELL, farewell), self.feed.end()).0.ok();
    }

    fn judge_by(&mut self, evidence: Evidence) {
        for (reply_topic, pending) in evidence {
            self.expect(Subject::ReplyViewer(reply_topic), Ok(pending));
        }
    }

    /// Pending publications are bounded by the broker's queue: beyond it there is nothing pending.
    fn expect(&mut self, subject: Subject, pending: Result<Pending, PublishError>) {
        match pending {
            Ok(pending) => self.evidence.push(Box::pin(async move { (subject, pending.outcome().await) })),
            Err(error) => debug!(%error, ?subject, "a report was not published"),
        }
    }

    fn post(&self) {
        self.entry.post(Stream {
            state: self.life.state(),
            viewers: self.viewers.iter().cloned().collect(),
            media: self.muxer.media().cloned(),
            continuation: self.muxer.continuation(),
            last_error: self.failure.as_ref().map(|failure| failure.code),
            restarts: self.restarts,
            frames_per_second: self.rate.frames_per_second(),
        });
    }

    fn about(&self) -> About<'_> {
        About { spec: &self.spec, worker: &self.shared.worker, generation: self.generation() }
    }

    fn generation(&self) -> u64 {
        self.muxer.media().map_or(0, |media| media.generation)
    }

    fn topic(&self, below: &str) -> String {
        format!("{}/{below}", self.spec.live_topic)
    }
}

fn status_topic(viewer: &Viewer) -> String {
    format!("{}/status", viewer.reply_topic)
}

impl feed::Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Failed => "failed",
            Self::Stalled => "stalled",
            Self::Broken => "broken",
            Self::NotStarted => "not_started",
        }
    }
}
