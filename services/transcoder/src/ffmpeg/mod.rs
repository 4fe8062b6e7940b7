//! Everything about ffmpeg: what to ask of it, how to run it safely, and what its messages mean.
//!
//! The rest of the worker sees a [`feed::Feed`]: samples of one source, over as many runs of ffmpeg as it takes.

mod chatter;
mod command;
mod diagnosis;
pub(crate) mod feed;
mod input;
mod learned;
mod pace;
mod plan;
mod process;
mod reception;
mod sandbox;

use std::path::PathBuf;
use std::time::Duration;

pub(crate) use diagnosis::Symptom;
pub(crate) use learned::Learned;
pub(crate) use plan::Plan;
pub(crate) use sandbox::Sandbox;

/// How ffmpeg is run; the same for all jobs.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The program; an absolute path, because its environment is empty.
    pub(crate) program: PathBuf,
    /// How long a source may be silent on the network.
    pub(crate) source_timeout: Duration,
    /// How long a run may give no picture.
    pub(crate) stall_timeout: Duration,
    /// What it may not do.
    pub(crate) sandbox: Sandbox,
    /// What helped before.
    pub(crate) learned: Learned,
    /// Sources are read without it where nothing has to be transcoded.
    pub(crate) direct: bool,
}
