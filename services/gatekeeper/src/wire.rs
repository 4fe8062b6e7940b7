//! The viewer's protocol: MQTT messages to requests, and replies to MQTT messages.
//!
//! The only place that knows the JSON, its field names and the topics that requests come on; `proto/MQTT.md` is its
//! reference. Reading is total: whatever arrives becomes a [`Request`], whose body may be a refusal, a report of a
//! player, or nothing to act on. It decides nothing and publishes nothing.

mod fields;
mod reply;
mod report;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use runtime::broker::Message;
use runtime::trace::Remote;
use secrecy::SecretString;

use crate::policy::{Selector, Target};
use crate::refusal::Refusal;
use crate::stream::{Delivery, Dialect, StreamKey};
use fields::Fields;
pub(crate) use reply::{announce, describe, error};
pub(crate) use report::Report;

/// Longest payload of a request, in bytes.
const LONGEST_PAYLOAD: usize = 8 * 1024;
/// The prefix of the dialect that the first page speaks; not configurable, because that page is not.
const CLIENT_PREFIX: &str = "client";

/// The topics under one prefix.
#[derive(Debug, Clone)]
pub(crate) struct Topics {
    prefix: String,
}

impl Topics {
    /// Topics under `prefix`.
    pub(crate) fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// What to subscribe to. Replicas share the requests; everything one level below the prefixes is read, so that a
    /// verb that does not exist gets an answer instead of silence.
    pub(crate) fn subscriptions(&self) -> Vec<String> {
        [self.prefix.as_str(), CLIENT_PREFIX].map(|prefix| format!("$share/gatekeeper/{prefix}/+")).into()
    }

    /// Where the names of sources are announced.
    pub(crate) fn sources(&self) -> String {
        format!("{}/sources", self.prefix)
    }

    /// Below which a stream's shared media is published.
    pub(crate) fn live(&self, key: &StreamKey) -> String {
        format!("{}/live/{}/{}", self.prefix, key.source, key.profile)
    }

    fn split<'a>(&self, topic: &'a str) -> Option<(Dialect, &'a str)> {
        let below = |prefix: &str| topic.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
        below(&self.prefix)
            .map(|verb| (Dialect::Video, verb))
            .or_else(|| below(CLIENT_PREFIX).map(|verb| (Dialect::Client, verb)))
    }
}

/// What a viewer wants done; a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    /// Say what is in a stream, and start it.
    Describe,
    /// Send it.
    Play,
    /// Stop sending it.
    Stop,
    /// The viewer is still there.
    Keepalive,
    /// The first page says hello.
    Register,
    /// The first page says goodbye, or its will does.
    Unregister,
    /// Anything else.
    Unknown,
}

impl Verb {
    /// As topics and metrics spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Play => "play",
            Self::Stop => "stop",
            Self::Keepalive => "keepalive",
            Self::Register => "register",
            Self::Unregister => "unregister",
            Self::Unknown => "unknown",
        }
    }

    fn parse(dialect: Dialect, text: &str) -> Self {
        match (dialect, text) {
            (_, "describe") => Self::Describe,
            (_, "play") => Self::Play,
            (_, "stop") => Self::Stop,
            (Dialect::Video, "keepalive") => Self::Keepalive,
            (Dialect::Client, "register") => Self::Register,
            (Dialect::Client, "unregister") => Self::Unregister,
            _ => Self::Unknown,
        }
    }
}

/// What a message turned out to be.
pub(crate) enum Incoming {
    /// A request, well formed or not.
    Request(Request),
    /// A player's report of how well it plays, and the trace that it is part of.
    Report(Result<Report, Refusal>, Option<Remote>),
    /// Nothing to act on.
    Ignored,
}

/// A request with what is needed to answer it.
pub(crate) struct Request {
    /// What is wanted.
    pub(crate) verb: Verb,
    /// In which dialect.
    pub(crate) dialect: Dialect,
    /// The reply topic that the payload names; not confined yet.
    pub(crate) named: Option<String>,
    /// The MQTT 5 Response Topic; not confined yet.
    pub(crate) response_topic: Option<String>,
    /// Echoed in the reply.
    pub(crate) correlation: Option<Bytes>,
    /// The span of the viewer's that it is part of.
    pub(crate) trace: Option<Remote>,
    /// The rest, if it could be read.
    pub(crate) body: Result<Body, Refusal>,
}

/// A well-formed request.
pub(crate) struct Body {
    /// What to do.
    pub(crate) command: Command,
    /// Permission to ask at all.
    pub(crate) token: Option<SecretString>,
    /// Correlates log lines; made up here if the viewer has none.
    pub(crate) session: String,
}

impl Body {
    fn nothing() -> Self {
        Self { command: Command::Nothing, token: None, session: own_session() }
    }
}

/// What to do.
pub(crate) enum Command {
    /// Start a stream and say what is in it.
    Describe(Target),
    /// Send a stream.
    Play {
        /// Which.
        target: Target,
        /// How.
        delivery: Delivery,
        /// Without audio.
        video_only: bool,
    },
    /// Confirm a viewer.
    Keepalive(Target),
    /// Stop the viewer on the reply topic.
    Stop,
    /// Stop all viewers of a source that speak the `client/*` dialect.
    StopSource(Selector),
    /// Nothing: presence is known without it.
    Nothing,
}

