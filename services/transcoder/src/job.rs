//! One stream's life, run by one task that owns all of it: source, muxer, topics, viewers.
//!
//! Others hold a [`Handle`] and send commands. A job that is closing takes no more: their senders see that and ask for a new
//! job. Its last acts, in this order: viewers are told, what is retained is cleared, ffmpeg is gone, the entry is off the
//! board. The loop is [`task`]; what is told to viewers, and what the broker says to that, is [`herald`].

mod herald;
pub(crate) mod life;
mod rate;
pub(crate) mod report;
mod starting;
mod task;
mod way;

use std::sync::Arc;
use std::time::Duration;

use runtime::trace::Remote;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::failure::{Code, Failure};
use crate::fence::Claim;
use crate::ffmpeg::Settings;
use crate::metrics::Metrics;
use crate::muxer::{Media, Stand};
use crate::publisher::Publisher;
use crate::stream::Spec;
use crate::viewers::{Viewer, Whom};

/// Commands that wait: each has a caller that waits for its answer, so a longer queue would only hold dead ones.
const COMMANDS: usize = 64;

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

/// Why a job begins.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    /// Where the stream stood on another worker.
    pub(crate) after: Option<Stand>,
    /// Of whoever asked for it first; of several viewers that come together, one.
    pub(crate) session: String,
    /// The span in which it was asked for.
    pub(crate) trace: Option<Remote>,
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
    /// Somebody says that it publishes this stream.
    Claimed(Claim),
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
    /// All that [`Self::as_str`] returns.
    pub(crate) const REASONS: [&'static str; 5] = ["unwatched", "lost", "stopped", "moved", "drained"];

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
pub(crate) struct Handle {
    commands: mpsc::Sender<Command>,
    spec: Arc<Spec>,
}

impl Handle {
    /// Asks; `None` when the job is closing or closed.
    pub(crate) async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.ok()?;
        answered.await.ok()
    }

    /// Tells something that nobody waits for; a job that has more than enough to do misses it.
    pub(crate) fn tell(&self, command: Command) {
        self.commands.try_send(command).ok();
    }

    /// Where the stream is published.
    pub(crate) fn live_topic(&self) -> &str {
        &self.spec.live_topic
    }

    /// Whether it takes no more commands.
    pub(crate) fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }
}

/// A job that was not started yet, and its handle. Runs until it ends, or `token` is cancelled.
pub(crate) fn job(
    shared: Shared,
    spec: Arc<Spec>,
    cause: &Cause,
    token: CancellationToken,
) -> (Handle, impl Future<Output = Ended> + Send + use<>) {
    let (sender, mailbox) = mpsc::channel(COMMANDS);
    let handle = Handle { commands: sender, spec: spec.clone() };
    (handle, task::Job::new(shared, spec, cause).run(mailbox, token))
}
