//! The items of one source, over as many runs of ffmpeg as it takes: the one layer that retries.
//!
//! ```text
//! Waiting ──► Starting ──► Running ──► Stopping ──► Waiting
//!    ▲                        │ (ended by itself)      ▲
//!    └────────────────────────┴────────────────────────┘
//! ```
//!
//! A run that fails for a reason that another [`Plan`] answers is followed by the next at once; anything else by a pause.
//! The next run begins only after the last one is reaped: some cameras take one connection. The feed goes on until it is
//! dropped; whether there is still anybody to go on for is the job's business.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use futures::TryFutureExt;
use tokio::time::Sleep;
use tracing::{debug, info, warn};

use super::chatter::Chatter;
use super::command::invocation;
use super::diagnosis::{self, Scrubber, Symptom};
use super::input::{self, Beginning, Input, NotBegun};
use super::pace::Pace;
use super::plan::{Audio, Plan};
use super::process;
use super::{Settings, learned::Learned};
use crate::failure::{Code, Failure};
use crate::flv::Item;
use crate::muxer::Track;
use crate::rtsp;
use crate::stream::Spec;

/// What the feed gives.
#[derive(Debug)]
pub(crate) enum Event {
    /// A run began; what follows is its own.
    Began {
        /// It has an output for audio.
        expects_audio: bool,
    },
    /// An item, and when it reached us.
    Item(Item, SystemTime),
    /// There will be no more audio in this run.
    AudioEnded,
    /// A run ended. The next comes by itself.
    Ended(End),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Something was learnt about the source; the next run knows better and comes at once.
    Learnt,
    /// The source was exchanged for another one.
    Replaced,
    /// The source was lost; the next attempt comes after a pause.
    Lost {
        /// What to tell viewers.
        failure: Failure,
        /// What to count.
        reason: Reason,
    },
}

/// Why a run ended, as far as operators need to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// ffmpeg ended by itself after it had given pictures: the source ended.
    Exited,
    /// ffmpeg was killed by a signal, its own fault or not.
    Crashed,
    /// The source could not be opened.
    Failed,
    /// No picture for too long.
    Stalled,
    /// ffmpeg wrote something that is not FLV.
    Broken,
    /// ffmpeg could not be started.
    NotStarted,
}

impl Reason {
    pub(crate) const ALL: [Self; 6] =
        [Self::Exited, Self::Crashed, Self::Failed, Self::Stalled, Self::Broken, Self::NotStarted];

    /// As operators read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Crashed => "crashed",
            Self::Failed => "failed",
            Self::Stalled => "stalled",
            Self::Broken => "broken",
            Self::NotStarted => "not_started",
        }
    }
}

/// The source of a job.
pub(crate) struct Feed {
    settings: Arc<Settings>,
    spec: Arc<Spec>,
    plan: Plan,
    state: State,
    pace: Pace,
    chatter: Chatter,
}

enum State {
    Waiting(Instant),
    Starting(Beginning),
    Running(Run),
    Stopping(Input, Why),
}

struct Run {
    input: Input,
    symptom: Symptom,
    began: Instant,
    pictures: bool,
    /// When the last picture came, or the run began.
    alive_at: Instant,
    /// Wakes when a run would have stalled that gives no further picture. It is set anew when it does and not with each
    /// picture, which would be a timer for each.
    watchdog: Pin<Box<Sleep>>,
}

#[derive(Debug, Clone, Copy)]
enum Why {
    Symptom(Symptom),
    Stalled,
    Broken,
    Replaced,
}

impl Feed {
    /// A feed whose first run begins with the first call of [`Self::next`].
    pub(crate) fn new(settings: Arc<Settings>, spec: Arc<Spec>) -> Self {
        let plan = settings.learned.plan(spec.source.url(), Instant::now());
        let state = State::Waiting(Instant::now());
        Self { settings, spec, plan, state, pace: Pace::new(), chatter: Chatter::default() }
    }

