//! Cuts and packs fragments into messages of bounded size.
//!
//! Some brokers pass small messages at once and large ones slowly, so no message is larger than a limit, and none is
//! needlessly small. Every message carries Correlation Data by which a player sees gaps: generation and running number,
//! and for a part of a fragment that had to be cut, which part it is. The format is in the project's protocol page; the
//! payload stays pure MP4.
//!
//! One packer belongs to one topic (or to one burst). Fragments of different tracks never go into one call.

use bytes::{BufMut, Bytes, BytesMut};

/// Below this the number of parts of a large keyframe would not fit its field.
const MIN_BYTES: usize = 512;

/// A message, apart from its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    /// MQTT 5 Correlation Data.
    pub(crate) correlation: Bytes,
    /// Whole fragments, or a part of one.
    pub(crate) payload: Bytes,
}

/// Makes the messages of one topic.
#[derive(Debug)]
pub(crate) struct Packer {
    max_bytes: usize,
    generation: u64,
    number: u32,
}

impl Packer {
    /// A packer whose payloads are at most `max_bytes`, which counts as 512 if it is less.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { max_bytes: max_bytes.max(MIN_BYTES), generation: 0, number: 0 }
    }

    /// Messages that carry these fragments (or init segments) of one track, in order. Numbers run on from the call
    /// before and begin at 0 in each generation.
    pub(crate) fn messages(&mut self, generation: u64, fragments: impl IntoIterator<Item = Bytes>) -> Vec<Packet> {
        if generation != self.generation {
            self.generation = generation;
            self.number = 0;
        }
        let mut packets = Vec::new();
        let mut small: Vec<Bytes> = Vec::new();
        let mut small_bytes = 0;
        for fragment in fragments.into_iter().filter(|fragment| !fragment.is_empty()) {
            if small_bytes + fragment.len() > self.max_bytes {
                self.pack(&mut small, &mut packets);
                small_bytes = 0;
            }
            if fragment.len() > self.max_bytes {
                self.cut(&fragment, &mut packets);
            } else {
                small_bytes += fragment.len();
                small.push(fragment);
            }
        }
        self.pack(&mut small, &mut packets);
        packets
    }

    fn pack(&mut self, small: &mut Vec<Bytes>, packets: &mut Vec<Packet>) {
        let payload = match small.as_slice() {
            [] => return,
            [only] => only.clone(),
            several => several.concat().into(),
        };
        small.clear();
        packets.push(Packet { correlation: self.correlation(None), payload });
    }

    fn cut(&mut self, fragment: &Bytes, packets: &mut Vec<Packet>) {
        // Larger than the limit only for a fragment that would otherwise not fit the count: 32 MiB and more.
        let size = self.max_bytes.max(fragment.len().div_ceil(usize::from(u16::MAX)));
        let count = fragment.len().div_ceil(size) as u16;
        for part in 0..count {
            let from = usize::from(part) * size;
            let payload = fragment.slice(from..fragment.len().min(from + size));
            packets.push(Packet { correlation: self.correlation(Some((part, count))), payload });
        }
    }

    fn correlation(&mut self, part: Option<(u16, u16)>) -> Bytes {
        let mut bytes = BytesMut::with_capacity(16);
        bytes.put_u64(self.generation);
        bytes.put_u32(self.number);
        if let Some((part, count)) = part {
            bytes.put_u16(part);
            bytes.put_u16(count);
        }
        self.number = self.number.wrapping_add(1);
        bytes.freeze()
    }
}

#[cfg(test)]
mod tests;
