//! What a viewer's media was like, in figures. Time comes in as an argument; nothing grows with it.

use std::time::Duration;

use serde::Serialize;

use crate::media::intake::Faults;
use crate::media::mp4::{AUDIO, Media, VIDEO};
use crate::percentiles::{Percentiles, Summary};

/// Units of a second in decode times of video.
const TIMESCALE: f64 = 90_000.0;

/// Figures that are added up while a viewer watches. All times are since its first request, unless they say otherwise.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    described: Option<Duration>,
    first_media: Option<Duration>,
    first_keyframe: Option<Duration>,
    messages: u64,
    message_bytes: u64,
    frames: u64,
    keyframes: u64,
    media_bytes: u64,
    /// Decode times of the first fragment of video and of the last.
    span: Option<(u64, u64)>,
    /// Frames and bytes of that last one: how long they last is not known yet.
    open: (u64, u64),
    /// When the last fragment of video came.
    last: Option<Duration>,
    largest_gap: Duration,
    latency: Percentiles,
    from_the_future: u64,
}

/// What is told of a viewer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Told {
    /// Milliseconds from the first request to what it led to.
    pub(crate) startup_ms: Startup,
    /// Milliseconds from the first keyframe to the last picture.
    pub(crate) watched_ms: u64,
    /// Media messages.
    pub(crate) messages: u64,
    /// Their payload.
    pub(crate) bytes: u64,
    /// Pictures that can be decoded.
    pub(crate) frames: u64,
    /// Keyframes among them.
    pub(crate) keyframes: u64,
    /// Pictures in a second of media.
    pub(crate) fps: Option<f64>,
    /// Bits in a second of media, of all tracks.
    pub(crate) bitrate: Option<u64>,
    /// Holes in the numbering of fragments: pictures up to the next keyframe are missing.
    pub(crate) gaps: u64,
    /// Messages that were sent and never came.
    pub(crate) lost_messages: u64,
    /// Messages that are not understood.
    pub(crate) unreadable_messages: u64,
    /// Longest time between two messages with pictures; the service's whole GOPs make it long.
    pub(crate) largest_gap_ms: u64,
    /// From the camera's picture at the worker, by its clock, to its arrival, by ours; live topics only.
    pub(crate) latency_ms: Option<Summary>,
    /// Some pictures came before they were captured: the clocks differ, and latencies say nothing.
    pub(crate) clock_ahead: bool,
}

/// Milliseconds from the first request to what it led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Startup {
    /// The answer to describe.
    pub(crate) describe: Option<u64>,
    /// The first message with media.
    pub(crate) first_media: Option<u64>,
    /// The first keyframe that can be decoded: a picture could be shown.
    pub(crate) first_keyframe: Option<u64>,
}

impl Figures {
    /// Describe was answered.
    pub(crate) fn described(&mut self, at: Duration) {
        self.described.get_or_insert(at);
    }

    /// A media message came.
    pub(crate) fn message(&mut self, at: Duration, bytes: usize) {
        self.first_media.get_or_insert(at);
        self.messages += 1;
        self.message_bytes += bytes as u64;
    }

    /// A fragment that can be decoded came by a message at `at`.
    pub(crate) fn media(&mut self, at: Duration, media: &Media) {
        if self.span.is_some() || media.track() != Some(AUDIO) {
            self.media_bytes += media.data.len() as u64;
        }
        let Some(decode_time) = media.decode_time(VIDEO) else { return };
        let (frames, keyframes) = media.samples(VIDEO);
        self.first_keyframe.get_or_insert(at);
        self.frames += frames;
        self.keyframes += keyframes;
        self.open = (frames, media.data.len() as u64);
        self.span = Some((self.span.map_or(decode_time, |(first, _)| first), decode_time));
        if let Some(last) = self.last.replace(at) {
            self.largest_gap = self.largest_gap.max(at.saturating_sub(last));
        }
    }

    /// A picture came that was captured then; both in Unix microseconds.
    pub(crate) fn captured(&mut self, captured_us: u64, came_us: u64) {
        self.from_the_future += u64::from(captured_us > came_us);
        self.latency.record(Duration::from_micros(came_us.saturating_sub(captured_us)));
    }

    /// Whether there was a picture.
    pub(crate) fn first_keyframe(&self) -> Option<Duration> {
        self.first_keyframe
    }

    /// When the last picture came.
    pub(crate) fn last(&self) -> Option<Duration> {
        self.last
    }

    /// Pictures that can be decoded.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// Longest time between two pictures.
    pub(crate) fn largest_gap(&self) -> Duration {
        self.largest_gap
    }

    /// Latencies.
    pub(crate) fn latency(&self) -> &Percentiles {
        &self.latency
    }

