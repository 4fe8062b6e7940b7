//! Puts what the muxer makes on its topics: once for all live viewers, once per reply viewer.
//!
//! Each live topic is a lane. A message that the broker cannot take breaks a lane, and it stays broken up to the next
//! keyframe of its track: what lies between could not be decoded. The running numbers show the gap. Nothing is queued here
//! but the one catch-up of each viewer that has just joined, so memory is bounded.

use std::collections::HashMap;
use std::mem;

use bytes::Bytes;
use runtime::broker::Pending;
use tokio_util::task::AbortOnDropHandle;

use crate::gop::Gop;
use crate::muxer::{Output, Track};
use crate::packet::{Packer, Packet};
use crate::publisher::Publisher;
use crate::stream::Spec;
use crate::viewers::{Delivery, Viewer};

/// GOPs of one viewer that may be unacknowledged. More means that the broker is slower than the stream, and what it
/// already has is late enough.
const UNACKNOWLEDGED: usize = 4;

/// Whole GOPs that were handed over, by reply topic; their outcomes are evidence of presence.
pub(crate) type Evidence = Vec<(String, Pending)>;

/// The topics of one stream.
#[derive(Debug)]
pub(crate) struct Fanout {
    publisher: Publisher,
    /// Topic below which a worker may publish what nobody reads.
    root: String,
    max_bytes: usize,
    generation: u64,
    gop: Gop,
    video: Lane,
    audio: Lane,
    replies: HashMap<String, Reply>,
    catch_ups: HashMap<String, AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Lane {
    topic: String,
    packer: Packer,
    /// Nothing goes out before the next keyframe.
    broken: bool,
    /// The init segment, as long as it is not out.
    init: Option<Bytes>,
}

/// A reply viewer's numbering and what it is owed.
#[derive(Debug)]
struct Reply {
    packer: Packer,
    /// The generation whose init segment it has.
    generation: u64,
    unacknowledged: usize,
    /// Nothing goes out before the next keyframe.
    broken: bool,
}

impl Fanout {
    /// The topics of `spec`; live messages carry at most `max_bytes`.
    pub(crate) fn new(publisher: Publisher, spec: &Spec, max_bytes: usize) -> Self {
        let lane = |track: &str| Lane {
            topic: format!("{}/{track}", spec.live_topic),
            packer: Packer::new(max_bytes),
            broken: false,
            init: None,
        };
        Self {
            publisher,
            root: root(&spec.live_topic).to_owned(),
            max_bytes,
            generation: 0,
            gop: Gop::default(),
            video: lane("video"),
            audio: lane("audio"),
            replies: HashMap::new(),
            catch_ups: HashMap::new(),
        }
    }

    /// Topic below which a worker may publish what nobody reads.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// Publishes what came out of the muxer at once. Fragments of a track that come together share messages.
    pub(crate) fn publish(&mut self, outputs: &[Output]) -> Evidence {
        let mut evidence = Vec::new();
        let mut together: [Vec<(bool, Bytes)>; 2] = Default::default();
        for output in outputs {
            self.gop.push(output);
            match output {
                Output::Fragment { track, sync, bytes, .. } => {
                    together[usize::from(*track == Track::Audio)].push((*sync, bytes.clone()));
                }
                Output::Generation(media) => {
                    self.flush(&mut together);
                    self.generation = media.generation;
                }
                Output::Init { track, bytes } => {
                    self.flush(&mut together);
                    let (lane, publisher, generation) = self.lane(*track);
                    lane.begin(publisher, generation, bytes.clone());
                }
                Output::Gop { init, media, sync, .. } => evidence.extend(self.whole(init, media, *sync)),
            }
        }
        self.flush(&mut together);
        evidence
    }

    /// Brings a viewer up to what the others have.
    pub(crate) fn join(&mut self, viewer: &Viewer) -> Evidence {
        self.leave(&viewer.reply_topic);
        match viewer.delivery {
            Delivery::Live => {
                self.catch_up(viewer);
                Vec::new()
            }
            Delivery::Reply => self.join_reply(viewer),
        }
    }

    /// A viewer has gone.
    pub(crate) fn leave(&mut self, reply_topic: &str) {
        self.replies.remove(reply_topic);
        self.catch_ups.remove(reply_topic);
    }

    /// A GOP was acknowledged, or got lost.
    pub(crate) fn settled(&mut self, reply_topic: &str) {
        if let Some(reply) = self.replies.get_mut(reply_topic) {
            reply.unacknowledged = reply.unacknowledged.saturating_sub(1);
        }
    }

    fn lane(&mut self, track: Track) -> (&mut Lane, &Publisher, u64) {
        let lane = match track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        };
        (lane, &self.publisher, self.generation)
    }

    fn flush(&mut self, together: &mut [Vec<(bool, Bytes)>; 2]) {
        for (track, fragments) in [Track::Video, Track::Audio].into_iter().zip(together) {
            let (lane, publisher, generation) = self.lane(track);
            lane.send(publisher, generation, mem::take(fragments));
        }
    }

