//! What is known of one run of ffmpeg: the configurations in force, and the samples that wait for its first generation.
//!
//! It decides what a keyframe is and when a generation can begin, and neither times nor numbers anything. What is held
//! is bounded.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::flv::Sample;
use crate::fmp4::codecs::{Aac, Avc, Error};
use crate::generation::Tracks;
use crate::parts::{Part, Parts, Stamped};

/// How long the first keyframe is held for the configuration of audio.
const AUDIO_PATIENCE_US: u64 = 1_000_000;

/// Video that is held at most.
const HELD_BYTES: usize = 8 << 20;

/// Audio frames that are held until the first keyframe: about 10 s.
const HELD_AUDIO: usize = 512;

/// A source that marks keyframes, but has no IDR picture for so long, has to be transcoded: nobody could join.
const WITHOUT_IDR_MS: i64 = 20_000;

/// A run of ffmpeg.
#[derive(Debug, Default)]
pub(crate) struct Run {
    video: Option<Avc>,
    audio: Option<Aac>,
    /// As ffmpeg gave it; what is in force may have replaced it.
    stated_video: Option<Bytes>,
    awaits_audio: bool,
    last_picture: Option<Sample>,
    parts: Parts,
    /// Source time since which keyframes were marked that are none.
    without_idr_since: Option<i64>,
    held_video: Vec<Stamped>,
    held_audio: VecDeque<Sample>,
    /// When the first keyframe came.
    held_since: Option<u64>,
}

impl Run {
    /// A run from which nothing was read.
    pub(crate) fn new(expect_audio: bool) -> Self {
        Self { awaits_audio: expect_audio, ..Self::default() }
    }

    /// The configuration of the pictures that follow.
    pub(crate) fn configure_video(&mut self, record: Bytes) -> Result<(), Error> {
        if self.stated_video.as_ref() != Some(&record) {
            self.video = Some(Avc::parse(record.clone())?);
            self.stated_video = Some(record);
        }
        Ok(())
    }

    /// The configuration of the audio that follows.
    pub(crate) fn configure_audio(&mut self, config: Bytes) -> Result<(), Error> {
        self.audio = Some(Aac::parse(config)?);
        Ok(())
    }

    /// Do not wait for audio.
    pub(crate) fn give_up_audio(&mut self) {
        self.awaits_audio = false;
    }

    /// The configurations in force.
    pub(crate) fn tracks(&self) -> Option<Tracks> {
        Some(Tracks { video: self.video.clone()?, audio: self.audio.clone() })
    }

    /// True if these are the configurations in force.
    pub(crate) fn has(&self, tracks: &Tracks) -> bool {
        self.has_video(tracks) && self.has_audio(tracks)
    }

    /// The same for video.
    pub(crate) fn has_video(&self, tracks: &Tracks) -> bool {
        self.video.as_ref() == Some(&tracks.video)
    }

    /// The same for audio.
    pub(crate) fn has_audio(&self, tracks: &Tracks) -> bool {
        self.audio == tracks.audio
    }

    /// Looks at what came at `unix_us`, and into it: adopts the configuration in it, takes only IDR pictures for sync
    /// samples, and returns the pictures that are whole.
    pub(crate) fn inspect(
        &mut self,
        mut picture: Sample,
        unix_us: u64,
    ) -> Result<impl Iterator<Item = Stamped> + use<>, Error> {
        let Some(config) = &self.video else {
            return Ok(None.into_iter().flatten());
        };
        // ffmpeg, when it copies from RTSP, may write the first picture twice.
        if self.last_picture.as_ref() == Some(&picture) {
            return Ok(None.into_iter().flatten());
        }
        self.last_picture = Some(picture.clone());
        let Some(access_unit) = config.access_unit(&picture.data)? else {
            return Ok(None.into_iter().flatten());
        };
        if let Some(config) = access_unit.config {
            self.video = Some(config);
        }
        if access_unit.idr {
            self.without_idr_since = None;
        } else if picture.sync {
            let since = *self.without_idr_since.get_or_insert(picture.dts_ms);
            if picture.dts_ms.saturating_sub(since) >= WITHOUT_IDR_MS {
                return Err(Error::Unsupported("stream without IDR pictures".into()));
            }
        }
        picture.sync &= access_unit.idr;
        let part = Part { continues: access_unit.continues, parameters: access_unit.parameters };
        Ok(Some(self.parts.push(picture, part, unix_us)).into_iter().flatten())
    }

    /// Holds pictures from the last keyframe on.
    pub(crate) fn hold_video(&mut self, picture: Sample, unix_us: u64) {
        if picture.sync {
            self.held_video.clear();
            self.held_since.get_or_insert(unix_us);
        } else if self.held_video.is_empty() {
            return;
        }
        let held: usize = self.held_video.iter().map(|(held, _)| held.data.len()).sum();
        let waited = unix_us.saturating_sub(self.held_since.unwrap_or(unix_us));
        if waited >= AUDIO_PATIENCE_US || held + picture.data.len() > HELD_BYTES {
            self.give_up_audio();
        }
        self.held_video.push((picture, unix_us));
    }

    /// Holds audio until there is a keyframe; of too much, the last.
    pub(crate) fn hold_audio(&mut self, frame: Sample) {
        if self.held_audio.len() == HELD_AUDIO {
            self.held_audio.pop_front();
        }
        self.held_audio.push_back(frame);
    }

    /// What was held, if a generation can begin with it: pictures, the first of which is a keyframe, and audio.
    pub(crate) fn take_held(&mut self) -> Option<(Vec<Stamped>, VecDeque<Sample>)> {
        if self.held_video.is_empty() || (self.awaits_audio && self.audio.is_none()) {
            return None;
        }
        Some((std::mem::take(&mut self.held_video), std::mem::take(&mut self.held_audio)))
    }
}
