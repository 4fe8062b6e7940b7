//! What a job does when it is asked.

use std::sync::Arc;
use std::time::Instant;

use tracing::info;

use super::super::{Answer, Command, Ended, Farewell};
use super::{Job, Waiting};
use crate::failure::{Code, Failure};
use crate::fence::Claim;
use crate::muxer::Media;
use crate::stream::Spec;
use crate::viewers::{Delivery, Viewer, Whom};

impl Job {
    /// Does what is asked; the job ends if that means so.
    pub(super) fn command(&mut self, command: Command) -> Option<Ended> {
        match command {
            Command::Describe(answer) => self.wait(Vec::new(), answer),
            Command::Adopt(viewers, answer) => self.wait(viewers, answer),
            Command::Play { spec, viewer, max_viewers, answer } => {
                self.exchange(spec);
                answer.send(self.play(viewer, max_viewers)).ok();
            }
            Command::Refresh(reply_topic, answer) => {
                answer.send(self.viewers.refresh(&reply_topic, Instant::now())).ok();
            }
            Command::Claimed(claim) => return self.claimed(&claim),
            Command::Stop(whom, farewell, answer) => {
                let gone = self.viewers.remove(&whom);
                answer.send(gone.len()).ok();
                self.see_off(gone, farewell);
                return match (whom, farewell) {
                    (Whom::All, Farewell::Silent) => Some(Ended::Moved),
                    (Whom::All, Farewell::Because(_)) => Some(Ended::Stopped),
                    _ => None,
                };
            }
        }
        None
    }

    /// Another worker publishes the stream, or did. Of two that do, the one with the lower generation gives way: a
    /// gatekeeper has given the stream to the other, and may not reach this one to say so.
    fn claimed(&mut self, claim: &Claim) -> Option<Ended> {
        if claim.worker == *self.shared.worker {
            return None;
        }
        let Some(media) = self.muxer.media() else {
            // Nothing was published here that theirs could be older or newer than.
            self.muxer.outrank(claim.generation);
            return None;
        };
        if !claim.outranks(media.generation, &self.shared.worker) {
            return None;
        }
        info!(worker = claim.worker, generation = claim.generation, "another worker publishes the stream");
        Some(Ended::Moved)
    }

    /// Answers at once if the tracks are known, or if it is known that there are none to be had.
    fn wait(&mut self, adopts: Vec<Viewer>, answer: Answer<Result<Media, Failure>>) {
        let waiting = Waiting { adopts, answer };
        match (self.muxer.media(), &self.failure) {
            (Some(media), _) if self.life.is_flowing() || waiting.adopts.is_empty() => {
                let media = media.clone();
                self.serve(waiting, media);
            }
            (_, Some(failure)) => {
                waiting.answer.send(Err(failure.clone())).ok();
            }
            _ => self.waiting.push(waiting),
        }
    }

    /// Whoever waited has what it waited for.
    pub(super) fn serve(&mut self, waiting: Waiting, media: Media) {
        for viewer in waiting.adopts {
            self.entry.take_seat(&viewer, 0);
            // Live viewers have subscribed to what goes on here, and are caught up.
            if viewer.delivery == Delivery::Reply {
                let evidence = self.fanout.join(&viewer);
                self.herald.listen(evidence);
            }
            self.admit(viewer);
        }
        waiting.answer.send(Ok(media)).ok();
    }

    /// The allowlist may have another URL or login for the source by now.
    fn exchange(&mut self, spec: Arc<Spec>) {
        if self.spec.source != spec.source || self.spec.transcode != spec.transcode {
            info!("the source's settings changed");
            self.feed.replace(spec.clone());
            self.spec = spec;
        }
    }

    fn play(&mut self, viewer: Viewer, max_viewers: u32) -> Result<(), Failure> {
        if !self.entry.take_seat(&viewer, max_viewers) {
            let text = "the source has as many viewers as it may have";
            return Err(Failure::new(Code::NoCapacity, text).retry_after(self.shared.linger));
        }
        let evidence = self.fanout.join(&viewer);
        self.herald.listen(evidence);
        self.admit(viewer);
        Ok(())
    }

    fn admit(&mut self, viewer: Viewer) {
        // Before anything was announced the review that follows tells everybody.
        if self.announced.is_some() {
            self.herald.status(&viewer, &self.news());
        }
        let session = viewer.session.clone();
        if self.viewers.admit(viewer, Instant::now()) {
            info!(session, viewers = self.viewers.len(), "viewer joins");
        }
    }

    fn see_off(&mut self, gone: Vec<Viewer>, farewell: Farewell) {
        let failure = match farewell {
            Farewell::Because(code) => Some(Failure::from(code)),
            Farewell::Asked | Farewell::Silent => None,
        };
        for viewer in gone {
            info!(session = viewer.session, viewers = self.viewers.len(), "viewer leaves");
            self.fanout.leave(&viewer.reply_topic);
            if farewell != Farewell::Silent {
                self.herald.ended(&viewer, self.generation(), failure.as_ref());
            }
        }
        self.post();
    }
}
