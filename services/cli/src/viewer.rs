//! A viewer as the service knows it: a reply topic, what is asked on it, and what comes in on the topics around it.
//!
//! It describes, subscribes, plays and splices; [`Viewer::next`] gives what can be decoded. When media stays away it asks
//! again, as a player would: the stream may have moved to another worker. Stop is a courtesy, which [`Viewer::close`] pays.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout_at};

use crate::args::{Delivery, DeliveryArgs};
use crate::connection::{Connection, Incoming, Route, Topic};
use crate::exit::Failure;
use crate::figures::Figures;
use crate::media::intake::{Channel, Faults, Intake};
use crate::media::mp4::Segment;
use crate::wire::{self, Described, Status, Wanted};

/// Messages that wait for the viewer: a catch-up of 4 MB in messages of 3,900 bytes. What comes on top is a gap.
const INBOX: usize = 1024;
/// So long no picture comes before play is sent again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// What a viewer needs beside a connection.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// First levels of the service's topics.
    pub(crate) prefix: String,
    /// What it wants to watch.
    pub(crate) wanted: Wanted,
    /// How long it waits for describe's answer, and after it for the first keyframe.
    pub(crate) timeout: Duration,
}

/// A viewer.
#[derive(Debug)]
pub(crate) struct Viewer<'a> {
    connection: &'a Connection,
    options: Options,
    reply_topic: String,
    inbox: mpsc::Receiver<Incoming>,
    outbox: mpsc::Sender<Incoming>,
    routes: Vec<Route>,
    /// When the first request was sent.
    began: Instant,
    figures: Figures,
    playing: Option<Playing>,
}

#[derive(Debug)]
struct Playing {
    intake: Intake,
    delivery: Delivery,
    video_only: bool,
    /// When play was sent last.
    asked: Instant,
    /// Until then the first keyframe has to come.
    deadline: Instant,
}

impl<'a> Viewer<'a> {
    /// Listens on a reply topic of its own.
    pub(crate) async fn open(connection: &'a Connection, options: Options) -> Result<Self, Failure> {
        let (outbox, inbox) = mpsc::channel(INBOX);
        let reply_topic = format!("{}/reply/cli-{:016x}", options.prefix, rand::random::<u64>());
        let routes = vec![
            connection.route(reply_topic.clone(), Topic::Reply, outbox.clone()).await?,
            connection.route(format!("{reply_topic}/status"), Topic::Status, outbox.clone()).await?,
        ];
        let (began, figures) = (Instant::now(), Figures::default());
        Ok(Self { connection, options, reply_topic, inbox, outbox, routes, began, figures, playing: None })
    }

    /// Asks what is in the stream; the answer as it came, too.
    pub(crate) async fn describe(&mut self) -> Result<(Described, Value), Failure> {
        self.began = Instant::now();
        let request = self.options.wanted.describe(&self.reply_topic);
        self.request("describe", request).await?;
        let deadline = self.began + self.options.timeout;
        loop {
            let incoming = self.receive(deadline, "no answer to describe").await?;
            if incoming.topic == Topic::Reply && !is_media(&incoming) {
                self.figures.described(incoming.at - self.began);
                let answer = wire::answer(&incoming.payload)?;
                return Ok((wire::described(&answer)?, answer));
            }
        }
    }

    /// Subscribes to what is needed, and asks for media.
    pub(crate) async fn play(&mut self, described: &Described, args: &DeliveryArgs) -> Result<(), Failure> {
        let DeliveryArgs { delivery, video_only } = *args;
        if delivery == Delivery::Live {
            let audio = described.tracks.audio.is_some() && !video_only;
            let topics = [("video", Topic::Video), ("tick", Topic::Tick), ("audio", Topic::Audio)];
            for (name, topic) in topics.into_iter().filter(|(_, topic)| audio || *topic != Topic::Audio) {
                let name = format!("{}/{name}", described.live_topic);
                self.routes.push(self.connection.route(name, topic, self.outbox.clone()).await?);
            }
        }
        let asked = Instant::now();
        let (intake, deadline) = (Intake::new(delivery), asked + self.options.timeout);
        self.playing = Some(Playing { intake, delivery, video_only, asked, deadline });
        self.ask().await
    }

