//! One live topic: which messages go out, and which are kept back because what they build on did not.
//!
//! Pure: the caller publishes and says what failed. Running numbers go on over a gap, so a player sees it.

use std::mem;

use bytes::Bytes;

use crate::packet::{Packer, Packet};

/// A fragment, and whether it begins with a sync sample.
pub(super) type Fragment = (bool, Bytes);

/// The state of a topic.
#[derive(Debug)]
pub(super) struct Lane {
    packer: Packer,
    /// Nothing goes out before the next keyframe.
    broken: bool,
    /// The init segment, as long as it is not known to be out.
    init: Option<Bytes>,
}

impl Lane {
    /// A topic on which nothing was published, with messages of at most `max_bytes`.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { packer: Packer::new(max_bytes), broken: false, init: None }
    }

    /// A generation begins with this init segment.
    pub(super) fn begin(&mut self, generation: u64, init: Bytes) -> Vec<Packet> {
        self.broken = false;
        let packets = self.packer.messages(generation, [init.clone()]);
        self.init = Some(init);
        packets
    }

    /// Takes all fragments and adds the messages that carry them. Returns how many were kept back.
    pub(super) fn pack(&mut self, generation: u64, fragments: &mut Vec<Fragment>, packets: &mut Vec<Packet>) -> usize {
        let mut kept_back = 0;
        if self.broken {
            kept_back = fragments.iter().position(|(sync, _)| *sync).unwrap_or(fragments.len());
            self.broken = kept_back == fragments.len();
            if let Some(init) = self.init.clone().filter(|_| !self.broken) {
                self.packer.pack(generation, [init], packets);
            }
        } else {
            self.init = None;
        }
        self.packer.pack(generation, fragments.drain(..).skip(kept_back).map(|(_, bytes)| bytes), packets);
        kept_back
    }

    /// One of the last messages did not go out, and none after it. Returns whether the lane was whole before.
    pub(super) fn broke(&mut self) -> bool {
        !mem::replace(&mut self.broken, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Stands for the init segment; fragments are named by a number that goes up.
    const INIT: u8 = 0;

    proptest! {
        #[test]
        fn what_goes_out_can_always_be_decoded(
            gops in prop::collection::vec(1usize..6, 1..12),
            losses in prop::collection::vec(any::<bool>(), 0..80),
            together in 1usize..4,
        ) {
            let mut lane = Lane::new(512);
            let mut losses = losses.into_iter();
            let mut out: Vec<u8> = Vec::new();
            let mut publish = |lane: &mut Lane, packets: Vec<Packet>| {
                for packet in packets {
                    if losses.next().unwrap_or(false) {
                        lane.broke();
                        return;
                    }
                    // A large keyframe takes several messages, the last of which completes it.
                    out.extend(packet.payload.iter().rev().take(1));
                }
            };
            let init = lane.begin(7, Bytes::from_static(&[INIT]));
            publish(&mut lane, init);
            let mut keyframes = Vec::new();
            let mut name = INIT;
            let mut fragments = Vec::new();
            for frames in gops {
                for frame in 0..frames {
                    name += 1;
                    if frame == 0 {
                        keyframes.push(name);
                    }
                    let mut bytes = vec![0xff; if frame == 0 { 700 } else { 500 }];
                    bytes.push(name);
                    fragments.push((frame == 0, Bytes::from(bytes)));
                    if fragments.len() == together {
                        let mut packets = Vec::new();
                        lane.pack(7, &mut fragments, &mut packets);
                        publish(&mut lane, packets);
                    }
                }
            }
            out.retain(|name| *name != 0xff);
            prop_assert!(out.is_empty() || out[0] == INIT, "{out:?}");
            for pair in out.windows(2) {
                let follows = pair[1] == pair[0].wrapping_add(1);
                prop_assert!(follows || keyframes.contains(&pair[1]) || pair[1] == INIT, "{out:?}");
            }
        }
    }

    #[test]
    fn a_lane_that_is_whole_keeps_nothing_back() {
        let mut lane = Lane::new(512);
        assert_eq!(lane.begin(7, Bytes::from_static(b"init")).len(), 1);
        let mut fragments = vec![(true, Bytes::from_static(b"a")), (false, Bytes::from_static(b"b"))];
        let mut packets = Vec::new();
        assert_eq!(lane.pack(7, &mut fragments, &mut packets), 0);
        assert_eq!(packets.len(), 1);
        assert_eq!(packets[0].payload, "ab");
        lane.broke();
        fragments = vec![(false, Bytes::from_static(b"c"))];
        assert_eq!(lane.pack(7, &mut fragments, &mut packets), 1);
        assert_eq!((packets.len(), fragments.len()), (1, 0));
    }
}
