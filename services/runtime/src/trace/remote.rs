//! The context of a trace as it travels between processes: a W3C `traceparent` (Trace Context, section 3.2).
//!
//! `tracestate` is neither read nor sent: the browser that begins our traces has none.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, Status, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What a version 00 `traceparent` has; later versions may add to it.
const LONGEST: usize = 128;

/// A span of another process, or one that is continued elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Remote(SpanContext);

impl Remote {
    /// Reads a `traceparent`; `None`: it is none, which is to be treated as if there was nothing.
    pub fn parse(traceparent: &str) -> Option<Self> {
        if traceparent.len() > LONGEST || !is_shaped(traceparent.as_bytes()) {
            return None;
        }
        let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
        let context = TraceContextPropagator::new().extract(&carrier);
        let span = context.span().span_context().clone();
        span.is_valid().then_some(Self(span))
    }

    /// As a `traceparent`.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.0.trace_id(), self.0.span_id(), self.0.trace_flags())
    }

    pub(super) fn context(&self) -> &SpanContext {
        &self.0
    }
}

/// `version-trace id-span id-flags`, which the library below does not insist on.
fn is_shaped(text: &[u8]) -> bool {
    const LENGTH: usize = 55;
    let dashes = [2, 35, 52];
    let fits = |(at, byte): (usize, &u8)| match byte {
        b'-' => dashes.contains(&at),
        b'0'..=b'9' | b'a'..=b'f' => !dashes.contains(&at),
        _ => false,
    };
    let later_version = !text.starts_with(b"00") && text.get(LENGTH) == Some(&b'-');
    text.len() >= LENGTH && text.iter().take(LENGTH).enumerate().all(fits) && (text.len() == LENGTH || later_version)
}

/// Makes `span`, which must not have been entered yet, a child of `parent`.
pub fn continues(span: &Span, parent: Option<&Remote>) {
    if let Some(Remote(parent)) = parent {
        // It fails if there are no traces.
        span.set_parent(Context::new().with_remote_span_context(parent.clone())).ok();
    }
}

/// Where we are: the innermost span that is traced. `None` if there are no traces.
pub fn current() -> Option<Remote> {
    let context = Span::current().context();
    let span = context.span().span_context().clone();
    span.is_valid().then_some(Remote(span))
}

/// Marks `span` as failed.
pub fn failed(span: &Span, why: &'static str) {
    span.set_status(Status::error(why));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written_again() {
        for good in [GOOD, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"] {
            assert_eq!(Remote::parse(good).expect(good).traceparent(), good);
        }
    }

    #[test]
    fn what_is_malformed_is_nothing() {
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
            &"0".repeat(1000),
        ] {
            assert_eq!(Remote::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn without_traces_there_is_nowhere_to_be() {
        let _span = tracing::info_span!("somewhere").entered();
        assert_eq!(current(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,140}", mask in prop::collection::vec(any::<char>(), 55)) {
            Remote::parse(&text);
            let almost: String = GOOD.chars().zip(mask).map(|(good, other)| if other > '\u{8000}' { other } else { good }).collect();
            Remote::parse(&almost);
        }
    }
}
