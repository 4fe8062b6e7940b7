//! What log lines and traces say of a request, whatever happens to it.

use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::reply_topic::ReplyTopic;
use crate::stream::StreamKey;
use crate::wire::{Request, Verb};
use runtime::trace;

/// The span of a request. Those that lead to pictures are traced; `source` and `profile` come once they are allowed.
pub(super) fn of(request: &Request, reply_topic: Option<&ReplyTopic>) -> Span {
    let reply_topic = reply_topic.map(ReplyTopic::as_str);
    let session = request.body.as_ref().ok().map(|body| body.session.as_str());
    let verb = request.verb.as_str();
    macro_rules! span {
        ($target:expr, $name:literal) => {
            info_span!(target: $target, $name, verb, reply_topic, session, source = Empty, profile = Empty)
        };
    }
    let span = match request.verb {
        Verb::Describe => span!(trace::TARGET, "request describe"),
        Verb::Play => span!(trace::TARGET, "request play"),
        _ => span!(module_path!(), "request"),
    };
    trace::continues(&span, request.trace.as_ref());
    span
}

/// Says which stream the present request is about.
pub(super) fn about(key: &StreamKey) {
    Span::current().record("source", key.source.as_str()).record("profile", key.profile.as_str());
}
