//! Collects the samples of a GOP, of both tracks, until they can be written as one fragment with true durations.
//!
//! That is what reply delivery sends: clients that append each message at once show nothing of finer fragments. Audio
//! goes with the GOP during which it came, so that video never waits for it. Memory is bounded: a GOP that is too large
//! or too long is written in pieces.

use bytes::{Bytes, BytesMut};

use crate::fmp4::fragment::{Run, Sample, fragment};
use crate::fmp4::{Track, VIDEO_TIMESCALE};
use crate::timeline::Ticks;

/// Bytes of one piece at most, unless a single picture is larger: mosquitto 2.1 refuses packets beyond 2 MB.
const MAX_BYTES: usize = 1_900_000;

/// Length of one piece at most: cameras with keyframes minutes apart are played nevertheless.
const MAX_LENGTH: Ticks = 10 * VIDEO_TIMESCALE as Ticks;

/// What a piece will be made of.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    video: Collected,
    audio: Collected,
}

/// Samples whose durations are not known until the next one comes.
#[derive(Debug, Default)]
struct Collected {
    decode_times: Vec<u64>,
    samples: Vec<Sample>,
    bytes: usize,
}

/// A written piece.
#[derive(Debug)]
pub(crate) struct Piece {
    /// `moof` and `mdat`.
    pub(crate) media: Bytes,
    /// Begins with a keyframe.
    pub(crate) sync: bool,
}

impl Whole {
    /// True if a sample of `bytes` at `decode_time` does not fit any more.
    pub(crate) fn is_full(&self, bytes: usize, decode_time: Ticks) -> bool {
        let start = self.video.decode_times.first().copied().unwrap_or(decode_time);
        let collected = self.video.bytes + self.audio.bytes;
        collected > 0 && (collected + bytes > MAX_BYTES || decode_time.saturating_sub(start) >= MAX_LENGTH)
    }

    /// Adds a picture; its own duration does not matter.
    pub(crate) fn push_video(&mut self, decode_time: Ticks, sample: Sample) {
        self.video.push(decode_time, sample);
    }

    /// Adds an audio frame. Its duration holds if it is the last.
    pub(crate) fn push_audio(&mut self, decode_time: u64, sample: Sample) {
        self.audio.push(decode_time, sample);
    }

    /// Writes what was collected, video up to `end`, and begins anew. `None` if that is nothing.
    pub(crate) fn take(&mut self, sequence: u32, end: Ticks) -> Option<Piece> {
        let Self { mut video, mut audio } = std::mem::take(self);
        video.settle(Some(end));
        audio.settle(None);
        let runs: Vec<_> = [video.run(Track::Video), audio.run(Track::Audio)].into_iter().flatten().collect();
        if runs.is_empty() {
            return None;
        }
        let sync = video.samples.first().is_some_and(|first| first.sync);
        Some(Piece { media: fragment(&mut BytesMut::new(), sequence, &runs), sync })
    }
}

impl Collected {
    fn push(&mut self, decode_time: u64, sample: Sample) {
        self.bytes += sample.data.len();
        self.decode_times.push(decode_time);
        self.samples.push(sample);
    }

    /// States true durations; the last lasts until `end`, or as long as it said itself.
    fn settle(&mut self, end: Option<u64>) {
        let ends = self.decode_times.iter().skip(1).copied().map(Some).chain([end]);
        for ((sample, start), end) in self.samples.iter_mut().zip(&self.decode_times).zip(ends) {
            if let Some(end) = end {
                sample.duration = u32::try_from(end.saturating_sub(*start)).unwrap_or(u32::MAX);
            }
        }
    }

    fn run(&self, track: Track) -> Option<Run<'_>> {
        let decode_time = *self.decode_times.first()?;
        Some(Run { track, decode_time, samples: &self.samples })
    }
}
