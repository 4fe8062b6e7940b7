//! Messages of one topic to whole groups of boxes: joins the parts of cut fragments, and counts what is missing.
//!
//! One assembler for each topic, because each topic has a count of its own. It never waits: what is incomplete when the next
//! message comes is gone, as QoS 0 does not repeat. Whether a hole matters is not decided here but in the splice.

use bytes::{Bytes, BytesMut};

use super::position::Position;

/// Bytes of one cut fragment at most; a keyframe of 4K is a tenth of it.
const MOST: usize = 16 << 20;

/// Joins the messages of one topic.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    generation: Option<u64>,
    next: u32,
    /// Parts of the fragment under way, and how many they are.
    joined: BytesMut,
    parts: u16,
    lost: u64,
}

impl Assembler {
    /// Takes a message; gives the group of boxes that it completes, if it does.
    pub(crate) fn push(&mut self, at: Position, payload: Bytes) -> Option<Bytes> {
        match self.generation {
            Some(generation) if at.generation < generation => return None,
            Some(generation) if at.generation == generation => {
                if at.number == 0 {
                    // A burst that starts over.
                    self.next = 0;
                    self.drop_parts();
                } else if at.number < self.next {
                    return None;
                }
            }
            // Whoever joins in the middle has missed nothing; whoever saw the last generation has missed what is before.
            before => {
                self.next = if before.is_none() { at.number } else { 0 };
                self.generation = Some(at.generation);
                self.drop_parts();
            }
        }
        if at.number > self.next {
            self.lost += u64::from(at.number - self.next);
            self.drop_parts();
        }
        self.next = at.number.wrapping_add(1);
        self.join(at, payload)
    }

    /// Messages that the numbers say were sent and that never came.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    fn join(&mut self, at: Position, payload: Bytes) -> Option<Bytes> {
        if at.count == 1 {
            self.drop_parts();
            return Some(payload);
        }
        if at.part == 0 {
            self.drop_parts();
        }
        // The tail of a fragment whose head was missed.
        if at.part != self.parts || self.joined.len() + payload.len() > MOST {
            self.drop_parts();
            return None;
        }
        self.joined.extend_from_slice(&payload);
        self.parts += 1;
        if self.parts < at.count {
            return None;
        }
        self.parts = 0;
        Some(self.joined.split().freeze())
    }

    fn drop_parts(&mut self) {
        self.joined.clear();
        self.parts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pushes messages, each `(generation, number, part, count)` with its number as payload; gives the lengths of what was
    /// completed, and how many were lost.
    #[track_caller]
    fn check(messages: &[(u64, u32, u16, u16)], completed: &[usize], lost: u64) {
        let mut assembler = Assembler::default();
        let push = |&(generation, number, part, count): &(u64, u32, u16, u16)| {
            assembler.push(Position { generation, number, part, count }, Bytes::from_static(b"x"))
        };
        let got: Vec<usize> = messages.iter().filter_map(push).map(|bytes| bytes.len()).collect();
        assert_eq!((got.as_slice(), assembler.lost()), (completed, lost));
    }

    #[test]
    fn parts_are_joined_and_whole_messages_pass() {
        check(&[(1, 0, 0, 1), (1, 1, 0, 3), (1, 2, 1, 3), (1, 3, 2, 3), (1, 4, 0, 1)], &[1, 3, 1], 0);
    }

    #[test]
    fn whoever_joins_in_the_middle_has_lost_nothing() {
        check(&[(1, 41, 2, 3), (1, 42, 0, 1)], &[1], 0);
    }

    #[test]
    fn a_fragment_with_a_lost_part_is_gone() {
        check(&[(1, 0, 0, 3), (1, 2, 2, 3), (1, 3, 0, 1)], &[1], 1);
    }

    #[test]
    fn older_generations_and_repetitions_are_dropped() {
        check(&[(2, 5, 0, 1), (1, 6, 0, 1), (2, 5, 0, 1), (2, 6, 0, 1)], &[1, 1], 0);
    }

    #[test]
    fn a_new_generation_begins_at_zero_and_so_does_a_burst() {
        check(&[(1, 5, 0, 1), (2, 2, 0, 1), (2, 0, 0, 1), (2, 1, 0, 1)], &[1, 1, 1, 1], 2);
    }

    proptest! {
        /// However fragments are cut and whatever is lost, what comes out was sent as it is.
        #[test]
        fn nothing_is_made_up(sizes in prop::collection::vec(1u16..5, 1..20), lost in prop::collection::vec(any::<bool>(), 100)) {
            let mut assembler = Assembler::default();
            let (mut number, mut intact) = (0, Vec::new());
            let mut got = Vec::new();
            for (at, &count) in sizes.iter().enumerate() {
                let mut whole = true;
                for part in 0..count {
                    let position = Position { generation: 1, number, part, count };
                    if lost[number as usize] {
                        whole = false;
                    } else {
                        got.extend(assembler.push(position, vec![at as u8, part as u8].into()));
                    }
                    number += 1;
                }
                if whole {
                    intact.push((0..count).flat_map(|part| [at as u8, part as u8]).collect::<Vec<u8>>());
                }
            }
            prop_assert_eq!(got, intact);
        }
    }
}
