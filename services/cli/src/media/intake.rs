//! One viewer's media: messages in, segments out that can be decoded in their order.

use bytes::Bytes;

use super::assembler::Assembler;
use super::mp4::{self, AUDIO, Media, Segment};
use super::position::Position;
use super::splice::{Origin, Splice};
use crate::args::Delivery;

/// Where a media message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// The reply topic: the catch-up, or whole GOPs.
    Reply,
    /// The live topic of video.
    Video,
    /// The live topic of audio.
    Audio,
}

/// What a message led to.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// What can be decoded by it, in order.
    pub(crate) segments: Vec<Segment>,
    /// When the pictures of live fragments in the message were captured, Unix microseconds by the worker's clock.
    pub(crate) captured_us: Vec<u64>,
}

/// Counts of what went wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Messages that were sent and never came.
    pub(crate) lost_messages: u64,
    /// Holes in the numbering of the fragments.
    pub(crate) gaps: u64,
    /// Messages that are no media, or none that we understand.
    pub(crate) unreadable: u64,
}

/// Puts one viewer's media into order.
#[derive(Debug)]
pub(crate) struct Intake {
    delivery: Delivery,
    assemblers: [Assembler; 3],
    video: Splice,
    audio: Splice,
    generation: u64,
    unreadable: u64,
}

impl Intake {
    /// Expects media in this way.
    pub(crate) fn new(delivery: Delivery) -> Self {
        let splice = match delivery {
            Delivery::Live => Splice::after_burst,
            Delivery::Reply => Splice::without_burst,
        };
        let (video, audio) = (splice(false), splice(true));
        Self { delivery, assemblers: Default::default(), video, audio, generation: 0, unreadable: 0 }
    }

    /// Takes a message with its Correlation Data.
    pub(crate) fn push(&mut self, channel: Channel, correlation: &[u8], payload: Bytes) -> Taken {
        let mut taken = Taken::default();
        let Some(position) = Position::read(correlation) else {
            self.unreadable += 1;
            return taken;
        };
        self.generation = self.generation.max(position.generation);
        let Some(whole) = self.assemblers[channel as usize].push(position, payload) else { return taken };
        let Ok(segments) = mp4::read(&whole) else {
            self.unreadable += 1;
            return taken;
        };
        let origin = match (channel, self.delivery) {
            (Channel::Reply, Delivery::Live) => Origin::CatchUp,
            _ => Origin::Live,
        };
        for segment in segments {
            let track = match &segment {
                Segment::Init(init) => init.track(),
                Segment::Media(media) => media.track(),
            };
            if let (Segment::Media(Media { captured_us: Some(at), .. }), Origin::Live) = (&segment, origin) {
                taken.captured_us.push(*at);
            }
            let splice = if track == Some(AUDIO) { &mut self.audio } else { &mut self.video };
            taken.segments.extend(splice.push(origin, position.generation, segment));
        }
        taken
    }

    /// Another burst was asked for.
    pub(crate) fn restart(&mut self) {
        if self.delivery == Delivery::Live {
            self.video.restart();
            self.audio.restart();
        }
    }

    /// Whether only another burst can help.
    pub(crate) fn needs_burst(&self) -> bool {
        self.video.needs_init() || self.audio.needs_init()
    }

    /// The newest generation that there was.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// What went wrong so far.
    pub(crate) fn faults(&self) -> Faults {
        Faults {
            lost_messages: self.assemblers.iter().map(Assembler::lost).sum(),
            gaps: self.video.gaps() + self.audio.gaps(),
            unreadable: self.unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::super::mp4::VIDEO;
    use super::*;

    fn correlation(generation: u64, number: u32) -> Vec<u8> {
        [&generation.to_be_bytes()[..], &number.to_be_bytes()].concat()
    }

    #[test]
    fn both_tracks_are_spliced_each_by_its_own_numbers() {
        let mut intake = Intake::new(Delivery::Live);
        let mut push = |channel, number, payload: Bytes| {
            let taken = intake.push(channel, &correlation(1, number), payload);
            taken.segments.len()
        };
        assert_eq!(push(Channel::Video, 70, fixture::media(VIDEO, 31, 93_000, false)), 0, "it is held");
        assert_eq!(push(Channel::Reply, 0, fixture::init(VIDEO)), 1);
        assert_eq!(push(Channel::Reply, 1, fixture::init(AUDIO)), 1);
        let burst = [fixture::media(VIDEO, 29, 87_000, true), fixture::media(VIDEO, 30, 90_000, false)];
        assert_eq!(push(Channel::Reply, 2, burst.concat().into()), 3, "with the one that was held");
        assert_eq!(push(Channel::Reply, 3, fixture::media(AUDIO, 50, 46_400, true)), 1);
        assert_eq!(push(Channel::Audio, 90, fixture::media(AUDIO, 51, 47_424, true)), 1);
        assert_eq!(intake.faults(), Faults::default());
    }

    #[test]
    fn nonsense_is_counted() {
        let mut intake = Intake::new(Delivery::Live);
        intake.push(Channel::Video, b"question", Bytes::new());
        intake.push(Channel::Video, &correlation(1, 0), Bytes::from_static(b"{\"state\": 1}"));
        assert_eq!(intake.faults().unreadable, 2);
    }
}
