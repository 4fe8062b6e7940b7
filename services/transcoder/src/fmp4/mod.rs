//! Writes fragmented MP4 (ISO/IEC 14496-12): init segments, media fragments, and the codec strings that go with them.
//!
//! We write it ourselves because ffmpeg's writer costs two frames of delay, and because timeline, numbering and stated
//! durations decide how browsers behave. Everything here is a pure function of its arguments; which sample gets which
//! time is decided in [`crate::timeline`] and [`crate::muxer`].

mod bits;
mod boxes;
pub(crate) mod codecs;
pub(crate) mod fragment;
pub(crate) mod init;
mod sps;

/// Timescale of video tracks; that of audio tracks is their sampling frequency.
pub(crate) const VIDEO_TIMESCALE: u32 = 90_000;

const VIDEO_ID: u32 = 1;
const AUDIO_ID: u32 = 2;

/// `sample_flags`: depends on no other.
const SYNC_SAMPLE: u32 = 0x0200_0000;
/// `sample_flags`: depends on others, is no sync sample.
const NON_SYNC_SAMPLE: u32 = 0x0101_0000;

/// A track of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Track {
    /// H.264.
    Video,
    /// AAC.
    Audio,
}

/// The tracks of one generation, as its init segments describe them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Media {
    /// The run of ffmpeg that it belongs to; strictly increases.
    pub(crate) generation: u64,
    /// The video track.
    pub(crate) video: Video,
    /// The audio track, unless the stream is silent.
    pub(crate) audio: Option<Audio>,
}

/// A video track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Video {
    /// RFC 6381 codec string, such as `avc1.42C01E`.
    pub(crate) codec: String,
    /// Width in pixels, after cropping.
    pub(crate) width: u32,
    /// Height in pixels, after cropping.
    pub(crate) height: u32,
}

/// An audio track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Audio {
    /// RFC 6381 codec string, such as `mp4a.40.2`.
    pub(crate) codec: String,
    /// Sampling frequency of what is heard, in hertz.
    pub(crate) sample_rate: u32,
    /// Number of channels.
    pub(crate) channels: u32,
}

impl Media {
    /// MIME type of the tracks muxed: `video/mp4; codecs="avc1.42C01E, mp4a.40.2"`.
    pub(crate) fn mime_codec(&self) -> String {
        match &self.audio {
            Some(audio) => format!("video/mp4; codecs=\"{}, {}\"", self.video.codec, audio.codec),
            None => self.video.mime_codec(),
        }
    }
}

impl Video {
    /// MIME type of the track alone: `video/mp4; codecs="avc1.42C01E"`.
    pub(crate) fn mime_codec(&self) -> String {
        format!("video/mp4; codecs=\"{}\"", self.codec)
    }
}

impl Audio {
    /// MIME type of the track alone: `audio/mp4; codecs="mp4a.40.2"`.
    pub(crate) fn mime_codec(&self) -> String {
        format!("audio/mp4; codecs=\"{}\"", self.codec)
    }
}

#[cfg(test)]
mod tests;
