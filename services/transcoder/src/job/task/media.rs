//! What a job does with what its source gives: into the muxer, out to the topics, and the conclusions for whoever waits.

use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::super::{Ended, report};
use super::Job;
use crate::ffmpeg::feed::{self, End};
use crate::job::life::Verdict;
use crate::muxer::{Error as MuxerError, Output, Track};
use crate::timeline::Ticks;

impl Job {
    /// Does what an event of the source asks for; the job ends if that means so.
    pub(super) fn source(&mut self, event: feed::Event) -> Option<Ended> {
        match event {
            feed::Event::Began { expects_audio } => {
                self.run_began = true;
                self.starting.ffmpeg_began();
                let outputs = self.muxer.begin(report::unix_ms(), expects_audio);
                self.publish(&outputs);
            }
            feed::Event::Item(item, at) => match self.muxer.push(item, report::unix(at).as_micros() as u64) {
                Ok(outputs) => self.publish(&outputs),
                Err(error) => {
                    warn!(%error, "the source has to be transcoded");
                    self.feed.reject(match error {
                        MuxerError::UnsupportedVideo(_) => Track::Video,
                        MuxerError::UnsupportedAudio(_) => Track::Audio,
                    });
                }
            },
            feed::Event::AudioEnded => {
                let outputs = self.muxer.give_up_audio();
                self.publish(&outputs);
            }
            feed::Event::Ended(End::Learnt | End::Replaced) => {
                self.restarted("learnt");
                self.life.interrupted();
            }
            feed::Event::Ended(End::Lost { failure, reason }) => {
                self.restarted(reason.as_str());
                // Said once, and not with each attempt while the source is away.
                if self.failure.as_ref().map(|failure| failure.code) != Some(failure.code) {
                    warn!(code = failure.code.as_str(), reason = reason.as_str(), "source lost");
                }
                for waiting in std::mem::take(&mut self.waiting) {
                    waiting.answer.send(Err(failure.clone())).ok();
                }
                self.starting.failed(failure.code);
                self.failure = Some(failure.clone());
                self.review_watched();
                if self.life.lost(failure.code) == Verdict::End {
                    return Some(Ended::Lost(failure));
                }
            }
        }
        None
    }

    fn restarted(&mut self, reason: &'static str) {
        self.restarts += 1;
        self.shared.metrics.restarted(reason);
    }

    fn publish(&mut self, outputs: &[Output]) {
        if outputs.is_empty() {
            return;
        }
        let under_way = self.fanout.publish(outputs);
        self.herald.listen(under_way.evidence);
        if let Some(keyframe) = under_way.keyframe {
            self.herald.time(keyframe);
        }
        let mut keyframe = false;
        for output in outputs {
            match output {
                Output::Generation(media) => info!(
                    generation = media.generation,
                    video = media.video.codec,
                    width = media.video.width,
                    height = media.video.height,
                    audio = media.audio.as_ref().map(|audio| audio.codec.as_str()),
                    "generation begins"
                ),
                Output::Fragment { track, sync, bytes, decode_time, reached_us, .. } => {
                    let now = report::unix(SystemTime::now());
                    let held = reached_us.map(|reached| now.saturating_sub(Duration::from_micros(reached)));
                    self.rate.count(held, bytes.len());
                    if *track == Track::Video && *sync {
                        keyframe = true;
                        self.keyframe_due(*decode_time);
                    }
                }
                Output::Init { .. } | Output::Gop { .. } => {}
            }
        }
        if keyframe && (self.run_began || !self.life.is_flowing()) {
            self.keyframe();
        }
    }

    fn keyframe_due(&mut self, decode_time: Ticks) {
        let last = self.last_keyframe.replace(decode_time);
        if let (Some(last), Some(figures)) = (last, &self.figures) {
            figures.keyframe_interval(Duration::from_secs_f64(decode_time.saturating_sub(last) as f64 / 90_000.0));
        }
    }

    /// The first keyframe of a run is out.
    fn keyframe(&mut self) {
        self.run_began = false;
        if let Some(asked) = self.asked.take() {
            self.shared.metrics.started(asked.elapsed());
        }
        self.starting.done();
        self.failure = None;
        self.life.flows();
        if let Some(media) = self.muxer.media().cloned() {
            for waiting in std::mem::take(&mut self.waiting) {
                self.serve(waiting, media.clone());
            }
        }
    }
}