    /// The next event. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            match &mut self.state {
                State::Waiting(until) => {
                    tokio::time::sleep_until((*until).into()).await;
                    match self.start() {
                        Ok(starting) => self.state = starting,
                        Err(error) => return self.not_started(&error),
                    }
                }
                State::Starting(starting) => match starting.await {
                    Ok(input) => return self.began(input),
                    Err(NotBegun::Io(error)) => return self.not_started(&error),
                    Err(NotBegun::Source(symptom, why)) => {
                        debug!(why = self.scrubber().scrub(&why), ?symptom, "the source does not play");
                        return self.conclude(symptom, Reason::Failed);
                    }
                },
                State::Running(run) => {
                    let event = tokio::select! {
                        event = run.input.next() => event,
                        () = &mut run.watchdog => {
                            let stalled = run.alive_at + self.settings.stall_timeout;
                            if Instant::now() < stalled {
                                run.watchdog.as_mut().reset(stalled.into());
                            } else {
                                self.stop(Why::Stalled);
                            }
                            continue;
                        }
                    };
                    if let Some(event) = self.running(event) {
                        return event;
                    }
                }
                State::Stopping(input, why) => match input.next().await {
                    input::Event::Gone(_) => {
                        let why = *why;
                        return self.stopped(why);
                    }
                    input::Event::Message(line) => self.chatter.message(&line, self.pace.is_failing()),
                    _ => {}
                },
            }
        }
    }

    /// The muxer cannot take this track as it is. The run ends, and the next asks for something else.
    pub(crate) fn reject(&mut self, track: Track) {
        self.stop(Why::Symptom(match track {
            Track::Video => Symptom::VideoNotCopyable,
            Track::Audio => Symptom::AudioNotCopyable,
        }));
    }

    /// Goes on with another source.
    pub(crate) fn replace(&mut self, spec: Arc<Spec>) {
        self.plan = self.settings.learned.plan(spec.source.url(), Instant::now());
        self.spec = spec;
        self.pace = Pace::new();
        self.stop(Why::Replaced);
        if let State::Waiting(until) = &mut self.state {
            *until = Instant::now();
        }
    }

    /// Ends the run and waits until it is gone.
    pub(crate) async fn end(self) {
        let mut input = match self.state {
            State::Running(run) => run.input,
            State::Stopping(input, _) => input,
            State::Starting(starting) => match starting.await {
                Ok(input) => input,
                Err(_) => return,
            },
            State::Waiting(_) => return,
        };
        input.stop();
        while !matches!(input.next().await, input::Event::Gone(_)) {}
    }

    fn start(&mut self) -> io::Result<State> {
        if self.settings.direct && self.plan.is_direct() && self.spec.can_be_direct() {
            let with_audio = self.plan.audio != Audio::Absent;
            let session = rtsp::start(self.spec.source.clone(), with_audio, self.settings.source_timeout);
            let input = session
                .map_ok(|session| Input::Direct(Box::new(session)))
                .map_err(|failed| NotBegun::Source(failed.symptom, failed.text));
            return Ok(State::Starting(Box::pin(input)));
        }
        let invocation = invocation(&self.spec, self.plan, self.settings.source_timeout);
        let has_audio = invocation.audio;
        let process = process::start(&self.settings, &invocation, self.scrubber())?;
        let input = process
            .map_ok(move |process| Input::Ffmpeg { process: Box::new(process), has_audio })
            .map_err(NotBegun::Io);
        Ok(State::Starting(Box::pin(input)))
    }

    fn scrubber(&self) -> Scrubber {
        Scrubber::new(self.spec.source.login())
    }

    fn began(&mut self, input: Input) -> Event {
        let now = Instant::now();
        if self.pace.is_failing() {
            debug!(pid = input.id(), plan = ?self.plan, "ffmpeg started again");
        } else {
            match &input {
                Input::Ffmpeg { .. } => info!(pid = input.id(), plan = ?self.plan, "ffmpeg started"),
                Input::Direct(_) => info!(audio = input.has_audio(), "session began"),
            }
        }
        let expects_audio = input.has_audio();
        let watchdog = Box::pin(tokio::time::sleep(self.settings.stall_timeout));
        let symptom = Symptom::Other;
        self.state = State::Running(Run { input, symptom, began: now, pictures: false, alive_at: now, watchdog });
        Event::Began { expects_audio }
    }

    fn running(&mut self, event: input::Event) -> Option<Event> {
        let State::Running(run) = &mut self.state else { return None };
        match event {
            input::Event::Item(item, at) => {
                if let Item::Video(_) = item {
                    run.alive_at = Instant::now();
                    run.pictures = true;
                }
                Some(Event::Item(item, at))
            }
            input::Event::Message(line) => {
                // What it says once pictures flow is about a damaged picture, not about the source.
                if !run.pictures {
                    run.symptom = diagnosis::first(run.symptom, &line);
                }
                self.chatter.message(&line, self.pace.is_failing());
                None
            }
            input::Event::Ended(Track::Audio) => Some(Event::AudioEnded),
            input::Event::Ended(Track::Video) => None,
            input::Event::Broken(error) => {
                warn!(%error, "ffmpeg's output is broken");
                self.stop(Why::Broken);
                None
            }
            input::Event::Gone(gone) => {
                let symptom = if run.symptom == Symptom::Other { gone.symptom } else { run.symptom };
                let (pictures, direct) = (run.pictures, matches!(run.input, Input::Direct(_)));
                let status = self.scrubber().scrub(&gone.status);
                match (self.pace.is_failing() && !pictures, direct) {
                    (true, false) => debug!(status, ?symptom, "ffmpeg exited again"),
                    (true, true) => debug!(status, ?symptom, "session ended again"),
                    (false, false) => info!(status, ?symptom, pictures, "ffmpeg exited"),
                    (false, true) => info!(status, ?symptom, pictures, "session ended"),
                }
                let reason = match (gone.crashed, pictures) {
                    (true, _) => Reason::Crashed,
                    (false, true) => Reason::Exited,
                    (false, false) => Reason::Failed,
                };
                Some(self.conclude(symptom, reason))
            }
        }
    }

    fn stop(&mut self, why: Why) {
        match std::mem::replace(&mut self.state, State::Waiting(Instant::now())) {
            State::Running(run) => {
                info!(?why, "stopping ffmpeg");
                self.pace.ran(run.pictures, run.began, Instant::now());
                run.input.stop();
                self.state = State::Stopping(run.input, why);
            }
            // It is on its way out already, or dies with the future that starts it.
            State::Stopping(process, Why::Symptom(_) | Why::Stalled | Why::Broken | Why::Replaced) => {
                self.state = State::Stopping(process, why);
            }
            State::Waiting(until) => self.state = State::Waiting(until),
            State::Starting(_) => {}
        }
    }

    fn stopped(&mut self, why: Why) -> Event {
        match why {
            Why::Symptom(symptom) => self.conclude(symptom, Reason::Failed),
            Why::Stalled => self.conclude(Symptom::Unreachable, Reason::Stalled),
            Why::Broken => self.conclude(Symptom::Other, Reason::Broken),
            Why::Replaced => {
                self.state = State::Waiting(Instant::now());
                Event::Ended(End::Replaced)
            }
        }
    }

    fn not_started(&mut self, error: &io::Error) -> Event {
        warn!(%error, "ffmpeg could not be started");
        self.lost(Failure::from(Code::Internal), Reason::NotStarted)
    }

    fn conclude(&mut self, symptom: Symptom, reason: Reason) -> Event {
        let now = Instant::now();
        if let State::Running(run) = &self.state {
            self.pace.ran(run.pictures, run.began, now);
        }
        if let Some(plan) = self.plan.after(symptom) {
            info!(?symptom, ?plan, "learnt about the source");
            Learned::learn(&self.settings.learned, self.spec.source.url(), plan, now);
            self.plan = plan;
            self.state = State::Waiting(now);
            return Event::Ended(End::Learnt);
        }
        let code = match symptom {
            Symptom::NoVideo | Symptom::VideoUndecodable | Symptom::VideoNotCopyable => Code::UnsupportedCodec,
            Symptom::Unauthorized => Code::SourceUnauthorized,
            _ => Code::SourceUnreachable,
        };
        self.lost(Failure::from(code), reason)
    }

    fn lost(&mut self, failure: Failure, reason: Reason) -> Event {
        let now = Instant::now();
        let pause = self.pace.pause(failure.code, now);
        debug!(?pause, "waiting before the next attempt");
        self.state = State::Waiting(now + pause);
        Event::Ended(End::Lost { failure: failure.retry_after(pause), reason })
    }
}
