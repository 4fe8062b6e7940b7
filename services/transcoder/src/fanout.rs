//! Puts what the muxer makes on its topics: once for all live viewers, once per reply viewer.
//!
//! Each live topic is a lane. A message that the broker cannot take breaks a lane, and it stays broken up to the next
//! keyframe of its track: what lies between could not be decoded. The running numbers show the gap. Nothing is queued here
//! but the one catch-up of each viewer that has just joined, so memory is bounded.

mod lane;
mod reply;

use std::collections::HashMap;

use bytes::Bytes;
use runtime::broker::Pending;
use tokio_util::task::AbortOnDropHandle;

use self::lane::{Fragment, Lane};
use self::reply::Reply;
use crate::gop::Gop;
use crate::muxer::{Output, Track};
use crate::packet::{Packer, Packet};
use crate::publisher::Publisher;
use crate::stream::Spec;
use crate::viewers::{Delivery, Viewer};

/// Whole GOPs that were handed over, by reply topic; their outcomes are evidence of presence.
pub(crate) type Evidence = Vec<(String, Pending)>;

/// What is under way after a publish.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    /// Whole GOPs.
    pub(crate) evidence: Evidence,
    /// The last message of a keyframe on the live topic, if there was one.
    pub(crate) keyframe: Option<Pending>,
}

/// The topics of one stream.
#[derive(Debug)]
pub(crate) struct Fanout {
    publisher: Publisher,
    /// Topic below which a worker may publish what nobody reads.
    root: String,
    max_bytes: usize,
    generation: u64,
    gop: Gop,
    video: Topic,
    audio: Topic,
    replies: HashMap<String, Reply>,
    catch_ups: HashMap<String, AbortOnDropHandle<()>>,
}

/// A live topic.
#[derive(Debug)]
struct Topic {
    name: String,
    track: Track,
    lane: Lane,
    /// What came together and shares messages. Empty between two calls, as the next, and kept for its room.
    together: Vec<Fragment>,
    packets: Vec<Packet>,
}

impl Fanout {
    /// The topics of `spec`; live messages carry at most `max_bytes`.
    pub(crate) fn new(publisher: Publisher, spec: &Spec, max_bytes: usize) -> Self {
        let topic = |track, name| Topic {
            name: format!("{}/{name}", spec.live_topic),
            track,
            lane: Lane::new(max_bytes),
            together: Vec::new(),
            packets: Vec::new(),
        };
        Self {
            publisher,
            root: root(&spec.live_topic).to_owned(),
            max_bytes,
            generation: 0,
            gop: Gop::default(),
            video: topic(Track::Video, "video"),
            audio: topic(Track::Audio, "audio"),
            replies: HashMap::new(),
            catch_ups: HashMap::new(),
        }
    }

    /// Topic below which a worker may publish what nobody reads.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// Publishes what came out of the muxer at once. Fragments of a track that come together share messages.
    pub(crate) fn publish(&mut self, outputs: &[Output]) -> UnderWay {
        let mut under_way = UnderWay::default();
        for output in outputs {
            self.gop.push(output);
            match output {
                Output::Fragment { track, sync, bytes, .. } => {
                    self.topic(*track).together.push((*sync, bytes.clone()));
                }
                Output::Generation(media) => {
                    self.flush(&mut under_way);
                    self.generation = media.generation;
                }
                Output::Init { track, bytes } => {
                    self.flush(&mut under_way);
                    let (generation, publisher) = (self.generation, self.publisher.clone());
                    self.topic(*track).begin(generation, bytes, &publisher);
                }
                Output::Gop { init, media, sync, .. } => {
                    under_way.evidence.extend(self.publish_whole(init, media, *sync));
                }
            }
        }
        self.flush(&mut under_way);
        under_way
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
            reply.settled();
        }
    }

    fn topic(&mut self, track: Track) -> &mut Topic {
        match track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        }
    }

    fn flush(&mut self, under_way: &mut UnderWay) {
        for topic in [&mut self.video, &mut self.audio] {
            let keyframe = topic.flush(self.generation, &self.publisher);
            under_way.keyframe = keyframe.or(under_way.keyframe.take());
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
        let mut reply = Reply::new();
        let mut evidence = Vec::new();
        if let Some(whole) = self.gop.last_whole() {
            for (at, media) in whole.media.iter().enumerate() {
                let gop = reply::Gop { generation: self.generation, init: &whole.init, media, sync: at == 0 };
                evidence.extend(send_whole(&self.publisher, (&viewer.reply_topic, &self.root), &mut reply, gop));
            }
        }
        self.replies.insert(viewer.reply_topic.clone(), reply);
        evidence
    }

    fn publish_whole(&mut self, init: &Bytes, media: &Bytes, sync: bool) -> Evidence {
        let gop = reply::Gop { generation: self.generation, init, media, sync };
        let replies = self.replies.iter_mut();
        replies.filter_map(|(topic, reply)| send_whole(&self.publisher, (topic, &self.root), reply, gop)).collect()
    }
}

impl Topic {
    fn begin(&mut self, generation: u64, init: &Bytes, publisher: &Publisher) {
        self.packets = self.lane.begin(generation, init.clone());
        self.publish(publisher, false);
    }

    /// Publishes what came together. Returns the last message, if a keyframe of video went out.
    fn flush(&mut self, generation: u64, publisher: &Publisher) -> Option<Pending> {
        let keyframe = self.track == Track::Video && self.together.iter().any(|(sync, _)| *sync);
        publisher.kept_back(self.lane.pack(generation, &mut self.together, &mut self.packets));
        self.publish(publisher, keyframe)
    }

    /// Hands the messages over. Returns the last, if it is to be `timed` and all were handed over.
    fn publish(&mut self, publisher: &Publisher, timed: bool) -> Option<Pending> {
        let mut left = self.packets.len();
        let mut last = None;
        for packet in self.packets.drain(..) {
            left -= 1;
            let handed_over = if timed && left == 0 {
                publisher.live_timed(&self.name, packet).map(|pending| last = Some(pending))
            } else {
                publisher.live(&self.name, packet)
            };
            if let Err(error) = handed_over {
                publisher.dropped(&error);
                if self.lane.broke() && self.track == Track::Video {
                    publisher.broken_gop();
                }
                break;
            }
        }
        last
    }
}

fn send_whole(
    publisher: &Publisher,
    (topic, root): (&str, &str),
    reply: &mut Reply,
    gop: reply::Gop<'_>,
) -> Option<(String, Pending)> {
    let Some(packet) = reply.message(gop) else {
        publisher.kept_back(1);
        return None;
    };
    match publisher.whole(topic, packet, root) {
        Ok(pending) => {
            reply.sent(gop.generation);
            Some((topic.to_owned(), pending))
        }
        Err(error) => {
            publisher.dropped(&error);
            reply.broke();
            None
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
