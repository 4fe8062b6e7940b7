//! The viewer's JSON, see proto/MQTT.md: requests out, answers and statuses in.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::args::Delivery;
use crate::exit::Failure;

/// What a viewer wants to watch.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Name of a source, or its URL.
    pub(crate) source: String,
    /// How it is delivered; nothing for the operator's choice.
    pub(crate) profile: Option<String>,
    /// Token, where the operator demands one.
    pub(crate) token: Option<String>,
}

impl Wanted {
    fn request(&self, reply_topic: &str) -> Map<String, Value> {
        // A name has no colon; see docs/sources.md.
        let by = if self.source.contains("://") { "url" } else { "source" };
        let mut request = Map::new();
        request.insert(by.to_owned(), json!(self.source));
        request.insert("reply_topic".to_owned(), json!(reply_topic));
        for (name, value) in [("profile", &self.profile), ("token", &self.token)] {
            if let Some(value) = value {
                request.insert(name.to_owned(), json!(value));
            }
        }
        request
    }

    /// `video/describe`.
    pub(crate) fn describe(&self, reply_topic: &str) -> String {
        Value::Object(self.request(reply_topic)).to_string()
    }

    /// `video/play`.
    pub(crate) fn play(&self, reply_topic: &str, delivery: Delivery, video_only: bool) -> String {
        let mut request = self.request(reply_topic);
        request.insert("delivery".to_owned(), json!(delivery.name()));
        if video_only {
            request.insert("tracks".to_owned(), json!(["video"]));
        }
        request.insert("session".to_owned(), json!("mqtt-video-cli"));
        Value::Object(request).to_string()
    }
}

/// `video/stop`.
pub(crate) fn stop(reply_topic: &str) -> String {
    json!({ "reply_topic": reply_topic }).to_string()
}

/// Describe's answer; the service may say more.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Described {
    /// Name of the source.
    pub(crate) source: String,
    /// How it is delivered.
    pub(crate) profile: String,
    /// Below it are the live topics.
    pub(crate) live_topic: String,
    /// What is in it.
    pub(crate) tracks: Tracks,
    /// Who runs it.
    #[serde(default)]
    pub(crate) worker: String,
}

/// Tracks of a stream.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Tracks {
    /// The picture.
    pub(crate) video: Video,
    /// The sound, if there is any.
    pub(crate) audio: Option<Audio>,
}

/// The picture.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Video {
    /// RFC 6381 codec string.
    pub(crate) codec: String,
    /// Pixels.
    pub(crate) width: u32,
    /// Pixels.
    pub(crate) height: u32,
}

/// The sound.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Audio {
    /// RFC 6381 codec string.
    pub(crate) codec: String,
    /// Hertz.
    pub(crate) sample_rate: u32,
    /// Channels.
    pub(crate) channels: u32,
}

/// How a viewer's stream is doing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Status {
    /// `starting`, `live`, `restarting` or `ended`.
    pub(crate) state: String,
    /// Why it is not live, for people.
    pub(crate) error: Option<String>,
    /// Why it is not live, for programs.
    pub(crate) code: Option<String>,
    /// When asking again may help, in seconds.
    pub(crate) retry_after_s: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    code: String,
    retry_after_s: Option<u64>,
}

/// JSON on the reply topic: the answer as it is, or why there is none.
pub(crate) fn answer(payload: &[u8]) -> Result<Value, Failure> {
    let value: Value = serde_json::from_slice(payload)
        .map_err(|error| Failure::Internal(format!("the service's answer is no JSON: {error}")))?;
    match Refusal::deserialize(&value) {
        Ok(Refusal { error, code, retry_after_s }) => Err(Failure::Refused { code, text: error, retry_after_s }),
        Err(_) => Ok(value),
    }
}

/// Describe's answer, as far as it is understood here.
pub(crate) fn described(answer: &Value) -> Result<Described, Failure> {
    Described::deserialize(answer)
        .map_err(|error| Failure::Internal(format!("the service's answer is not understood: {error}: {answer}")))
}

impl Status {
    /// Reads it; nothing if it is none.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }

    /// Why the viewer got nothing more, if it has ended.
    pub(crate) fn end(self) -> Option<Failure> {
        let ended = || "the viewer was stopped, by another who knows its reply topic".to_owned();
        (self.state == "ended").then(|| Failure::Refused {
            code: self.code.unwrap_or_else(|| "ended".to_owned()),
            text: self.error.unwrap_or_else(ended),
            retry_after_s: self.retry_after_s,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(source: &str) -> Wanted {
        Wanted { source: source.to_owned(), profile: None, token: None }
    }

    #[test]
    fn sources_are_named_or_given_as_url() {
        assert_eq!(wanted("lobby").describe("r"), r#"{"reply_topic":"r","source":"lobby"}"#);
        assert_eq!(wanted("rtsp://c/1").describe("r"), r#"{"reply_topic":"r","url":"rtsp://c/1"}"#);
    }

    #[test]
    fn play_says_what_differs_from_the_service_s_choice() {
        let all = Wanted { profile: Some("legacy".to_owned()), token: Some("t".to_owned()), ..wanted("lobby") };
        let request: Value = serde_json::from_str(&all.play("r", Delivery::Live, true)).unwrap();
        let expected = json!({
            "source": "lobby", "reply_topic": "r", "profile": "legacy", "token": "t", "delivery": "live",
            "tracks": ["video"], "session": "mqtt-video-cli",
        });
        assert_eq!(request, expected);
        let request: Value = serde_json::from_str(&wanted("lobby").play("r", Delivery::Reply, false)).unwrap();
        assert_eq!((request.get("tracks"), &request["delivery"]), (None, &json!("reply")));
    }

    #[test]
    fn a_refusal_is_told_from_an_answer_by_its_code() {
        let refused = answer(br#"{"error": "no worker has room", "code": "no_capacity", "retry_after_s": 2}"#);
        let expected = Failure::Refused {
            code: "no_capacity".to_owned(),
            text: "no worker has room".to_owned(),
            retry_after_s: Some(2),
        };
        assert_eq!(refused, Err(expected));
        assert!(answer(br#"{"live_topic": "video/live/lobby/source"}"#).is_ok());
        assert!(matches!(answer(b"{"), Err(Failure::Internal(_))));
    }

    #[test]
    fn only_an_ended_status_is_an_end() {
        let end = |text: &str| Status::read(text.as_bytes()).expect("a status").end();
        assert_eq!(end(r#"{"state": "restarting", "code": "source_unreachable", "error": "gone"}"#), None);
        let failure = end(r#"{"state": "ended", "code": "draining", "error": "moving"}"#).expect("an end");
        assert_eq!((failure.code(), failure.status()), ("draining", 4));
        assert_eq!(end(r#"{"state": "ended"}"#).expect("an end").code(), "ended");
    }
}
