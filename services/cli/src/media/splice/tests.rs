use proptest::prelude::*;

use super::super::fixture;
use super::super::mp4::{AUDIO, VIDEO, read};
use super::*;

/// Frames between keyframes.
const GOP: u32 = 10;

fn segment(bytes: &bytes::Bytes) -> Segment {
    read(bytes).expect("media").remove(0)
}

fn init() -> Segment {
    segment(&fixture::init(VIDEO))
}

/// A frame; a keyframe if its number is a multiple of the GOP's length.
fn frame(sequence: u32) -> Segment {
    segment(&fixture::media(VIDEO, sequence, u64::from(sequence) * 3000, sequence.is_multiple_of(GOP)))
}

/// Numbers of fragments; nothing for an init segment.
fn numbers(segments: &[Segment]) -> Vec<Option<u32>> {
    let number = |segment: &Segment| match segment {
        Segment::Init(_) => None,
        Segment::Media(media) => Some(media.sequence()),
    };
    segments.iter().map(number).collect()
}

/// Pushes segments of generation 1 and returns what came out of all.
fn pushed(splice: &mut Splice, segments: impl IntoIterator<Item = (Origin, Segment)>) -> Vec<Segment> {
    segments.into_iter().flat_map(|(origin, segment)| splice.push(origin, 1, segment)).collect()
}

use Origin::{CatchUp, Live};

#[test]
fn live_fragments_are_held_until_the_burst_reaches_them() {
    let mut splice = Splice::after_burst(false);
    let held = pushed(&mut splice, [(Live, frame(23)), (Live, frame(24)), (CatchUp, init())]);
    assert_eq!(numbers(&held), [None]);
    let out = pushed(&mut splice, (20..=24).map(|number| (CatchUp, frame(number))));
    assert_eq!(numbers(&out), [20, 21, 22, 23, 24].map(Some));
    assert_eq!(numbers(&pushed(&mut splice, [(Live, frame(25))])), [Some(25)]);
    assert_eq!(splice.gaps(), 0);
}

#[test]
fn a_live_keyframe_is_as_good_as_the_burst() {
    let mut splice = Splice::after_burst(false);
    let out = pushed(&mut splice, [(Live, init()), (Live, frame(28)), (Live, frame(30)), (Live, frame(31))]);
    assert_eq!(numbers(&out), [None, Some(30), Some(31)]);
}

#[test]
fn after_a_gap_nothing_comes_until_the_next_keyframe() {
    let mut splice = Splice::after_burst(false);
    let numbered = [20, 21, 23, 24, 29, 30, 31].map(|number| (Live, frame(number)));
    let out = pushed(&mut splice, [(Live, init())].into_iter().chain(numbered));
    assert_eq!(numbers(&out), [None, Some(20), Some(21), Some(30), Some(31)]);
    assert_eq!(splice.gaps(), 1);
}

#[test]
fn leftovers_of_an_older_generation_are_dropped() {
    let mut splice = Splice::after_burst(false);
    pushed(&mut splice, [(Live, init()), (Live, frame(20))]);
    let out: Vec<_> = [(2, init()), (1, frame(21)), (2, frame(40)), (2, frame(41))]
        .into_iter()
        .flat_map(|(generation, segment)| splice.push(Live, generation, segment))
        .collect();
    assert_eq!(numbers(&out), [None, Some(40), Some(41)]);
    assert_eq!(splice.gaps(), 0, "numbers leap from one generation to the next");
}

#[test]
fn a_generation_without_its_init_segment_needs_a_burst() {
    let mut splice = Splice::after_burst(false);
    pushed(&mut splice, [(Live, init()), (Live, frame(20))]);
    assert_eq!(numbers(&splice.push(Live, 2, frame(40))), []);
    assert!(splice.needs_init());
    splice.restart();
    let out: Vec<_> =
        [init(), frame(40), frame(41)].into_iter().flat_map(|segment| splice.push(CatchUp, 2, segment)).collect();
    assert_eq!(numbers(&out), [None, Some(40), Some(41)]);
    assert!(!splice.needs_init());
}

#[test]
fn audio_does_not_wait_after_a_loss() {
    let sound = |sequence| segment(&fixture::media(AUDIO, sequence, u64::from(sequence) * 1024, true));
    let mut splice = Splice::without_burst(true);
    let init = segment(&fixture::init(AUDIO));
    let out = pushed(&mut splice, [(Live, init), (Live, sound(5)), (Live, sound(7)), (Live, sound(8))]);
    assert_eq!(numbers(&out), [None, Some(5), Some(7), Some(8)]);
    assert_eq!(splice.gaps(), 1);
}

#[test]
fn what_is_held_is_bounded() {
    let mut splice = Splice::after_burst(false);
    for number in (1..20_000u32).filter(|number| !number.is_multiple_of(GOP)) {
        splice.push(Live, 1, frame(number));
    }
    assert_eq!(splice.held.len(), MOST_VIDEO_HELD);
}

proptest! {
    /// Wherever the burst is cut off, however late it comes and whatever is lost on the live topic: what is given out can be
    /// decoded. It begins with an init segment and a keyframe, and goes on by one or with a keyframe.
    #[test]
    fn what_is_given_out_can_be_decoded(
        joined in 20u32..30,
        late in 0usize..25,
        lost in prop::collection::vec(prop::bool::weighted(0.1), 60),
        burst_lost in prop::collection::vec(prop::bool::weighted(0.05), 60),
    ) {
        let burst = (20..=joined).map(|number| (CatchUp, frame(number)));
        let burst = burst.zip(burst_lost).filter(|(_, lost)| !lost).map(|(item, _)| item);
        let burst: Vec<_> = [(CatchUp, init())].into_iter().chain(burst).collect();
        let live = (joined + 1..joined + 60).map(|number| (Live, frame(number)));
        let mut all: Vec<_> = live.zip(lost).filter(|(_, lost)| !lost).map(|(item, _)| item).collect();
        let at = late.min(all.len());
        all.splice(at..at, burst);
        let out = pushed(&mut Splice::after_burst(false), all);
        let numbers = numbers(&out);
        prop_assert_eq!(numbers[0], None);
        let played: Vec<u32> = numbers[1..].iter().map(|number| number.expect("one init segment")).collect();
        for pair in played.windows(2) {
            prop_assert!(pair[1] == pair[0] + 1 || pair[1] > pair[0] && pair[1] % GOP == 0, "{:?}", played);
        }
        prop_assert!(played.first().is_none_or(|first| first % GOP == 0), "{:?}", played);
    }

    /// Without a loss, nothing is missing either, from the burst's keyframe to the end.
    #[test]
    fn nothing_that_came_is_left_out(joined in 20u32..30, overlap in 0u32..5, late in 0usize..9) {
        let burst = (20..=joined).map(|number| (CatchUp, frame(number)));
        let burst = [(CatchUp, init())].into_iter().chain(burst);
        let mut all: Vec<_> = (joined - overlap + 1..50).map(|number| (Live, frame(number))).collect();
        // The burst comes before the next keyframe does.
        let at = late.min((29 + overlap - joined) as usize);
        all.splice(at..at, burst);
        let out = pushed(&mut Splice::after_burst(false), all);
        let expected: Vec<_> = [None].into_iter().chain((20..50).map(Some)).collect();
        prop_assert_eq!(numbers(&out), expected);
    }
}