    fn catch_up(&mut self, viewer: &Viewer) {
        let mut packer = Packer::new(self.max_bytes);
        let groups = self.gop.catch_up(viewer.video_only);
        let packets: Vec<_> =
            groups.into_iter().flat_map(|group| packer.messages(self.generation, group.fragments)).collect();
        if packets.is_empty() {
            return;
        }
        let (publisher, topic) = (self.publisher.clone(), viewer.reply_topic.clone());
        let burst = tokio::spawn(async move { publisher.burst(&topic, packets).await });
        self.catch_ups.retain(|_, burst| !burst.is_finished());
        self.catch_ups.insert(viewer.reply_topic.clone(), AbortOnDropHandle::new(burst));
    }

    fn join_reply(&mut self, viewer: &Viewer) -> Evidence {
        // Whole GOPs are never cut: the player of this delivery appends each message by itself.
        let mut reply = Reply { packer: Packer::new(usize::MAX), generation: 0, unacknowledged: 0, broken: false };
        let whole = self.gop.last_whole().map(|whole| (whole.init.clone(), whole.media.clone()));
        let mut evidence = Vec::new();
        for (at, media) in whole.iter().flat_map(|(_, media)| media).enumerate() {
            let init = whole.as_ref().map(|(init, _)| init).filter(|_| at == 0);
            let sent = reply.send(&self.publisher, (&viewer.reply_topic, &self.root), self.generation, init, media);
            evidence.extend(sent.map(|pending| (viewer.reply_topic.clone(), pending)));
        }
        self.replies.insert(viewer.reply_topic.clone(), reply);
        evidence
    }

    fn whole(&mut self, init: &Bytes, media: &Bytes, sync: bool) -> Evidence {
        let mut evidence = Vec::new();
        for (topic, reply) in &mut self.replies {
            // Who has not the init segment can begin with a keyframe only.
            let begins = reply.generation != self.generation;
            if !sync && (begins || reply.broken) {
                continue;
            }
            reply.broken = false;
            let init = begins.then_some(init);
            let sent = reply.send(&self.publisher, (topic, &self.root), self.generation, init, media);
            evidence.extend(sent.map(|pending| (topic.clone(), pending)));
        }
        evidence
    }
}

impl Lane {
    fn begin(&mut self, publisher: &Publisher, generation: u64, init: Bytes) {
        self.broken = false;
        self.init = Some(init);
        self.send_init(publisher, generation);
    }

    fn send(&mut self, publisher: &Publisher, generation: u64, fragments: Vec<(bool, Bytes)>) {
        let mut rest = fragments.into_iter().peekable();
        if self.broken {
            while rest.next_if(|(sync, _)| !sync).is_some() {
                publisher.dropped_behind_gap();
            }
            if rest.peek().is_none() {
                return;
            }
            self.broken = false;
            self.send_init(publisher, generation);
        }
        if !self.broken {
            let packets = self.packer.messages(generation, rest.map(|(_, bytes)| bytes));
            self.hand_over(publisher, packets);
        }
    }

    /// Sends the init segment unless it is out.
    fn send_init(&mut self, publisher: &Publisher, generation: u64) {
        if let Some(init) = &self.init {
            let packets = self.packer.messages(generation, [init.clone()]);
            self.hand_over(publisher, packets);
            if !self.broken {
                self.init = None;
            }
        }
    }

    fn hand_over(&mut self, publisher: &Publisher, packets: Vec<Packet>) {
        for packet in packets {
            if let Err(error) = publisher.live(&self.topic, packet) {
                publisher.dropped(&error);
                self.broken = true;
                return;
            }
        }
    }
}

impl Reply {
    fn send(
        &mut self,
        publisher: &Publisher,
        (topic, root): (&str, &str),
        generation: u64,
        init: Option<&Bytes>,
        media: &Bytes,
    ) -> Option<Pending> {
        if self.unacknowledged >= UNACKNOWLEDGED {
            publisher.dropped_behind_gap();
            self.broken = true;
            return None;
        }
        let payload = match init {
            Some(init) => [init.as_ref(), media].concat().into(),
            None => media.clone(),
        };
        let packet = self.packer.messages(generation, [payload]).pop()?;
        match publisher.whole(topic, packet, root) {
            Ok(pending) => {
                self.generation = generation;
                self.unacknowledged += 1;
                Some(pending)
            }
            Err(error) => {
                publisher.dropped(&error);
                self.broken = true;
                None
            }
        }
    }
}

/// The live topic without the names of source and profile.
fn root(live_topic: &str) -> &str {
    let mut levels = live_topic.rmatch_indices('/').map(|(at, _)| at);
    levels.nth(1).map_or(live_topic, |at| &live_topic[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_what_streams_share() {
        for (topic, expected) in
            [("video/live/lobby/source", "video/live"), ("a/b/c/d/e", "a/b/c"), ("a/b", "a/b"), ("a", "a")]
        {
            assert_eq!(root(topic), expected, "{topic}");
        }
    }
}
