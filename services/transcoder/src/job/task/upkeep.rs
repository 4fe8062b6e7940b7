//! What a job does each second, and what it learns of its viewers meanwhile: their presence is judged by what they are told.

use std::time::Instant;

use runtime::broker::{Outcome, PublishError};
use tracing::{debug, info};

use super::super::herald::{self, Subject};
use super::{Job, SECOND};
use crate::job::life::State;
use crate::viewers::Delivery;
use crate::viewers::presence::Rule;

/// How often a live viewer is told the status, which is also how its presence is noticed.
const STATUS_EVERY: u32 = 5;
/// How often what is retained is renewed, in seconds.
const RETAIN_EVERY: u32 = 20;

impl Job {
    /// Something that was published was acknowledged, or got lost.
    pub(super) fn answered(&mut self, (subject, outcome): herald::Answer) {
        let reply_viewer = matches!(subject, Subject::ReplyViewer(_));
        if let Subject::ReplyViewer(topic) = &subject {
            self.fanout.settled(topic);
        }
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                debug!(%error, reply_viewer, "a report was not published");
                // The connection went, even if it is back already.
                self.connected &= !matches!(error, PublishError::Lost);
                return;
            }
        };
        self.shared.publisher.noticed(outcome);
        let anybody = outcome == Outcome::Delivered;
        match subject {
            Subject::Anybody => {
                let tells = matches!(self.shared.publisher.rule(), Rule::Subscribers { .. });
                self.passive = anybody && tells;
            }
            Subject::Viewer(topic) | Subject::ReplyViewer(topic) => {
                self.viewers.answered(&topic, anybody, Instant::now());
            }
            Subject::Keyframe(since) => self.shared.metrics.keyframe_out(since.elapsed()),
            Subject::Nobody => {}
        }
    }

    /// A second went by.
    pub(super) fn second(&mut self) {
        let now = Instant::now();
        self.seconds = self.seconds.wrapping_add(1);
        let stands = self.rate.second();
        if self.is_watched() && (stands || self.life.state() == State::Restarting) {
            self.shared.metrics.stalled(SECOND);
        }
        if let Some(figures) = &self.figures {
            figures.frame_rate(self.rate.frames_per_second());
        }
        // Nobody waits any more who has hung up.
        self.waiting.retain(|waiting| !waiting.answer.is_closed());
        if !self.shared.publisher.connected() {
            self.connected = false;
        } else if !self.connected {
            self.connected = true;
            self.viewers.resumed(now);
            self.announced = None;
        }
        if self.connected {
            self.shared.publisher.ask_broker(self.fanout.root());
            let gone = self.viewers.remove_gone(self.shared.publisher.rule(), now);
            for viewer in &gone {
                info!(session = viewer.session, viewers = self.viewers.len(), "viewer has gone");
                self.fanout.leave(&viewer.reply_topic);
            }
            let news = self.news();
            if self.is_public() {
                self.herald.tick(&news, &self.rate, self.viewers.len(), self.restarts);
            }
            if self.seconds.is_multiple_of(STATUS_EVERY) {
                for viewer in self.viewers.iter().filter(|viewer| viewer.delivery == Delivery::Live) {
                    self.herald.status(viewer, &news);
                }
            }
            if self.is_public() && self.seconds.is_multiple_of(RETAIN_EVERY) {
                self.herald.retain(&news, self.muxer.media());
            }
        }
        self.post();
    }
}
