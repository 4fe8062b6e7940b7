//! What someone who joins needs: the init segments and the current GOP so far, or the last whole GOP.
//!
//! It holds the very bytes that were published, so a viewer can splice them to the live topic by
//! `mfhd.sequence_number`. Memory is bounded: a GOP that outgrows the limit is forgotten, and who joins waits for the
//! next keyframe.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::fmp4::Track;
use crate::muxer::Output;
use crate::timeline::Ticks;

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
    /// From the last keyframe on; empty if that was too much.
    video: Kept,
    /// From the frame before that keyframe on, so that there is always one to splice at.
    audio: Kept,
    whole: Option<Whole>,
}

#[derive(Debug, Default)]
struct Kept {
    fragments: VecDeque<(Ticks, Bytes)>,
    bytes: usize,
}

impl Gop {
    /// Takes notice of what is published. To be called with every output, in order.
    pub(crate) fn push(&mut self, output: &Output) {
        match output {
            Output::Generation(_) => *self = Self::default(),
            Output::Init { track: Track::Video, bytes } => self.video_init = Some(bytes.clone()),
            Output::Init { track: Track::Audio, bytes } => self.audio_init = Some(bytes.clone()),
            Output::Fragment { track: Track::Video, sync, decode_time, bytes, .. } => {
                if *sync {
                    self.video = Kept::default();
                    self.audio.forget_before(*decode_time);
                }
                // Without its keyframe the rest of a GOP is of no use.
                if *sync || !self.video.fragments.is_empty() {
                    self.video.push(*decode_time, bytes);
                }
                if self.video.bytes > MAX_BYTES {
                    self.video = Kept::default();
                    self.audio.forget_before(*decode_time);
                }
            }
            Output::Fragment { track: Track::Audio, decode_time, bytes, .. } => {
                self.audio.push(*decode_time, bytes);
                while self.video.fragments.is_empty() && self.audio.fragments.len() > 1 || self.audio.bytes > MAX_BYTES
                {
                    self.audio.pop();
                }
            }
            Output::Gop { init, media, sync, .. } => self.push_whole(init, media, *sync),
        }
    }

    fn push_whole(&mut self, init: &Bytes, media: &Bytes, sync: bool) {
        if sync {
            self.whole = Some(Whole { init: init.clone(), media: vec![media.clone()] });
        } else if let Some(whole) = &mut self.whole {
            whole.media.push(media.clone());
            if whole.media.iter().map(Bytes::len).sum::<usize>() > MAX_BYTES {
                self.whole = None;
            }
        }
    }

    /// The catch-up burst: init segments, the current GOP's video, the audio of the same span. Empty before the first
    /// generation.
    pub(crate) fn catch_up(&self, video_only: bool) -> Vec<Group> {
        let group = |track, fragments: Vec<Bytes>| (!fragments.is_empty()).then_some(Group { track, fragments });
        let init = |track, bytes: &Option<Bytes>| group(track, bytes.iter().cloned().collect());
        let kept = |track, kept: &Kept| group(track, kept.fragments.iter().map(|(_, bytes)| bytes.clone()).collect());
        let video = [init(Track::Video, &self.video_init), kept(Track::Video, &self.video)];
        let audio = [init(Track::Audio, &self.audio_init), kept(Track::Audio, &self.audio)];
        let [video_init, video] = video;
        let [audio_init, audio] = if video_only { [None, None] } else { audio };
        [video_init, audio_init, video, audio].into_iter().flatten().collect()
    }

    /// The last whole GOP of the present generation.
    pub(crate) fn last_whole(&self) -> Option<&Whole> {
        self.whole.as_ref()
    }
}

impl Kept {
    fn push(&mut self, decode_time: Ticks, bytes: &Bytes) {
        self.bytes += bytes.len();
        self.fragments.push_back((decode_time, bytes.clone()));
    }

    fn pop(&mut self) {
        if let Some((_, bytes)) = self.fragments.pop_front() {
            self.bytes -= bytes.len();
        }
    }

    /// Keeps what begins at `time` or later, and one fragment before.
    fn forget_before(&mut self, time: Ticks) {
        while self.fragments.get(1).is_some_and(|&(next, _)| next <= time) {
            self.pop();
        }
    }
}

#[cfg(test)]
mod tests;
