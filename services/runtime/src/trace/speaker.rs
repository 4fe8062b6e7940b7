//! Tells spans that somebody else measured and cannot export: their ids, beginnings and ends are given.
//!
//! The SDK makes the ids of what it traces; here it is handed them.

use std::cell::Cell;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, TraceContextExt, TraceId, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, SdkTracer, SdkTracerProvider, ShouldSample,
};

use super::remote::Remote;

thread_local! {
    /// Ids of the next span that this thread makes.
    static GIVEN: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Somebody in whose name spans are told. Clones are the same.
#[derive(Debug, Clone)]
pub struct Speaker(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    sampler: Sampler,
}

/// A span that was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What was done.
    pub name: &'static str,
    /// When it began.
    pub start: SystemTime,
    /// When it ended; not before it began.
    pub end: SystemTime,
    /// What else there is to say, as long as it is worth keeping.
    pub attributes: Vec<(&'static str, String)>,
}

impl Speaker {
    pub(super) fn silent() -> Self {
        Self(None)
    }

    pub(super) fn new(provider: SdkTracerProvider, ratio: f64) -> Self {
        let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
        Self(Some(Arc::new(Inner { provider, tracer, sampler: Sampler::TraceIdRatioBased(ratio) })))
    }

    /// Tells a whole trace's root, which is the span that `root` names, and its children. Nothing if that trace is not
    /// sampled.
    pub fn tell(&self, root: &Remote, span: Told, children: Vec<Told>) {
        let Some(inner) = &self.0 else { return };
        let root = root.context();
        if !root.is_sampled() || !inner.samples(root.trace_id()) {
            return;
        }
        GIVEN.set(Some((root.trace_id(), root.span_id())));
        inner.make(span, &Context::new());
        // Not used if the provider is shut down already.
        GIVEN.take();
        let parent =
            SpanContext::new(root.trace_id(), root.span_id(), root.trace_flags(), false, root.trace_state().clone());
        let parent = Context::new().with_remote_span_context(parent);
        for child in children {
            inner.make(child, &parent);
        }
    }
}

impl Inner {
    fn samples(&self, trace: TraceId) -> bool {
        let result = self.sampler.should_sample(None, trace, "", &SpanKind::Client, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }

    fn make(&self, told: Told, parent: &Context) {
        let attributes = told.attributes.into_iter().map(|(name, value)| KeyValue::new(name, value));
        let builder = self
            .tracer
            .span_builder(told.name)
            .with_kind(SpanKind::Client)
            .with_start_time(told.start)
            .with_attributes(attributes);
        let mut span = self.tracer.build_with_context(builder, parent);
        span.end_with_timestamp(told.end);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        super::flush(&self.provider);
    }
}

/// Gives the ids that were set for this thread, else random ones.
#[derive(Debug, Default)]
pub(super) struct GivenIds(RandomIdGenerator);

impl IdGenerator for GivenIds {
    fn new_trace_id(&self) -> TraceId {
        GIVEN.get().map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        GIVEN.get().map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }
}
