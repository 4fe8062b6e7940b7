//! The gatekeeper's words for streams and viewers, free of JSON, gRPC and YAML.
//!
//! Everything else imports from here; nothing here imports from anything else.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Name of the profile that always exists: as the camera sends it.
pub const SOURCE_PROFILE: &str = "source";

/// What a stream is: runs at most once in the whole pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    /// Name of the source; for a URL that matched a pattern, the entry's name and a digest of the URL.
    pub source: String,
    /// Name of the profile.
    pub profile: String,
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.profile)
    }
}

/// How a profile changes what the camera sends. What is `None` stays as it is, or is the encoder's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcode {
    /// Width of the picture in pixels; even.
    pub width: Option<u32>,
    /// Height of the picture in pixels; even.
    pub height: Option<u32>,
    /// Target of the video encoder in bits per second.
    pub video_bits_per_second: Option<u32>,
    /// Time from keyframe to keyframe.
    pub gop: Option<Duration>,
    /// H.264 profile as x264 names it.
    pub h264_profile: Option<String>,
    /// H.264 level as x264 names it.
    pub h264_level: Option<String>,
    /// Highest frame rate in frames per second.
    pub max_frame_rate: Option<u32>,
}

/// How media reaches a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Whole GOPs on the reply topic.
    Reply,
    /// A catch-up burst on the reply topic, then the live topic.
    Live,
}

/// Which family of verbs a viewer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `<prefix>/*` with `reply_topic`.
    Video,
    /// `client/*` with `resp_topic`.
    Client,
}

/// A viewer as the worker is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Topic of the viewer's own; identifies it.
    pub reply_topic: String,
    /// How media reaches it.
    pub delivery: Delivery,
    /// The protocol it speaks.
    pub dialect: Dialect,
    /// Correlates log lines; chosen by the viewer, empty if it chose none.
    pub session: String,
    /// It takes no audio in its catch-up.
    pub video_only: bool,
}

/// Where a stream's numbering stands, so that another worker can go on from there; only handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Continuation {
    /// Last generation.
    pub generation: u64,
    /// Last `mfhd.sequence_number` of any track.
    pub sequence_number: u32,
    /// End of the timeline, in units of 1/90000 s.
    pub decode_time: u64,
}

/// Tracks of a running stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// MIME type with the codecs of both tracks.
    pub mime_codec: String,
    /// The run of ffmpeg that it belongs to.
    pub generation: u64,
    /// The video track.
    pub video: VideoTrack,
    /// The audio track, unless the stream is silent.
    pub audio: Option<AudioTrack>,
}

/// Where a stream on a worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// No keyframe yet.
    #[default]
    Starting,
    /// Media flows.
    Live,
    /// Media flows and nobody watches.
    Lingering,
    /// The source was lost and is tried again; viewers stay.
    Restarting,
}

/// How a stream on a worker does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Health {
    /// Where it is in its life.
    pub state: State,
    /// Runs of ffmpeg after the first.
    pub restarts: u32,
    /// Its tracks, once known.
    pub media: Option<Arc<Media>>,
    /// Frames per second of the source as measured, once known.
    pub frame_rate: Option<f64>,
    /// Why the last attempt failed, unless it did not.
    pub failure: Option<Failure>,
}

impl Health {
    /// Whether media flows.
    pub fn live(&self) -> bool {
        matches!(self.state, State::Live | State::Lingering)
    }
}

/// Why a stream does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The camera does not answer.
    Unreachable,
    /// The camera refuses the login.
    Unauthorized,
    /// Nothing in it that a browser could play.
    UnsupportedCodec,
    /// Anything else.
    Other,
}

/// The video track as its init segment describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTrack {
    /// RFC 6381 codec string.
    pub codec: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// The audio track as its init segment describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioTrack {
    /// RFC 6381 codec string.
    pub codec: String,
    /// Sampling frequency in hertz.
    pub sample_rate: u32,
    /// Number of channels.
    pub channels: u32,
}