/// Reads what the broker delivered.
pub(crate) fn read(topics: &Topics, message: Message) -> Incoming {
    let Some((dialect, verb)) = topics.split(&message.topic) else { return Incoming::Ignored };
    // A retained request was meant for somebody else at another time.
    if message.retain {
        return Incoming::Ignored;
    }
    match (dialect, verb) {
        // Our own announcement.
        (Dialect::Video, "sources") => return Incoming::Ignored,
        (Dialect::Video, "qoe") => {
            let trace = trace(&message.user_properties);
            return Incoming::Report(parse(&message.payload).and_then(|fields| report::read(&fields)), trace);
        }
        _ => {}
    }
    let verb = Verb::parse(dialect, verb);
    let topic_field = match dialect {
        Dialect::Video => "reply_topic",
        Dialect::Client => "resp_topic",
    };
    // An oversized payload is looked at for nothing but where to say so.
    let fields = Fields::parse(&message.payload);
    let named = fields.as_ref().ok().and_then(|fields| fields.text(topic_field, usize::MAX).ok().flatten());
    let body = match fields {
        _ if message.payload.len() > LONGEST_PAYLOAD => Err(too_long()),
        // Whatever the first page writes in them, they ask for nothing.
        _ if matches!(verb, Verb::Register | Verb::Unregister) => Ok(Body::nothing()),
        Ok(fields) => fields.text(topic_field, usize::MAX).and_then(|_| body(verb, dialect, &fields)),
        Err(refusal) => Err(refusal),
    };
    Incoming::Request(Request {
        verb,
        dialect,
        named,
        response_topic: message.response_topic,
        correlation: message.correlation_data,
        trace: trace(&message.user_properties),
        body,
    })
}

/// Whatever is no `traceparent`, or not the only one, is as good as none (W3C Trace Context, section 4.3).
fn trace(properties: &[(String, String)]) -> Option<Remote> {
    let mut found = properties.iter().filter(|(name, _)| name == "traceparent");
    match (found.next(), found.next()) {
        (Some((_, text)), None) => Remote::parse(text),
        _ => None,
    }
}

/// Tells from whom it is: players choose theirs by themselves.
fn own_session() -> String {
    format!("gatekeeper-{:016x}", rand::random::<u64>())
}

fn parse(payload: &[u8]) -> Result<Fields, Refusal> {
    if payload.len() > LONGEST_PAYLOAD { Err(too_long()) } else { Fields::parse(payload) }
}

fn too_long() -> Refusal {
    Refusal::bad_request(format!("the payload is longer than {LONGEST_PAYLOAD} bytes"))
}

fn body(verb: Verb, dialect: Dialect, fields: &Fields) -> Result<Body, Refusal> {
    let command = match verb {
        Verb::Describe => Command::Describe(target(fields)?),
        Verb::Play => {
            Command::Play { target: target(fields)?, delivery: delivery(fields)?, video_only: video_only(fields)? }
        }
        Verb::Keepalive => Command::Keepalive(target(fields)?),
        Verb::Stop => match (dialect, selector(fields)?) {
            (Dialect::Client, Some(selector)) => Command::StopSource(selector),
            _ => Command::Stop,
        },
        Verb::Register | Verb::Unregister => return Ok(Body::nothing()),
        Verb::Unknown => {
            return Err(Refusal::bad_request("there is no such request; see the protocol's list of topics"));
        }
    };
    let session = session(fields)?.unwrap_or_else(own_session);
    Ok(Body { command, token: fields.text("token", 1024)?.map(SecretString::from), session })
}

fn session(fields: &Fields) -> Result<Option<String>, Refusal> {
    let session = fields.text("session", 64)?.filter(|session| !session.is_empty());
    if session.iter().flat_map(|session| session.bytes()).all(|byte| byte.is_ascii_graphic()) {
        return Ok(session);
    }
    Err(Refusal::bad_request("`session` must be printable ASCII without spaces"))
}

fn target(fields: &Fields) -> Result<Target, Refusal> {
    let selector = selector(fields)?.ok_or_else(|| Refusal::bad_request("either `source` or `url` is needed"))?;
    Ok(Target { selector, profile: fields.text("profile", 63)? })
}

fn selector(fields: &Fields) -> Result<Option<Selector>, Refusal> {
    match (fields.text("source", 63)?, fields.text("url", 2048)?) {
        (Some(_), Some(_)) => Err(Refusal::bad_request("give either `source` or `url`, not both")),
        (Some(name), None) => Ok(Some(Selector::Name(name))),
        (None, Some(url)) => Ok(Some(Selector::Url(url))),
        (None, None) => Ok(None),
    }
}

fn delivery(fields: &Fields) -> Result<Delivery, Refusal> {
    match fields.text("delivery", 16)?.as_deref() {
        None | Some("reply") => Ok(Delivery::Reply),
        Some("live") => Ok(Delivery::Live),
        Some(_) => Err(Refusal::bad_request("`delivery` must be \"reply\" or \"live\"")),
    }
}

fn video_only(fields: &Fields) -> Result<bool, Refusal> {
    let refusal = || Refusal::bad_request("`tracks` must be [\"video\"] or [\"video\", \"audio\"]");
    let Some(mut tracks) = fields.texts("tracks")? else { return Ok(false) };
    tracks.sort_unstable();
    match tracks.as_slice() {
        [video] if video == "video" => Ok(true),
        [audio, video] if audio == "audio" && video == "video" => Ok(false),
        _ => Err(refusal()),
    }
}
