//! The JSON that a worker publishes about a stream: status to each viewer, tick and state to all.
//!
//! It only writes; no worker reads JSON of a viewer. The fields are those of the protocol page, where their examples are.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::failure::Failure;
use crate::job::life::State;
use crate::job::rate::Rate;
use crate::muxer::Media;
use crate::stream::Spec;

/// To one viewer: how its stream is doing.
#[derive(Debug, Serialize)]
pub(crate) struct Status<'a> {
    state: &'static str,
    source: &'a str,
    profile: &'a str,
    generation: u64,
    worker: &'a str,
    time: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    session: &'a str,
    #[serde(flatten)]
    failure: Option<Why<'a>>,
}

#[derive(Debug, Serialize)]
struct Why<'a> {
    error: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

/// To all, each second: that the stream lives, and its figures.
#[derive(Debug, Serialize)]
pub(crate) struct Tick<'a> {
    time: u64,
    generation: u64,
    state: &'static str,
    fps: f64,
    bitrate: u64,
    viewers: usize,
    restarts: u32,
    worker: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
}

/// Retained: what the stream is made of.
#[derive(Debug, Serialize)]
pub(crate) struct Retained<'a> {
    #[serde(rename = "mimeCodec", skip_serializing_if = "Option::is_none")]
    mime_codec: Option<String>,
    source: &'a str,
    profile: &'a str,
    live_topic: &'a str,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracks: Option<Tracks<'a>>,
    worker: &'a str,
    state: &'static str,
}

#[derive(Debug, Serialize)]
struct Tracks<'a> {
    video: Video<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<Audio<'a>>,
}

#[derive(Debug, Serialize)]
struct Video<'a> {
    #[serde(rename = "mimeCodec")]
    mime_codec: String,
    codec: &'a str,
    width: u32,
    height: u32,
}

#[derive(Debug, Serialize)]
struct Audio<'a> {
    #[serde(rename = "mimeCodec")]
    mime_codec: String,
    codec: &'a str,
    sample_rate: u32,
    channels: u32,
}

/// What all reports of a stream say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// The stream.
    pub(crate) spec: &'a Spec,
    /// Name of the worker.
    pub(crate) worker: &'a str,
    /// The present generation, or the last one; zero before the first.
    pub(crate) generation: u64,
}

impl<'a> About<'a> {
    /// A status while the stream runs; `failure` says why it does not flow.
    pub(crate) fn status(self, state: State, session: &'a str, failure: Option<&'a Failure>) -> Status<'a> {
        self.status_in(to_viewers(state), session, failure)
    }

    /// The last status of a viewer. Without a failure it was the viewer's own wish.
    pub(crate) fn ended(self, session: &'a str, failure: Option<&'a Failure>) -> Status<'a> {
        self.status_in("ended", session, failure)
    }

    fn status_in(self, state: &'static str, session: &'a str, failure: Option<&'a Failure>) -> Status<'a> {
        Status {
            state,
            source: &self.spec.key.source,
            profile: &self.spec.key.profile,
            generation: self.generation,
            worker: self.worker,
            time: unix_ms(),
            session,
            failure: failure.map(|failure| Why {
                error: &failure.text,
                code: failure.code.as_str(),
                retry_after_s: failure.retry_after.map(seconds),
            }),
        }
    }

    /// A tick.
    pub(crate) fn tick(self, state: State, rate: &Rate, viewers: usize, restarts: u32) -> Tick<'a> {
        Tick {
            time: unix_ms(),
            generation: self.generation,
            state: to_viewers(state),
            fps: rate.frames_per_second(),
            bitrate: rate.bits_per_second(),
            viewers,
            restarts,
            worker: self.worker,
            held_ms: rate.held().map(milliseconds),
            latency_ms: None,
        }
    }

    /// What is retained.
    pub(crate) fn retained(self, state: State, media: Option<&'a Media>) -> Retained<'a> {
        Retained {
            mime_codec: media.map(Media::mime_codec),
            source: &self.spec.key.source,
            profile: &self.spec.key.profile,
            live_topic: &self.spec.live_topic,
            generation: self.generation,
            tracks: media.map(|media| Tracks {
                video: Video {
                    mime_codec: media.video.mime_codec(),
                    codec: &media.video.codec,
                    width: media.video.width,
                    height: media.video.height,
                },
                audio: media.audio.as_ref().map(|audio| Audio {
                    mime_codec: audio.mime_codec(),
                    codec: &audio.codec,
                    sample_rate: audio.sample_rate,
                    channels: audio.channels,
                }),
            }),
            worker: self.worker,
            state: to_viewers(state),
        }
    }
}