    /// Whether some pictures came before they were captured.
    pub(crate) fn clock_ahead(&self) -> bool {
        self.from_the_future > 0
    }

    /// All of it.
    pub(crate) fn told(&self, faults: Faults) -> Told {
        let ms = |time: Duration| time.as_millis() as u64;
        let (open_frames, open_bytes) = self.open;
        let seconds = self.span.map(|(first, last)| last.saturating_sub(first) as f64 / TIMESCALE);
        let seconds = seconds.filter(|seconds| *seconds > 0.0);
        let watched = self.first_keyframe.zip(self.last).map(|(first, last)| last.saturating_sub(first));
        Told {
            startup_ms: Startup {
                describe: self.described.map(ms),
                first_media: self.first_media.map(ms),
                first_keyframe: self.first_keyframe.map(ms),
            },
            watched_ms: watched.map_or(0, ms),
            messages: self.messages,
            bytes: self.message_bytes,
            frames: self.frames,
            keyframes: self.keyframes,
            fps: seconds.map(|seconds| ((self.frames - open_frames) as f64 / seconds * 100.0).round() / 100.0),
            bitrate: seconds.map(|seconds| ((self.media_bytes - open_bytes) as f64 * 8.0 / seconds) as u64),
            gaps: faults.gaps,
            lost_messages: faults.lost_messages,
            unreadable_messages: faults.unreadable,
            largest_gap_ms: ms(self.largest_gap),
            latency_ms: self.latency.summary(),
            clock_ahead: self.clock_ahead(),
        }
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |time: Option<u64>| time.map_or("–".to_owned(), |time| format!("{time} ms"));
        let Startup { describe, first_media, first_keyframe } = self.startup_ms;
        let (describe, media, keyframe) = (ms(describe), ms(first_media), ms(first_keyframe));
        writeln!(f, "start     described after {describe}, first media {media}, first keyframe {keyframe}")?;
        let fps = self.fps.map_or("–".to_owned(), |fps| fps.to_string());
        let kbits = self.bitrate.map_or("–".to_owned(), |bits| (bits / 1000).to_string());
        let seconds = self.watched_ms as f64 / 1000.0;
        writeln!(
            f,
            "watched   {seconds:.1} s, {} frames ({} keyframes), {fps} fps, {kbits} kbit/s",
            self.frames, self.keyframes
        )?;
        writeln!(
            f,
            "trouble   {} gaps, {} messages lost, {} not understood, longest wait for a picture {} ms",
            self.gaps, self.lost_messages, self.unreadable_messages, self.largest_gap_ms
        )?;
        match (&self.latency_ms, self.clock_ahead) {
            (_, true) => write!(f, "latency   unknown: the worker's clock is ahead of this machine's"),
            (Some(latency), false) => write!(f, "latency   {latency}, from the worker's clock to this machine's"),
            (None, false) => write!(f, "latency   not told by this delivery"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::fixture;
    use crate::media::mp4::{Segment, read};

    fn frame(number: u32) -> Media {
        match read(&fixture::media(VIDEO, number, u64::from(number) * 3000, number == 0)).expect("media").remove(0) {
            Segment::Media(media) => media,
            Segment::Init(_) => panic!("a fragment"),
        }
    }

    #[test]
    fn rates_are_of_media_time_and_gaps_of_the_clock() {
        let mut figures = Figures::default();
        let ms = Duration::from_millis;
        figures.described(ms(80));
        for (number, at) in [(0, 100), (1, 100), (2, 100), (3, 133), (4, 233)] {
            figures.message(ms(at), 40);
            figures.media(ms(at), &frame(number));
        }
        figures.captured(1_000_000, 1_050_000);
        let told = figures.told(Faults { lost_messages: 3, gaps: 1, unreadable: 0 });
        let startup = Startup { describe: Some(80), first_media: Some(100), first_keyframe: Some(100) };
        assert_eq!(told.startup_ms, startup);
        assert_eq!((told.frames, told.keyframes, told.fps), (5, 1, Some(30.0)), "a burst does not make it faster");
        assert_eq!((told.watched_ms, told.largest_gap_ms), (133, 100));
        assert_eq!((told.messages, told.bytes, told.lost_messages, told.gaps), (5, 200, 3, 1));
        assert_eq!(told.latency_ms.map(|latency| latency.p50), Some(50));
        insta::assert_snapshot!(told.to_string());
    }

    #[test]
    fn a_clock_that_is_ahead_is_told() {
        let mut figures = Figures::default();
        figures.captured(1_000_000, 999_000);
        let told = figures.told(Faults::default());
        assert!(told.clock_ahead && told.to_string().contains("clock is ahead"));
        assert_eq!((told.fps, told.bitrate), (None, None));
    }
}
