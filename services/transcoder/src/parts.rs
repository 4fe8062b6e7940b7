//! Puts together the pictures that ffmpeg cuts apart.
//!
//! Its parser takes parameter sets for the beginning of a picture. Cameras that repeat them before every slice of a
//! keyframe, as the payloader `rtph264pay` with `config-interval=-1` does, so get a packet for each slice, all of one
//! decode time. A browser would take each for a picture, and for a keyframe.
//!
//! Nothing in a part says how many there are; the keyframe before tells. Until one has, a keyframe that carries
//! parameter sets is held for the packet after it, once in a run; keyframes without them are never held, nor is any
//! other picture.

use bytes::{Bytes, BytesMut};

use crate::flv::Sample;

/// A picture and when its first part came, in Unix microseconds.
pub(crate) type Stamped = (Sample, u64);

/// What is known of a part from its slices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// It does not begin with the first macroblock of the picture.
    pub(crate) continues: bool,
    /// Parameter sets come with it.
    pub(crate) parameters: bool,
}

/// The parts of a run's pictures.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Of a keyframe with parameter sets, the most that were seen; zero before the first.
    expected: usize,
    held: Option<Held>,
    /// Decode time of the last picture, and its parts.
    last: Option<(i64, usize)>,
}

#[derive(Debug)]
struct Held {
    picture: Sample,
    unix_us: u64,
    rest: Vec<Bytes>,
}

impl Parts {
    /// Takes a part that came at `unix_us`; returns the pictures that are whole by it, at most two.
    pub(crate) fn push(&mut self, sample: Sample, part: Part, unix_us: u64) -> impl Iterator<Item = Stamped> + use<> {
        if part.continues && self.continues(&sample) {
            return [self.proceed(sample, unix_us), None].into_iter().flatten();
        }
        let before = self.held.take().map(|held| {
            self.expected = self.expected.max(1 + held.rest.len());
            held.joined()
        });
        self.last = Some((sample.dts_ms, 1));
        let this = if sample.sync && part.parameters && self.expected != 1 {
            self.held = Some(Held { picture: sample, unix_us, rest: Vec::new() });
            None
        } else {
            Some((sample, unix_us))
        };
        [before, this].into_iter().flatten()
    }

    /// A part of another time continues a picture whose beginning was lost.
    fn continues(&self, sample: &Sample) -> bool {
        self.last.is_some_and(|(dts_ms, _)| dts_ms == sample.dts_ms)
    }

    fn proceed(&mut self, mut sample: Sample, unix_us: u64) -> Option<Stamped> {
        let parts = self.last.as_mut().map_or(1, |(_, parts)| {
            *parts += 1;
            *parts
        });
        let Some(held) = &mut self.held else {
            // One more than any keyframe before had. It is too late for this one, and not for the next.
            if sample.sync {
                self.expected = self.expected.max(parts);
                sample.sync = false;
            }
            return Some((sample, unix_us));
        };
        held.rest.push(sample.data);
        if parts == self.expected { self.held.take().map(Held::joined) } else { None }
    }
}

impl Held {
    fn joined(self) -> Stamped {
        let Self { mut picture, unix_us, rest } = self;
        if !rest.is_empty() {
            let mut whole = BytesMut::with_capacity(picture.data.len() + rest.iter().map(Bytes::len).sum::<usize>());
            whole.extend_from_slice(&picture.data);
            for part in rest {
                whole.extend_from_slice(&part);
            }
            picture.data = whole.freeze();
        }
        (picture, unix_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes parts, each `(dts, sync, first of its picture, with parameter sets)`, and returns the pictures as
    /// `(dts, sync, parts)`, grouped by the push that made them whole.
    #[track_caller]
    fn check(parts: &[(i64, bool, bool, bool)], expected: &[&[(i64, bool, usize)]]) {
        let mut state = Parts::default();
        let pictures: Vec<Vec<_>> = parts
            .iter()
            .map(|&(dts_ms, sync, first, parameters)| {
                let sample = Sample { dts_ms, cts_ms: 0, sync, data: Bytes::from_static(b"x") };
                let part = Part { continues: !first, parameters };
                let whole = state.push(sample, part, dts_ms as u64);
                whole.map(|(picture, _)| (picture.dts_ms, picture.sync, picture.data.len())).collect()
            })
            .collect();
        assert_eq!(pictures, expected);
    }

    const KEY: bool = true;
    const FIRST: bool = true;
    const SETS: bool = true;

    #[test]
    fn pictures_without_parameter_sets_are_never_held() {
        check(
            &[(0, KEY, FIRST, !SETS), (40, !KEY, FIRST, !SETS), (80, KEY, FIRST, !SETS)],
            &[&[(0, KEY, 1)], &[(40, !KEY, 1)], &[(80, KEY, 1)]],
        );
    }

    #[test]
    fn only_the_first_keyframe_in_one_part_is_held() {
        check(
            &[(0, KEY, FIRST, SETS), (40, !KEY, FIRST, !SETS), (80, KEY, FIRST, SETS), (120, !KEY, FIRST, !SETS)],
            &[&[], &[(0, KEY, 1), (40, !KEY, 1)], &[(80, KEY, 1)], &[(120, !KEY, 1)]],
        );
    }

    #[test]
    fn the_parts_of_a_keyframe_are_one_picture() {
        check(
            &[
                (0, KEY, FIRST, SETS),
                (0, KEY, !FIRST, SETS),
                (0, KEY, !FIRST, SETS),
                (40, !KEY, FIRST, !SETS),
                (80, KEY, FIRST, SETS),
                (80, KEY, !FIRST, SETS),
                (80, KEY, !FIRST, SETS),
            ],
            &[&[], &[], &[], &[(0, KEY, 3), (40, !KEY, 1)], &[], &[], &[(80, KEY, 3)]],
        );
    }

    #[test]
    fn a_keyframe_of_fewer_parts_waits_for_the_next_picture() {
        check(
            &[
                (0, KEY, FIRST, SETS),
                (0, KEY, !FIRST, SETS),
                (40, KEY, FIRST, SETS),
                (80, !KEY, FIRST, !SETS),
                (120, KEY, FIRST, SETS),
                (120, KEY, !FIRST, SETS),
            ],
            &[&[], &[], &[(0, KEY, 2)], &[(40, KEY, 1), (80, !KEY, 1)], &[], &[(120, KEY, 2)]],
        );
    }

    #[test]
    fn a_part_more_than_ever_is_no_keyframe_and_is_expected_from_then_on() {
        check(
            &[
                (0, KEY, FIRST, SETS),
                (40, KEY, FIRST, SETS),
                (40, KEY, !FIRST, SETS),
                (80, KEY, FIRST, SETS),
                (80, KEY, !FIRST, SETS),
            ],
            &[&[], &[(0, KEY, 1), (40, KEY, 1)], &[(40, !KEY, 1)], &[], &[(80, KEY, 2)]],
        );
    }

    #[test]
    fn a_picture_whose_beginning_was_lost_continues_nothing() {
        check(
            &[(0, KEY, FIRST, SETS), (40, !KEY, !FIRST, !SETS), (80, KEY, !FIRST, SETS)],
            &[&[], &[(0, KEY, 1), (40, !KEY, 1)], &[(80, KEY, 1)]],
        );
    }
}
