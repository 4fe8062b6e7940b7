//! One generation: samples that go with one pair of init segments, from its first keyframe on.
//!
//! Every sample is published at once as a fragment of its own, and collected for the whole GOP. As the next frame is
//! not waited for, a picture's duration is not known, and the one that is stated is long: browsers drop everything up
//! to the next keyframe when a frame comes later than twice the last stated duration, so a lost camera frame would cost
//! the rest of the GOP. An overlong one does no harm.

use bytes::{Bytes, BytesMut};

use crate::arrival::Arrival;
use crate::flv;
use crate::fmp4::codecs::{Aac, Avc};
use crate::fmp4::fragment::{Run, Sample, fragment, stamped};
use crate::fmp4::{self, Media, Track, VIDEO_TIMESCALE, init};
use crate::muxer::Output;
use crate::timeline::{self, AudioClock, Ticks, VideoClock};
use crate::whole::Whole;

/// 500 ms.
const STATED_DURATION: u32 = VIDEO_TIMESCALE / 2;

/// What fragments are cut from: room for a dozen pictures of 1 Mbit/s. It lives as long as the last of them, a GOP.
const BUFFER: usize = 64 << 10;

/// The next `mfhd.sequence_number` of each kind of fragment; go on over generations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    video: u32,
    audio: u32,
    whole: u32,
}

impl Numbers {
    /// All begin at `first`.
    pub(crate) fn new(first: u32) -> Self {
        Self { video: first, audio: first, whole: first }
    }

    /// The highest that was given out.
    pub(crate) fn last(&self) -> u32 {
        self.video.max(self.audio).max(self.whole).wrapping_sub(1)
    }
}

/// What a generation is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tracks {
    /// Video.
    pub(crate) video: Avc,
    /// Audio, unless the stream is silent.
    pub(crate) audio: Option<Aac>,
}

/// A generation that runs.
#[derive(Debug)]
pub(crate) struct Generation {
    tracks: Tracks,
    init: Bytes,
    video: VideoClock,
    arrival: Arrival,
    audio: Option<AudioClock>,
    whole: Whole,
    numbers: Numbers,
    buffer: BytesMut,
}

impl Generation {
    /// Begins with the keyframe whose source time is `dts_ms`, at `start` on the timeline.
    pub(crate) fn begin(tracks: Tracks, numbers: Numbers, dts_ms: i64, start: Ticks) -> Self {
        Self {
            init: init::segment(Some(&tracks.video), tracks.audio.as_ref()),
            video: VideoClock::new(dts_ms, start),
            arrival: Arrival::default(),
            audio: tracks.audio.as_ref().map(|aac| AudioClock::new(aac.core_rate, aac.frame_length, start)),
            whole: Whole::default(),
            numbers,
            buffer: BytesMut::with_capacity(BUFFER),
            tracks,
        }
    }

    /// What it is made of.
    pub(crate) fn tracks(&self) -> &Tracks {
        &self.tracks
    }

    /// The same in words.
    pub(crate) fn media(&self, generation: u64) -> Media {
        let Tracks { video, audio } = &self.tracks;
        Media {
            generation,
            video: fmp4::Video { codec: video.codec(), width: video.width, height: video.height },
            audio: audio.as_ref().map(|audio| fmp4::Audio {
                codec: audio.codec(),
                sample_rate: audio.sample_rate,
                channels: audio.channels,
            }),
        }
    }

    /// Init segments of the tracks by themselves.
    pub(crate) fn inits(&self) -> impl Iterator<Item = Output> + '_ {
        let video = Output::Init { track: Track::Video, bytes: init::segment(Some(&self.tracks.video), None) };
        let audio = self.tracks.audio.as_ref();
        let audio = audio.map(|aac| Output::Init { track: Track::Audio, bytes: init::segment(None, Some(aac)) });
        [video].into_iter().chain(audio)
    }

    /// Where the timeline ends, and the numbers.
    pub(crate) fn end(&self) -> (Ticks, Numbers) {
        (timeline::end(self.video.end(), self.audio.as_ref().and_then(AudioClock::end)), self.numbers)
    }

    /// Takes a picture that was seen to have come by `unix_us`.
    pub(crate) fn push_video(&mut self, sample: flv::Sample, unix_us: u64, out: &mut Vec<Output>) {
        let decode_time = self.video.next(sample.dts_ms, self.audio.as_ref().and_then(AudioClock::end));
        if sample.sync || self.whole.is_full(sample.data.len(), decode_time) {
            out.extend(self.take_whole(decode_time));
        }
        let sync = sample.sync;
        let composition = timeline::ticks(sample.cts_ms.into()) as i32;
        let sample = Sample { duration: STATED_DURATION, composition, sync, data: sample.data };
        let sequence = next(&mut self.numbers.video);
        let run = Run { track: Track::Video, decode_time, samples: std::slice::from_ref(&sample) };
        let reached_us = self.arrival.stamp(decode_time, self.video.tie(), unix_us);
        let bytes = stamped(&mut self.buffer, sequence, reached_us, run);
        out.push(Output::Fragment {
            track: Track::Video,
            sequence,
            sync,
            decode_time,
            reached_us: Some(reached_us),
            bytes,
        });
        self.whole.push_video(decode_time, sample);
    }

    /// Takes an audio frame.
    pub(crate) fn push_audio(&mut self, sample: flv::Sample, out: &mut Vec<Output>) {
        let (Some(aac), Some(clock)) = (&self.tracks.audio, &mut self.audio) else {
            return;
        };
        let Some(decode_time) = clock.next(sample.dts_ms, &self.video) else {
            return;
        };
        let sample = Sample { duration: aac.frame_length, composition: 0, sync: true, data: sample.data };
        let sequence = next(&mut self.numbers.audio);
        let run = Run { track: Track::Audio, decode_time, samples: std::slice::from_ref(&sample) };
        let bytes = fragment(&mut self.buffer, sequence, &[run]);
        let ticks = timeline::rescale(decode_time, VIDEO_TIMESCALE, aac.core_rate);
        out.push(Output::Fragment {
            track: Track::Audio,
            sequence,
            sync: true,
            decode_time: ticks,
            reached_us: None,
            bytes,
        });
        if self.whole.is_full(sample.data.len(), ticks) {
            out.extend(self.take_whole(self.video.end()));
        }
        self.whole.push_audio(decode_time, sample);
    }

    /// What was collected for the whole GOP, which ends at `end`.
    fn take_whole(&mut self, end: Ticks) -> Option<Output> {
        let piece = self.whole.take(self.numbers.whole, end)?;
        let sequence = next(&mut self.numbers.whole);
        Some(Output::Gop { init: self.init.clone(), media: piece.media, sequence, sync: piece.sync })
    }

    /// Ends it: what was left.
    pub(crate) fn finish(&mut self) -> Option<Output> {
        self.take_whole(self.video.end())
    }
}

fn next(number: &mut u32) -> u32 {
    let this = *number;
    *number = number.wrapping_add(1);
    this
}
