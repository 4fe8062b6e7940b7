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
        let mut packets = Vec::new();
        self.pack(generation, fragments, &mut packets);
        packets
    }

    /// As [`Self::messages`], behind what is there already.
    pub(crate) fn pack(
        &mut self,
        generation: u64,
        fragments: impl IntoIterator<Item = Bytes>,
        packets: &mut Vec<Packet>,
    ) {
        if generation != self.generation {
            self.generation = generation;
            self.number = 0;
        }
        let mut fragments = fragments.into_iter().filter(|fragment| !fragment.is_empty()).peekable();
        while let Some(first) = fragments.next() {
            let Some(mut room) = self.max_bytes.checked_sub(first.len()) else {
                self.cut(&first, packets);
                continue;
            };
            let rest = std::iter::from_fn(|| {
                let next = fragments.next_if(|next| next.len() <= room)?;
                room -= next.len();
                Some(next)
            });
            packets.push(Packet { correlation: self.correlation(None), payload: joined(first, rest) });
        }
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
        let mut bytes = [0; 16];
        let mut rest = &mut bytes[..];
        rest.put_u64(self.generation);
        rest.put_u32(self.number);
        if let Some((part, count)) = part {
            rest.put_u16(part);
            rest.put_u16(count);
        }
        let unused = rest.len();
        self.number = self.number.wrapping_add(1);
        Bytes::copy_from_slice(&bytes[..bytes.len() - unused])
    }
}

/// One alone stays where it is.
fn joined(first: Bytes, mut rest: impl Iterator<Item = Bytes>) -> Bytes {
    let Some(second) = rest.next() else { return first };
    let mut joined = BytesMut::with_capacity(first.len() + second.len());
    joined.extend_from_slice(&first);
    joined.extend_from_slice(&second);
    rest.for_each(|next| joined.extend_from_slice(&next));
    joined.freeze()
}

#[cfg(test)]
mod tests;
