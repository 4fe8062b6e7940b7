//! Turns the samples of a job's runs of ffmpeg into one stream of init segments and fragments, over all its
//! generations.
//!
//! A generation begins with a keyframe, once the configurations of the expected tracks are there: with each run of
//! ffmpeg, and in the midst of one when the camera changes its resolution or its sound, which takes effect with the
//! next keyframe.
//!
//! ```text
//! waiting ── keyframe, configurations ──► generation ── keyframe of another configuration ──► next generation
//!    ▲                                        │
//!    └─────────────── begin() ────────────────┘
//! ```
//!
//! Video is held only at the very start, while the configuration of audio is still to come, and never again.

use bytes::Bytes;

use crate::flv::{Item, Sample};
pub(crate) use crate::fmp4::{Media, Track};
use crate::generation::{Generation, Numbers};
use crate::run::Run;
pub(crate) use crate::timeline::Continuation;
use crate::timeline::{self, Ticks};

/// Added to the sequence number of another worker, as what is known of it may be seconds old.
const SEQUENCE_MARGIN: u32 = 1024;

/// Largest decode time that is taken over: script numbers are exact up to here.
const MAX_DECODE_TIME: Ticks = 1 << 53;

/// What a job's numbering begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// Unix time in milliseconds.
    pub(crate) unix_ms: u64,
    /// Where another worker left off.
    pub(crate) after: Option<Stand>,
}

/// Where a stream's numbering stood at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stand {
    /// The numbering.
    pub(crate) continuation: Continuation,
    /// The moment, as Unix time in milliseconds.
    pub(crate) unix_ms: u64,
}

/// What the muxer makes, in the order in which it is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// A generation begins: everything that follows belongs to it, until the next. Its init segments follow at once,
    /// then a keyframe.
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
        decode_time: Ticks,
        /// When a picture reached the worker, in Unix microseconds, which is what `prft` says too. Absent for audio.
        reached_us: Option<u64>,
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
        /// Begins with a keyframe. False for the rest of a GOP that was too long for one message: only who has what
        /// went before can use it.
        sync: bool,
    },
}

/// Why a run's samples cannot be muxed: it has to be started anew with a transcode.
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
    run: Run,
    generation: Option<Generation>,
    media: Option<Media>,
    last_generation: u64,
    next_generation: u64,
    /// Where the next generation goes on, when none runs.
    next_start: Ticks,
    /// When the timeline stood there, in Unix milliseconds, if it went on since on another worker.
    stood_at: Option<u64>,
    numbers: Numbers,
}

impl Muxer {
    /// A muxer before its first run.
    pub(crate) fn new(start: Start) -> Self {
        let mut first = timeline::first_sequence(start.unix_ms);
        let mut next_start = timeline::origin(start.unix_ms);
        let mut stood_at = None;
        if let Some(Stand { continuation: after, unix_ms }) = start.after {
            first = first.max(after.sequence_number.saturating_add(SEQUENCE_MARGIN));
            if after.decode_time > 0 {
                next_start = after.decode_time.min(MAX_DECODE_TIME);
                stood_at = Some(unix_ms);
            }
        }
        let last_generation = start.after.map_or(0, |after| after.continuation.generation);
        let numbers = Numbers::new(first);
        Self {
            run: Run::default(),
            generation: None,
            media: None,
            last_generation,
            next_generation: start.unix_ms,
            next_start,
            stood_at,
            numbers,
        }
    }

    /// Another worker published the stream as this generation: the next here is higher.
    pub(crate) fn outrank(&mut self, generation: u64) {
        self.last_generation = self.last_generation.max(generation);
    }

    /// A new run of ffmpeg begins. Returns what was left of the last. `generation` is the time of its start in Unix
    /// milliseconds; should it not exceed the last generation, the next number is taken instead. With `expect_audio`
    /// the first keyframe is held for up to a second until the sound's configuration is there.
    pub(crate) fn begin(&mut self, generation: u64, expect_audio: bool) -> Vec<Output> {
        self.run = Run::new(expect_audio);
        let rest = self.end_generation(generation);
        rest.into_iter().collect()
    }

