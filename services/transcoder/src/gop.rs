//! What someone who joins needs: the init segments and the current GOP so far, or the last whole GOP.
//!
//! It holds the very bytes that were published, so a viewer can splice them to the live topic by `mfhd.sequence_number`. Memory is bounded: a GOP that
//! outgrows the limit is forgotten, and who joins waits for the next keyframe.

use bytes::Bytes;

use crate::fmp4::Track;
use crate::muxer::Output;

/// Bytes of one GOP that are kept at most: 16 s of 8 Mbit/s.
const MAX_BYTES: usize = 16 << 20;

/// Fragments of one track that may share a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// The track.
    pub(crate) track: Track,
    /// Init segment or fragments, in order.
    pub(crate) fragments: Vec<Bytes>,
}

/// The last whole GOP, for reply delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whole {
    /// Init segment of both tracks.
    pub(crate) init: Bytes,
    /// Fragments, one a message; more than one only if the GOP was too large for one message.
    pub(crate) media: Vec<Bytes>,
}

/// The catch-up of one stream.
#[derive(Debug, Default)]
pub(crate) struct Gop {
    video_init: Option<Bytes>,
    audio_init: Option<Bytes>,
    video: Kept,
    audio: Kept,
    whole: Option<Whole>,
}

#[derive(Debug, Default)]
struct Kept {
    fragments: Vec<(u64, Bytes)>,
    bytes: usize,
}

impl Gop {
    /// Takes notice of what is published. To be called with every output, in order.
    pub(crate) fn push(&mut self, output: &Output) {
        let _ = (output, MAX_BYTES);
        unimplemented!()
    }

    /// The catch-up burst: init segments, the current GOP's video, the audio of the same span. Empty before the first generation.
    pub(crate) fn catch_up(&self, video_only: bool) -> Vec<Group> {
        let _ = video_only;
        unimplemented!()
    }

    /// The last whole GOP of the present generation.
    pub(crate) fn last_whole(&self) -> Option<&Whole> {
        self.whole.as_ref()
    }
}