    /// What can be decoded by the next message. To be called after [`Self::play`]; it may be dropped while it waits.
    ///
    /// # Errors
    /// When the service ends the play, no picture comes in time, or the connection goes.
    pub(crate) async fn next(&mut self) -> Result<Vec<Segment>, Failure> {
        loop {
            let incoming = tokio::select! {
                incoming = self.inbox.recv() => incoming,
                () = sleep(ASK_AGAIN / 5) => None,
                failure = self.connection.gone() => return Err(failure),
            };
            if let Some(incoming) = incoming {
                let segments = self.take(incoming)?;
                if !segments.is_empty() {
                    return Ok(segments);
                }
            }
            self.mend().await?;
        }
    }

    /// What it was like so far.
    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// What went wrong so far.
    pub(crate) fn faults(&self) -> Faults {
        self.playing.as_ref().map(|playing| playing.intake.faults()).unwrap_or_default()
    }

    /// The newest run of the stream that it saw; zero before the first.
    pub(crate) fn generation(&self) -> u64 {
        self.playing.as_ref().map_or(0, |playing| playing.intake.generation())
    }

    /// Leaves: nothing is awaited but the broker.
    pub(crate) async fn close(self) -> Figures {
        let request = wire::stop(&self.reply_topic);
        // Who does not hear it finds out in 15 s that nobody subscribes.
        let _ = self.connection.publish(format!("{}/stop", self.options.prefix), request, "stop").await;
        self.figures
    }

    fn take(&mut self, incoming: Incoming) -> Result<Vec<Segment>, Failure> {
        let channel = match incoming.topic {
            Topic::Tick => return Ok(Vec::new()),
            Topic::Status => {
                let end = Status::read(&incoming.payload).and_then(Status::end);
                return end.map_or(Ok(Vec::new()), Err);
            }
            Topic::Reply if !is_media(&incoming) => {
                wire::answer(&incoming.payload)?;
                return Ok(Vec::new());
            }
            Topic::Reply => Channel::Reply,
            Topic::Video => Channel::Video,
            Topic::Audio => Channel::Audio,
        };
        let Some(playing) = &mut self.playing else { return Ok(Vec::new()) };
        let at = incoming.at.saturating_duration_since(self.began);
        self.figures.message(at, incoming.payload.len());
        let correlation = incoming.correlation.unwrap_or_default();
        let taken = playing.intake.push(channel, &correlation, incoming.payload);
        for captured_us in taken.captured_us {
            self.figures.captured(captured_us, incoming.unix_us);
        }
        for segment in &taken.segments {
            if let Segment::Media(media) = segment {
                self.figures.media(at, media);
            }
        }
        Ok(taken.segments)
    }

    /// Asks for another burst if one is needed, or no picture came for long.
    async fn mend(&mut self) -> Result<(), Failure> {
        let Some(playing) = &mut self.playing else { return Ok(()) };
        let now = Instant::now();
        let last = self.figures.last();
        if last.is_none() && now > playing.deadline {
            return Err(Failure::TooLate { what: "no keyframe", after: self.options.timeout });
        }
        let silent = last.is_some_and(|last| now.saturating_duration_since(self.began + last) > ASK_AGAIN);
        let patient = now.saturating_duration_since(playing.asked) > ASK_AGAIN;
        if patient && (silent || playing.intake.needs_burst()) {
            playing.asked = now;
            playing.intake.restart();
            return self.ask().await;
        }
        Ok(())
    }

    async fn ask(&self) -> Result<(), Failure> {
        let Some(playing) = &self.playing else { return Ok(()) };
        let request = self.options.wanted.play(&self.reply_topic, playing.delivery, playing.video_only);
        self.request("play", request).await
    }

    async fn request(&self, verb: &str, request: String) -> Result<(), Failure> {
        self.connection.publish(format!("{}/{verb}", self.options.prefix), request, verb).await
    }

    async fn receive(&mut self, deadline: Instant, what: &'static str) -> Result<Incoming, Failure> {
        let after = self.options.timeout;
        tokio::select! {
            incoming = timeout_at(deadline.into(), self.inbox.recv()) => match incoming {
                Ok(Some(incoming)) => Ok(incoming),
                Ok(None) => Err(Failure::Internal("the viewer's inbox is closed".to_owned())),
                Err(_) => Err(Failure::TooLate { what, after }),
            },
            failure = self.connection.gone() => Err(failure),
        }
    }
}

/// Media carries a position of 12 or 16 bytes; an answer, the Correlation Data of its request, which is shorter.
fn is_media(incoming: &Incoming) -> bool {
    incoming.correlation.as_ref().is_some_and(|data| matches!(data.len(), 12 | 16))
}