    /// Takes an item of either pipe, which was seen to have come by `now_unix_us` (Unix time in microseconds). Items that
    /// ask for a transcode come back as the error that says so.
    pub(crate) fn push(&mut self, item: Item, now_unix_us: u64) -> Result<Vec<Output>, Error> {
        let mut out = Vec::new();
        match item {
            Item::AvcConfig(record) => self.run.configure_video(record).map_err(Error::video)?,
            Item::AacConfig(config) => {
                self.run.configure_audio(config).map_err(Error::audio)?;
                self.start_held(&mut out);
            }
            Item::Video(sample) => {
                for (picture, unix_us) in self.run.inspect(sample, now_unix_us).map_err(Error::video)? {
                    self.push_picture(picture, unix_us, &mut out);
                }
            }
            Item::Audio(sample) => match &mut self.generation {
                Some(generation) if self.run.has_audio(generation.tracks()) => generation.push_audio(sample, &mut out),
                Some(_) => {}
                None => self.run.hold_audio(sample),
            },
            Item::UnsupportedVideo(codec) => return Err(Error::video(format_args!("FLV codec {codec}"))),
            Item::UnsupportedAudio(format) => return Err(Error::audio(format_args!("FLV sound format {format}"))),
        }
        Ok(out)
    }

    /// There will be no audio in this run (its pipe ended): go on without. Happens by itself when it does not come
    /// within a second of the first keyframe.
    pub(crate) fn give_up_audio(&mut self) -> Vec<Output> {
        let mut out = Vec::new();
        self.run.give_up_audio();
        self.start_held(&mut out);
        out
    }

    /// The tracks of the present generation; between two runs, of the last one. `None` before the first.
    pub(crate) fn media(&self) -> Option<&Media> {
        self.media.as_ref()
    }

    /// Where the numbering stands.
    pub(crate) fn continuation(&self) -> Continuation {
        let (decode_time, numbers) = self.generation.as_ref().map_or((self.next_start, self.numbers), Generation::end);
        Continuation { generation: self.last_generation, sequence_number: numbers.last(), decode_time }
    }

    fn push_picture(&mut self, picture: Sample, now_unix_us: u64, out: &mut Vec<Output>) {
        let changed = |generation: &Generation| !self.run.has(generation.tracks());
        if picture.sync && self.generation.as_ref().is_some_and(changed) {
            out.extend(self.end_generation(now_unix_us / 1000));
        }
        match &mut self.generation {
            Some(generation) if self.run.has_video(generation.tracks()) => {
                generation.push_video(picture, now_unix_us, out);
            }
            // Of another configuration than the generation: not to be decoded before its keyframe.
            Some(_) => {}
            None => {
                self.run.hold_video(picture, now_unix_us);
                self.start_held(out);
            }
        }
    }

    /// Begins a generation with what is held, if everything is there.
    fn start_held(&mut self, out: &mut Vec<Output>) {
        if self.generation.is_some() {
            return;
        }
        let (Some(tracks), Some((pictures, audio))) = (self.run.tracks(), self.run.take_held()) else {
            return;
        };
        self.last_generation = self.next_generation.max(self.last_generation + 1);
        let (first, unix_us) = &pictures[0];
        if let Some(stood_at) = self.stood_at.take() {
            self.next_start += timeline::since(stood_at, unix_us / 1000);
        }
        let mut generation = Generation::begin(tracks, self.numbers, first.dts_ms, self.next_start);
        let media = generation.media(self.last_generation);
        self.media = Some(media.clone());
        out.push(Output::Generation(media));
        out.extend(generation.inits());
        for (picture, unix_us) in pictures {
            generation.push_video(picture, unix_us, out);
        }
        for frame in audio {
            generation.push_audio(frame, out);
        }
        self.generation = Some(generation);
    }

    /// Ends the generation, if any, before that with the number `next`. Returns what was left of it.
    fn end_generation(&mut self, next: u64) -> Option<Output> {
        self.next_generation = next;
        let mut generation = self.generation.take()?;
        let rest = generation.finish();
        (self.next_start, self.numbers) = generation.end();
        rest
    }
}

impl Error {
    fn video(why: impl std::fmt::Display) -> Self {
        Self::UnsupportedVideo(why.to_string())
    }

    fn audio(why: impl std::fmt::Display) -> Self {
        Self::UnsupportedAudio(why.to_string())
    }
}

#[cfg(test)]
mod tests;