impl Tick<'_> {
    /// Adds how long it takes to the broker.
    pub(crate) fn by_way_of(self, way: Option<Duration>) -> Self {
        Self { latency_ms: way.map(milliseconds), ..self }
    }
}

/// Whoever reads it watches, so for them no stream lingers.
pub(crate) fn to_viewers(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Live | State::Lingering => "live",
        State::Restarting => "restarting",
    }
}

/// Now, as reports say it.
pub(crate) fn unix_ms() -> u64 {
    unix(SystemTime::now()).as_millis() as u64
}

/// Time since the Unix epoch; a clock before it counts as there.
pub(crate) fn unix(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Milliseconds, to a tenth.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Whole seconds, rounded up, so that nobody comes back too early.
fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;
    use crate::fmp4;
    use crate::stream::{Key, Source};

    fn spec() -> Spec {
        Spec {
            key: Key { source: "lobby".to_owned(), profile: "source".to_owned() },
            source: Source::new("rtsp://user:secret@10.1.2.3/x", None).unwrap(),
            transcode: None,
            live_topic: "video/live/lobby/source".to_owned(),
            pattern_url: String::new(),
        }
    }

    #[track_caller]
    fn check(value: &impl Serialize, expected: &serde_json::Value) {
        let mut value = serde_json::to_value(value).unwrap();
        if let Some(time) = value.get_mut("time") {
            *time = 0.into();
        }
        assert_eq!(&value, expected);
    }

    #[test]
    fn a_status_says_what_viewers_need_and_nothing_of_the_url() {
        let spec = spec();
        let about = About { spec: &spec, worker: "transcoder-0", generation: 7 };
        check(
            &about.status(State::Lingering, "", None),
            &serde_json::json!({"state": "live", "source": "lobby", "profile": "source", "generation": 7,
                "worker": "transcoder-0", "time": 0}),
        );
        let failure = Failure::from(Code::SourceUnreachable).retry_after(Duration::from_millis(1200));
        check(
            &about.status(State::Restarting, "s-1", Some(&failure)),
            &serde_json::json!({"state": "restarting", "source": "lobby", "profile": "source", "generation": 7,
                "worker": "transcoder-0", "time": 0, "session": "s-1", "error": "the source does not answer",
                "code": "source_unreachable", "retry_after_s": 2}),
        );
    }

    #[test]
    fn a_tick_leaves_out_what_is_not_known() {
        let spec = spec();
        let about = About { spec: &spec, worker: "w", generation: 7 };
        let mut rate = Rate::default();
        let bare = serde_json::json!({"time": 0, "generation": 7, "state": "live", "fps": 0.0, "bitrate": 0, "viewers": 2,
            "restarts": 1, "worker": "w"});
        check(&about.tick(State::Live, &rate, 2, 1), &bare);
        rate.count(Some(Duration::from_micros(41_260)), 1000);
        rate.second();
        let mut full = bare;
        full["fps"] = 1.0.into();
        full["bitrate"] = 8000.into();
        full["held_ms"] = 41.3.into();
        full["latency_ms"] = 0.5.into();
        check(&about.tick(State::Live, &rate, 2, 1).by_way_of(Some(Duration::from_micros(480))), &full);
    }

    #[test]
    fn a_silent_stream_has_no_audio_in_what_is_retained() {
        let spec = spec();
        let about = About { spec: &spec, worker: "w", generation: 7 };
        let media = Media {
            generation: 7,
            video: fmp4::Video { codec: "avc1.42C01E".to_owned(), width: 640, height: 360 },
            audio: None,
        };
        check(
            &about.retained(State::Live, Some(&media)),
            &serde_json::json!({"mimeCodec": "video/mp4; codecs=\"avc1.42C01E\"", "source": "lobby",
                "profile": "source", "live_topic": "video/live/lobby/source", "generation": 7,
                "tracks": {"video": {"mimeCodec": "video/mp4; codecs=\"avc1.42C01E\"", "codec": "avc1.42C01E",
                    "width": 640, "height": 360}}, "worker": "w", "state": "live"}),
        );
    }
}
