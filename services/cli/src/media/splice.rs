//! Where the catch-up burst ends and the live topic begins, and what can be decoded after a loss: the order of one track, by
//! generation and `mfhd.sequence_number`; see proto/MQTT.md, "Splicing".
//!
//! ```text
//! holding ──(the burst reaches the predecessor of the first held fragment, or a live keyframe comes)──▶ flowing
//! holding ──(audio: no burst comes)──▶ flowing
//! flowing ──(a number is missing)──▶ waiting ──(next sync sample)──▶ flowing
//! any     ──(restart: play was sent again, a burst comes)──▶ holding
//! ```
//!
//! The first init segment and keyframe on the live topic are a safe place to begin, burst or not. It does not know time;
//! who gives up waiting is the viewer.

use std::collections::VecDeque;

use super::mp4::{Media, Segment};

/// Live fragments that wait for the burst, at most: a GOP of 10 s at 60 frames a second.
const MOST_VIDEO_HELD: usize = 600;
/// About one second of AAC. The tail of the burst was lost when it takes longer, and no keyframe comes to the rescue.
const MOST_AUDIO_HELD: usize = 48;

/// Where a segment came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The burst on the reply topic.
    CatchUp,
    /// A live topic; or whole GOPs on the reply topic, to which nothing has to be spliced.
    Live,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Holding,
    Flowing,
    Waiting,
}

/// Puts the segments of one track into order.
#[derive(Debug)]
pub(crate) struct Splice {
    state: State,
    /// True for audio, where a loss is no reason to wait.
    every_sample_is_sync: bool,
    held: VecDeque<(u64, Segment)>,
    /// That of the last init segment given out.
    generation: Option<u64>,
    /// Number of the last fragment given out.
    last: Option<u32>,
    misses_init: bool,
    gaps: u64,
}

impl Splice {
    /// For a track whose beginning a burst brings.
    pub(crate) fn after_burst(every_sample_is_sync: bool) -> Self {
        Self { state: State::Holding, ..Self::without_burst(every_sample_is_sync) }
    }

    /// For a track that begins where it can.
    pub(crate) fn without_burst(every_sample_is_sync: bool) -> Self {
        Self {
            state: State::Waiting,
            every_sample_is_sync,
            held: VecDeque::new(),
            generation: None,
            last: None,
            misses_init: false,
            gaps: 0,
        }
    }

    /// Holes in the numbering, after which nothing could be decoded until the next sync sample.
    pub(crate) fn gaps(&self) -> u64 {
        self.gaps
    }

    /// True when fragments of a generation come whose init segment was lost: only a new burst brings it.
    pub(crate) fn needs_init(&self) -> bool {
        self.misses_init
    }

    /// A new burst is on its way.
    pub(crate) fn restart(&mut self) {
        self.state = State::Holding;
        self.held.clear();
    }

    /// Takes a segment, and gives those that are next now.
    pub(crate) fn push(&mut self, origin: Origin, generation: u64, segment: Segment) -> Vec<Segment> {
        if self.generation.is_some_and(|current| generation < current) {
            return Vec::new();
        }
        match (origin, self.state) {
            (Origin::CatchUp, _) => self.catch_up(generation, segment),
            (Origin::Live, State::Holding) => self.hold(generation, segment),
            (Origin::Live, _) => self.live(generation, segment),
        }
    }

    fn catch_up(&mut self, generation: u64, segment: Segment) -> Vec<Segment> {
        let Segment::Media(media) = &segment else { return self.init(generation, segment) };
        if self.state != State::Holding || self.generation != Some(generation) {
            return Vec::new();
        }
        let mut steps = Vec::new();
        if self.follows(media) {
            self.last = Some(media.sequence());
            steps.push(segment);
        } else if self.last.is_none_or(|last| media.sequence() > last) {
            return Vec::new();
        }
        steps.extend(self.try_join());
        steps
    }

    fn hold(&mut self, generation: u64, segment: Segment) -> Vec<Segment> {
        let current = self.generation == Some(generation);
        if let (Segment::Media(media), true) = (&segment, current) {
            let sequence = media.sequence();
            if self.last.is_some_and(|last| sequence <= last) {
                return Vec::new();
            }
            // Contiguous with what was given out, or a keyframe: the rest of the burst is older, and not needed.
            let contiguous = self.last.is_some_and(|last| sequence == last.wrapping_add(1));
            if contiguous || media.sync() && !self.every_sample_is_sync {
                self.state = State::Flowing;
                self.held.clear();
                self.last = Some(sequence);
                return vec![segment];
            }
        }
        let begins = matches!(segment, Segment::Init(_)) && self.generation.is_none_or(|current| generation > current);
        self.held.push_back((generation, segment));
        // A generation that begins on the live topic brings all that is needed.
        if begins {
            return self.join();
        }
        let most = if self.every_sample_is_sync { MOST_AUDIO_HELD } else { MOST_VIDEO_HELD };
        if self.held.len() > most {
            if self.every_sample_is_sync && current {
                return self.join();
            }
            self.held.pop_front();
        }
        Vec::new()
    }

    fn live(&mut self, generation: u64, segment: Segment) -> Vec<Segment> {
        let Segment::Media(media) = &segment else {
            let steps = self.init(generation, segment);
            // Numbers go up across generations, but not by one: the first fragment is a keyframe.
            if !steps.is_empty() {
                self.state = State::Waiting;
            }
            return steps;
        };
        if self.generation != Some(generation) {
            self.misses_init = true;
            self.state = State::Waiting;
            return Vec::new();
        }
        let sequence = media.sequence();
        if self.last.is_some_and(|last| sequence <= last) {
            return Vec::new();
        }
        if self.state == State::Flowing && self.last.is_none_or(|last| sequence != last.wrapping_add(1)) {
            self.gaps += u64::from(self.last.is_some());
            self.state = State::Waiting;
        }
        if self.state == State::Waiting && !self.can_begin(media) {
            return Vec::new();
        }
        self.state = State::Flowing;
        self.last = Some(sequence);
        vec![segment]
    }

    fn init(&mut self, generation: u64, segment: Segment) -> Vec<Segment> {
        self.misses_init = false;
        if self.generation == Some(generation) {
            return Vec::new();
        }
        self.generation = Some(generation);
        vec![segment]
    }

    /// Goes on with what was held, once the burst has reached it.
    fn try_join(&mut self) -> Vec<Segment> {
        let (current, last) = (self.generation, self.last);
        self.held.retain(|(generation, segment)| match segment {
            _ if Some(*generation) > current => true,
            Segment::Media(media) => Some(*generation) == current && last.is_none_or(|last| media.sequence() > last),
            Segment::Init(_) => false,
        });
        match (self.held.front(), last) {
            (Some((_, Segment::Media(media))), Some(last)) if media.sequence() == last.wrapping_add(1) => self.join(),
            _ => Vec::new(),
        }
    }

    fn join(&mut self) -> Vec<Segment> {
        self.state = State::Flowing;
        let held = std::mem::take(&mut self.held);
        held.into_iter()
            .flat_map(|(generation, segment)| match self.generation {
                Some(current) if generation < current => Vec::new(),
                _ => self.live(generation, segment),
            })
            .collect()
    }

    fn follows(&self, media: &Media) -> bool {
        match self.last {
            None => self.can_begin(media),
            Some(last) => media.sequence() == last.wrapping_add(1) || media.sequence() > last && self.can_begin(media),
        }
    }

    fn can_begin(&self, media: &Media) -> bool {
        self.every_sample_is_sync || media.sync()
    }
}

#[cfg(test)]
mod tests;
