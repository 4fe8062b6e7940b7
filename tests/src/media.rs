//! The media that one viewer got, put together from messages as the protocol says, with what was wrong about it.
//!
//! A [`Feed`] follows one topic, a [`Track`] one track of one topic. A fault is recorded rather than raised, so that a test
//! decides whether it is one: a live topic that is joined in the middle begins in the middle.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use bytes::{Buf, Bytes, BytesMut};

use crate::mp4::{self, Fragment, Init, Segment};
use crate::mqtt::Message;

/// Correlation Data of a media message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// The run of ffmpeg, by the Unix time in milliseconds when it began.
    pub generation: u64,
    /// The message's place among those of its topic and generation.
    pub number: u32,
    /// For one part of a cut fragment: which one, of how many.
    pub part: Option<(u16, u16)>,
}

impl Number {
    /// Reads it.
    pub fn of(message: &Message) -> Result<Self> {
        let mut data = message.correlation.clone().context("a media message without Correlation Data")?;
        ensure!(matches!(data.len(), 12 | 16), "Correlation Data of {} bytes", data.len());
        let (generation, number) = (data.get_u64(), data.get_u32());
        let part = data.has_remaining().then(|| (data.get_u16(), data.get_u16()));
        Ok(Self { generation, number, part })
    }
}

/// A fragment, and the generation that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Generation of the message that it came in.
    pub generation: u64,
    /// The fragment.
    pub fragment: Fragment,
}

impl Received {
    /// Decode time of its first run.
    pub fn decode_time(&self) -> u64 {
        self.fragment.runs.first().map_or(0, |run| run.decode_time)
    }

    /// Whether decoding can begin with it.
    pub fn sync(&self) -> bool {
        self.fragment.runs.first().and_then(|run| run.samples.first()).is_some_and(|sample| sample.sync)
    }
}

/// What came of one track.
#[derive(Debug, Clone, Default)]
pub struct Track {
    /// Init segments by generation.
    pub inits: BTreeMap<u64, Init>,
    /// Fragments in the order in which they came.
    pub fragments: Vec<Received>,
}

/// What came on one topic.
#[derive(Debug, Default)]
pub struct Feed {
    /// Everything by `track_ID`: 1 is video, 2 audio. Whole GOPs with both tracks are under 1.
    pub tracks: BTreeMap<u32, Track>,
    /// Number of media messages.
    pub messages: usize,
    /// Length of the longest payload.
    pub longest: usize,
    /// Messages that did not come one after the other, and what else was wrong.
    pub faults: Vec<String>,
    /// Messages of a generation before the newest: those of a worker that a stream was taken from. Not taken.
    pub stale: usize,
    last: Option<Number>,
    cut: BytesMut,
}

/// `track_ID` of video.
pub const VIDEO: u32 = 1;
/// `track_ID` of audio.
pub const AUDIO: u32 = 2;

impl Feed {
    /// The video track.
    pub fn video(&self) -> Track {
        self.tracks.get(&VIDEO).cloned().unwrap_or_default()
    }

    /// The audio track.
    pub fn audio(&self) -> Track {
        self.tracks.get(&AUDIO).cloned().unwrap_or_default()
    }

    /// Number of fragments of a track.
    pub fn fragments(&self, track: u32) -> usize {
        self.tracks.get(&track).map_or(0, |track| track.fragments.len())
    }

    /// Takes a message that came on this topic.
    pub fn push(&mut self, message: &Message) {
        self.messages += 1;
        self.longest = self.longest.max(message.payload.len());
        if let Err(error) = self.take(message) {
            self.faults.push(format!("{error:#}"));
        }
    }

