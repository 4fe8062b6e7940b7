//! One run: of ffmpeg, or of our own reader where nothing has to be transcoded. To the feed they are the same.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::time::SystemTime;

use super::diagnosis::Symptom;
use super::process::{self, Process};
use crate::flv::{Error as FlvError, Item};
use crate::muxer::Track;
use crate::rtsp::{self, Session};

/// A run that begins.
pub(super) type Beginning = Pin<Box<dyn Future<Output = Result<Input, NotBegun>> + Send>>;

/// A run.
#[derive(Debug)]
pub(super) enum Input {
    /// By ffmpeg.
    Ffmpeg {
        /// It.
        process: Box<Process>,
        /// It has an output for audio.
        has_audio: bool,
    },
    /// By ourselves.
    Direct(Box<Session>),
}

/// Why a run did not begin.
#[derive(Debug)]
pub(super) enum NotBegun {
    /// There is no ffmpeg.
    Io(io::Error),
    /// The source does not want to, or cannot be read in this way.
    Source(Symptom, String),
}

/// What a run gives.
#[derive(Debug)]
pub(super) enum Event {
    /// An item of a track, and when it came.
    Item(Item, SystemTime),
    /// There will be no more of a track.
    Ended(Track),
    /// What came is no FLV.
    Broken(FlvError),
    /// A message, without logins.
    Message(String),
    /// It is gone, and everything it had was given.
    Gone(Gone),
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Gone {
    /// For the log.
    pub(super) status: String,
    /// What it said about the source, if it did so here.
    pub(super) symptom: Symptom,
    /// A signal killed it.
    pub(super) crashed: bool,
}

impl Input {
    /// Process id, for logs.
    pub(super) fn id(&self) -> Option<i32> {
        match self {
            Self::Ffmpeg { process, .. } => process.id(),
            Self::Direct(_) => None,
        }
    }

    /// Audio is to be waited for.
    pub(super) fn has_audio(&self) -> bool {
        match self {
            Self::Ffmpeg { has_audio, .. } => *has_audio,
            Self::Direct(session) => session.has_audio,
        }
    }

    /// Asks it to end; [`Event::Gone`] tells when it has.
    pub(super) fn stop(&self) {
        match self {
            Self::Ffmpeg { process, .. } => process.stop(),
            Self::Direct(session) => session.stop(),
        }
    }

    /// The next event; nothing comes after [`Event::Gone`]. Cancel-safe.
    pub(super) async fn next(&mut self) -> Event {
        match self {
            Self::Ffmpeg { process, .. } => match process.next().await {
                process::Event::Item(item, at) => Event::Item(item, at),
                process::Event::Ended(track) => Event::Ended(track),
                process::Event::Broken(error) => Event::Broken(error),
                process::Event::Message(line) => Event::Message(line),
                process::Event::Exited(status) => Event::Gone(Gone {
                    status: status.to_string(),
                    symptom: Symptom::Other,
                    crashed: status.signal().is_some(),
                }),
            },
            Self::Direct(session) => match session.next().await {
                rtsp::Event::Item(item, at) => Event::Item(item, at),
                rtsp::Event::Ended(symptom, status) => Event::Gone(Gone { status, symptom, crashed: false }),
            },
        }
    }
}
