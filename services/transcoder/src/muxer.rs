//! Turns the samples of a job's runs of ffmpeg into one stream of init segments and fragments.

use bytes::Bytes;

use crate::flv;
pub(crate) use crate::fmp4::{Media, Track};
pub(crate) use crate::timeline::Continuation;

/// What a job's numbering begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// Unix time in milliseconds.
    pub(crate) unix_ms: u64,
    /// Where another worker left off.
    pub(crate) after: Option<Continuation>,
}

/// What the muxer makes, in the order in which it is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// A generation begins: everything that follows belongs to it, until the next. Also comes in the midst of a run of ffmpeg, when the camera changes its
    /// resolution or its sound. Its init segments follow at once, then a keyframe.
    Generation(Media),
    /// Init segment of one track, for the live topic.
    Init {
        /// Of which track.
        track: Track,
        /// `ftyp` and `moov`.
        bytes: Bytes,
    },
    /// A fragment of one track, for the live topic.
    Fragment {
        /// Of which track.
        track: Track,
        /// `mfhd.sequence_number`; counts by track.
        sequence: u32,
        /// Begins with a sync sample. Always true for audio.
        sync: bool,
        /// `tfdt` in units of 1/90000 s, whatever the timescale of the track.
        decode_time: u64,
        /// `moof` and `mdat`, for video with `prft` before.
        bytes: Bytes,
    },
    /// A whole GOP of both tracks, for reply delivery.
    Gop {
        /// Init segment of both tracks.
        init: Bytes,
        /// `moof` and `mdat`.
        media: Bytes,
        /// `mfhd.sequence_number`; counts these fragments.
        sequence: u32,
        /// Begins with a keyframe. False for the rest of a GOP that was too long for one message: only who has what went before can use it.
        sync: bool,
    },
}

/// Why a run's samples cannot be muxed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The video has to be transcoded.
    #[error("video that browsers cannot take: {0}")]
    UnsupportedVideo(String),
    /// The audio has to be transcoded.
    #[error("audio that browsers cannot take: {0}")]
    UnsupportedAudio(String),
}

/// One per job; lives over its generations.
#[derive(Debug)]
pub(crate) struct Muxer {
    media: Option<Media>,
    continuation: Continuation,
}

impl Muxer {
    /// A muxer before its first run.
    pub(crate) fn new(start: Start) -> Self {
        let _ = start;
        unimplemented!()
    }

    /// A new run of ffmpeg begins. Returns what was left of the last. `generation` is the time of its start in Unix milliseconds; should it not exceed
    /// the last generation, the next number is taken instead. With `expect_audio` the first keyframe is held for up to a second until the sound's configuration is there.
    pub(crate) fn begin(&mut self, generation: u64, expect_audio: bool) -> Vec<Output> {
        let _ = (generation, expect_audio);
        unimplemented!()
    }

    /// Takes an item of either pipe, which came out of it at `now_unix_us` (Unix time in microseconds).
    pub(crate) fn push(&mut self, item: flv::Item, now_unix_us: u64) -> Result<Vec<Output>, Error> {
        let _ = (item, now_unix_us);
        unimplemented!()
    }

    /// There will be no audio in this run (its pipe ended): go on without. Happens by itself when it does not come within a second of the first keyframe.
    pub(crate) fn give_up_audio(&mut self) -> Vec<Output> {
        unimplemented!()
    }

    /// The tracks of the present generation; between two runs, of the last one. `None` before the first.
    pub(crate) fn media(&self) -> Option<&Media> {
        self.media.as_ref()
    }

    /// Where the numbering stands.
    pub(crate) fn continuation(&self) -> Continuation {
        self.continuation
    }
}
