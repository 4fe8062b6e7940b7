//! Times and numbers that go on over generations and workers.
//!
//! Cameras lose frames, set their clocks, and stop sending one track; ffmpeg repeats times that go backwards, and
//! starts again from zero. What is published nevertheless only goes up, and keeps picture and sound together:
//! [`VideoClock`] and [`AudioClock`] map one generation's source times to the timeline. Video follows its source as
//! long as that is plausible and otherwise goes on at its own pace; audio follows video's mapping, since both tracks of
//! a run share the source's clock.
//!
//! Nothing here reads a clock.

use crate::fmp4::VIDEO_TIMESCALE;

/// A time on the timeline, in units of [`VIDEO_TIMESCALE`].
pub(crate) type Ticks = u64;

const SECOND: i64 = VIDEO_TIMESCALE as i64;
const MILLISECOND: i64 = SECOND / 1000;

/// 2026-01-01T00:00:00Z in Unix milliseconds: the timeline's origin, so that a worker that knows nothing of the last
/// one still continues upward.
const EPOCH_MS: u64 = 1_767_225_600_000;

/// A hole larger than this is not lost frames but a clock that was set.
const LARGEST_GAP: i64 = 10 * SECOND;

/// A step back that is smaller than this is jitter of one frame; a larger one is a clock that was set.
const LARGEST_STEP_BACK: i64 = SECOND / 10;

/// No move of a stream takes longer than this; what says so is a clock that was set.
const LONGEST_MOVE_MS: u64 = 5 * 60 * 1000;

/// Frames in succession that may have the time of the one before, until that counts as a clock that stands.
const REPEATS: u32 = 1;

/// Counted and stated audio time may differ by this much.
const AUDIO_TOLERANCE: i64 = SECOND / 20;

/// How far published audio may be behind video and still decide where the next generation begins.
const AUDIO_LAG: u64 = 2 * VIDEO_TIMESCALE as u64;

/// Where a stream's numbering stands, so that a later run, here or on another worker, goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Continuation {
    /// Last generation.
    pub(crate) generation: u64,
    /// Highest `mfhd.sequence_number` of any track.
    pub(crate) sequence_number: u32,
    /// End of the timeline in units of 1/90000 s. Zero: unknown.
    pub(crate) decode_time: u64,
}

/// Time on the timeline of a moment that is given in Unix milliseconds, for a stream of which nothing is known.
pub(crate) fn origin(unix_ms: u64) -> Ticks {
    unix_ms.saturating_sub(EPOCH_MS) * (MILLISECOND as u64)
}

/// How far the timeline goes on between two moments in Unix milliseconds; a clock that was set back by then stands.
pub(crate) fn since(earlier_ms: u64, later_ms: u64) -> Ticks {
    later_ms.saturating_sub(earlier_ms).min(LONGEST_MOVE_MS) * (MILLISECOND as u64)
}

/// First sequence number of a stream of which nothing is known: goes up by 16 a second, so it wraps in 2034.
pub(crate) fn first_sequence(unix_ms: u64) -> u32 {
    (unix_ms.saturating_sub(EPOCH_MS) / 1000 * 16) as u32
}

/// Where the next generation begins: at the end of video, or of the audio that was published if that is earlier, as a
/// range that lacks a track stops the player. Audio that stopped long ago does not count.
pub(crate) fn end(video: Ticks, audio: Option<Ticks>) -> Ticks {
    match audio {
        Some(audio) if audio + AUDIO_LAG >= video => video.min(audio),
        _ => video,
    }
}

/// Maps video decode times; what comes out strictly increases.
#[derive(Debug)]
pub(crate) struct VideoClock {
    /// From source time to timeline.
    offset: i64,
    last_source_ms: i64,
    last: i64,
    /// The last plausible distance of two frames.
    pace: i64,
    repeats: u32,
}

impl VideoClock {
    /// A clock by which the source's `dts_ms` is `start`.
    pub(crate) fn new(dts_ms: i64, start: Ticks) -> Self {
        const UNTIL_KNOWN: i64 = SECOND / 25;
        let last = start as i64;
        Self {
            offset: last.saturating_sub(ticks(dts_ms)),
            last_source_ms: dts_ms.saturating_sub(1),
            last: last - UNTIL_KNOWN,
            pace: UNTIL_KNOWN,
            repeats: 0,
        }
    }

