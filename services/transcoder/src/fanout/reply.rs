//! One reply viewer: which whole GOPs it gets, and with which it gets the init segment.
//!
//! Pure: the caller publishes and says what became of it. A viewer whose GOPs are not acknowledged gets no more of them than
//! the broker can keep up with; each GOP stands by itself, so it misses whole ones.

use bytes::Bytes;

use crate::packet::{Packer, Packet};

/// GOPs that may be unacknowledged. More means that the broker is slower than the stream, and what it already has is late
/// enough.
const UNACKNOWLEDGED: usize = 4;

/// A GOP, or a part of one that was too long for one message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gop<'a> {
    /// The run that it belongs to.
    pub(super) generation: u64,
    /// Init segment of that run.
    pub(super) init: &'a Bytes,
    /// Fragment of both tracks.
    pub(super) media: &'a Bytes,
    /// Begins with a keyframe.
    pub(super) sync: bool,
}

/// What a viewer has and is owed.
#[derive(Debug)]
pub(super) struct Reply {
    packer: Packer,
    /// The generation whose init segment it has.
    generation: u64,
    unacknowledged: usize,
    /// Nothing goes out before the next keyframe.
    broken: bool,
}

impl Reply {
    /// A viewer that has nothing.
    pub(super) fn new() -> Self {
        // Never cut: the player of this delivery appends each message by itself.
        Self { packer: Packer::new(usize::MAX), generation: 0, unacknowledged: 0, broken: false }
    }

    /// The message with this GOP, unless it is to be kept back.
    pub(super) fn message(&mut self, gop: Gop<'_>) -> Option<Packet> {
        let begins = self.generation != gop.generation;
        if !gop.sync && (begins || self.broken) {
            return None;
        }
        if self.unacknowledged >= UNACKNOWLEDGED {
            self.broken = true;
            return None;
        }
        let payload = if begins { [gop.init.as_ref(), gop.media].concat().into() } else { gop.media.clone() };
        self.packer.messages(gop.generation, [payload]).pop()
    }

    /// It went out.
    pub(super) fn sent(&mut self, generation: u64) {
        self.generation = generation;
        self.unacknowledged += 1;
        self.broken = false;
    }

    /// It did not go out.
    pub(super) fn broke(&mut self) {
        self.broken = true;
    }

    /// One that went out was acknowledged, or will never be.
    pub(super) fn settled(&mut self) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static INIT: Bytes = Bytes::from_static(b"init ");
    static MEDIA: Bytes = Bytes::from_static(b"gop");

    fn gop(generation: u64, sync: bool) -> Gop<'static> {
        Gop { generation, init: &INIT, media: &MEDIA, sync }
    }

    #[track_caller]
    fn check(reply: &mut Reply, gop: Gop<'_>, expected: Option<&str>) {
        let payload = reply.message(gop).map(|packet| packet.payload);
        assert_eq!(payload.as_deref(), expected.map(str::as_bytes));
    }

    #[test]
    fn each_generation_begins_with_its_init_segment_and_a_keyframe() {
        let mut reply = Reply::new();
        check(&mut reply, gop(1, false), None);
        check(&mut reply, gop(1, true), Some("init gop"));
        reply.sent(1);
        check(&mut reply, gop(1, true), Some("gop"));
        check(&mut reply, gop(1, false), Some("gop"));
        check(&mut reply, gop(2, true), Some("init gop"));
        reply.broke();
        check(&mut reply, gop(2, false), None);
        check(&mut reply, gop(2, true), Some("init gop"));
    }

    #[test]
    fn a_slow_broker_gets_no_more_than_it_can_take() {
        let mut reply = Reply::new();
        for _ in 0..UNACKNOWLEDGED {
            assert!(reply.message(gop(1, true)).is_some());
            reply.sent(1);
        }
        check(&mut reply, gop(1, true), None);
        reply.settled();
        check(&mut reply, gop(1, false), None);
        check(&mut reply, gop(1, true), Some("gop"));
    }
}