    fn take(&mut self, message: &Message) -> Result<()> {
        let number = Number::of(message)?;
        if self.last.is_some_and(|last| last.generation > number.generation) {
            self.stale += 1;
            return Ok(());
        }
        let expected = match self.last.filter(|last| last.generation == number.generation) {
            Some(last) => last.number + 1,
            None => 0,
        };
        if number.number != expected {
            // A catch-up counts from 0 again; and whoever joins a live topic begins in the middle of it.
            let begins = number.number == 0 || self.last.is_none();
            self.cut.clear();
            if !begins {
                self.faults.push(format!("message {} of {} instead of {expected}", number.number, number.generation));
            }
        }
        self.last = Some(number);
        let Some(whole) = self.joined(number, &message.payload) else { return Ok(()) };
        for segment in mp4::read(&whole)? {
            match segment {
                Segment::Init(init) => {
                    let id = init.tracks.first().context("an init segment without tracks")?.id;
                    self.tracks.entry(id).or_default().inits.insert(number.generation, init);
                }
                Segment::Fragment(fragment) => {
                    let id = fragment.runs.first().context("a fragment without tracks")?.track;
                    let received = Received { generation: number.generation, fragment };
                    self.tracks.entry(id).or_default().fragments.push(received);
                }
            }
        }
        Ok(())
    }

    /// The payload, or the fragment of which it was the last part.
    fn joined(&mut self, number: Number, payload: &Bytes) -> Option<Bytes> {
        let Some((part, count)) = number.part else { return Some(payload.clone()) };
        if part == 0 {
            self.cut.clear();
        } else if self.cut.is_empty() {
            // Joined in the middle of a cut fragment.
            return None;
        }
        self.cut.extend_from_slice(payload);
        (part + 1 == count).then(|| self.cut.split().freeze())
    }
}

/// What a player plays: the catch-up, and the live fragments from where it ends.
///
/// # Panics
///
/// When they do not fit together: a sequence number missing, a time that goes back, another first fragment than a
/// keyframe, bytes on the live topic that differ from those of the catch-up.
#[track_caller]
pub fn spliced(catch_up: &Track, live: &Track) -> Vec<Received> {
    let mut played = catch_up.fragments.clone();
    for received in &live.fragments {
        match played.iter().find(|before| before.fragment.sequence == received.fragment.sequence) {
            Some(before) => assert_eq!(before.fragment, received.fragment, "the catch-up holds the live bytes"),
            None if played.last().is_none_or(|last| last.fragment.sequence < received.fragment.sequence) => {
                played.push(received.clone());
            }
            None => {}
        }
    }
    assert_continuous(&played);
    played
}

/// How far a generation may reach back into the one before it, in the unit of either track's timescale: half a second of
/// video, a little more of audio. It begins where the shorter of both tracks ended, and so overlaps the longer one.
const OVERLAP: u64 = 45_000;

/// Claims that a track's fragments follow one another: within a generation without a gap and with rising times; and from
/// one generation to the next where the one before ended.
#[track_caller]
pub fn assert_continuous(fragments: &[Received]) {
    for (index, pair) in fragments.windows(2).enumerate() {
        let (before, after) = (&pair[0], &pair[1]);
        let place = format!(
            "fragments {index} and {}: {} of {} at {}, {} of {} at {}",
            index + 1,
            before.fragment.sequence,
            before.generation,
            before.decode_time(),
            after.fragment.sequence,
            after.generation,
            after.decode_time()
        );
        assert!(before.generation <= after.generation, "generations rise: {place}");
        if before.generation == after.generation {
            assert!(before.decode_time() < after.decode_time(), "time rises: {place}");
            assert_eq!(before.fragment.sequence + 1, after.fragment.sequence, "none is missing: {place}");
        } else {
            assert!(before.decode_time() < after.decode_time() + OVERLAP, "time goes on: {place}");
            assert!(after.sync(), "a generation begins where decoding can: {place}");
        }
    }
}

/// Claims that sequence numbers rise, also from one generation to the next of the same worker.
#[track_caller]
pub fn assert_numbers_rise(fragments: &[Received]) {
    for pair in fragments.windows(2) {
        let (before, after) = (pair[0].fragment.sequence, pair[1].fragment.sequence);
        assert!(before < after, "sequence numbers rise: {before}, {after}");
    }
}