    /// Time of the next frame. A long hole is believed if audio, which ends at `audio`, went on meanwhile.
    pub(crate) fn next(&mut self, dts_ms: i64, audio: Option<Ticks>) -> Ticks {
        let step = ticks(dts_ms).saturating_add(self.offset).saturating_sub(self.last);
        self.repeats = if dts_ms > self.last_source_ms { 0 } else { self.repeats + 1 };
        self.last_source_ms = dts_ms;
        let confirmed = audio.is_some_and(|end| (end as i64 - self.last).abs_diff(step) <= SECOND as u64);
        if step > 0 && (step <= LARGEST_GAP || confirmed) {
            if step < SECOND {
                self.pace = step;
            }
            self.last += step;
        } else if (-LARGEST_STEP_BACK..=0).contains(&step) && self.repeats <= REPEATS {
            self.last += MILLISECOND;
        } else {
            self.last += self.pace;
            self.offset = self.last.saturating_sub(ticks(dts_ms));
        }
        self.last as Ticks
    }

    /// What ties source and timeline: changes when the source's clock was set, and the timeline went on nevertheless.
    pub(crate) fn tie(&self) -> i64 {
        self.offset
    }

    /// Where the next frame is expected.
    pub(crate) fn end(&self) -> Ticks {
        (self.last + self.pace) as Ticks
    }
}

/// Places audio frames by counting them. What comes out strictly increases.
#[derive(Debug)]
pub(crate) struct AudioClock {
    rate: u32,
    frame_length: u32,
    /// Nothing is published before.
    start: i64,
    offset: i64,
    last_source_ms: Option<i64>,
    repeats: u32,
    /// End of what was placed, in samples.
    next: Option<u64>,
}

impl AudioClock {
    /// A clock for frames of `frame_length` samples at `rate`, none before `start`.
    pub(crate) fn new(rate: u32, frame_length: u32, start: Ticks) -> Self {
        Self { rate, frame_length, start: start as i64, offset: 0, last_source_ms: None, repeats: 0, next: None }
    }

    /// Decode time in samples of the next frame, or `None` if it comes too late to be placed.
    pub(crate) fn next(&mut self, dts_ms: i64, video: &VideoClock) -> Option<u64> {
        let repeats = match self.last_source_ms {
            Some(last) if dts_ms <= last => self.repeats + 1,
            _ => 0,
        };
        self.repeats = repeats;
        self.last_source_ms = Some(dts_ms);

        let shared = ticks(dts_ms).saturating_add(video.offset);
        let plausible = shared.abs_diff(video.last) <= LARGEST_GAP as u64;
        if plausible {
            self.offset = video.offset;
        }
        let stated = ticks(dts_ms).saturating_add(self.offset);
        let place = match self.end() {
            None if plausible => {
                if stated < self.start {
                    return None;
                }
                self.samples(stated)
            }
            None => self.resume_at(video.last, dts_ms),
            Some(end) => {
                let expected = end as i64;
                let ahead = stated.saturating_sub(expected);
                if ahead.unsigned_abs() <= AUDIO_TOLERANCE as u64 || repeats > REPEATS {
                    self.next?
                } else if !plausible && ahead.unsigned_abs() > LARGEST_GAP as u64 {
                    self.offset = expected.saturating_sub(ticks(dts_ms));
                    self.next?
                } else if ahead > 0 {
                    self.samples(stated)
                } else {
                    return None;
                }
            }
        };
        self.next = Some(place + u64::from(self.frame_length));
        Some(place)
    }

    fn resume_at(&mut self, time: i64, dts_ms: i64) -> u64 {
        self.offset = time.saturating_sub(ticks(dts_ms));
        self.samples(time)
    }

    /// End of what was placed, if anything was.
    pub(crate) fn end(&self) -> Option<Ticks> {
        Some(rescale(self.next?, VIDEO_TIMESCALE, self.rate))
    }

    fn samples(&self, ticks: i64) -> u64 {
        rescale(ticks.max(0) as u64, self.rate, VIDEO_TIMESCALE)
    }
}

/// Source milliseconds in ticks.
pub(crate) fn ticks(milliseconds: i64) -> i64 {
    milliseconds.saturating_mul(MILLISECOND)
}

/// `time` × `to` / `from`, rounded down.
pub(crate) fn rescale(time: u64, to: u32, from: u32) -> u64 {
    (u128::from(time) * u128::from(to) / u128::from(from)) as u64
}

#[cfg(test)]
mod tests;
