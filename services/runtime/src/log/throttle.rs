//! Holds back log lines that repeat themselves, and tells how many.
//!
//! It is a layer around the one that writes and no filter beside it: a filter that turns an event away at the last moment
//! leaves a mark behind in tracing-subscriber, by which the next event is lost. Nor can it log by itself, as it runs while
//! something is being logged; so a thread does, which sleeps as long as nothing is held back. What is logged at `debug` and
//! below is never held back: whoever asks for that asks for all of it.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::repeats::Repeats;

/// Longest message that a summary quotes, in bytes.
const LONGEST: usize = 200;

/// A place in the code, and a digest of the source, 0 for none.
type Kind = (Identifier, u64);

/// A layer that gets each event that is let through.
pub(super) struct Throttle<L> {
    lines: L,
    shared: Arc<Shared>,
    hasher: RandomState,
}

struct Shared {
    repeats: Mutex<Repeats<Kind, What>>,
    held: Condvar,
}

/// What the events of a kind were.
#[derive(Debug)]
struct What {
    level: Level,
    target: &'static str,
    event: String,
    source: Option<Arc<str>>,
}

/// The source that a span is about.
struct Source(Arc<str>);

impl<L> Throttle<L> {
    /// Starts the thread as well. It lives as long as the process, as the subscriber does.
    pub(super) fn before(lines: L) -> Self {
        let shared = Arc::new(Shared { repeats: Mutex::new(Repeats::new()), held: Condvar::new() });
        let told = shared.clone();
        let thread = std::thread::Builder::new().name("log-repeats".to_owned()).spawn(move || told.tell());
        // Without it lines are held back untold, which is still better than a disk that is full of them.
        drop(thread);
        Self { lines, shared, hasher: RandomState::new() }
    }

    fn admits<S: Subscriber + for<'a> LookupSpan<'a>>(&self, event: &Event<'_>, context: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return true;
        }
        let mut named = Named::default();
        event.record(&mut named);
        let source = named.0.or_else(|| {
            let mut spans = context.event_scope(event)?;
            spans.find_map(|span| span.extensions().get::<Source>().map(|source| source.0.clone()))
        });
        let now = Instant::now();
        let mut kind = (metadata.callsite(), source.as_ref().map_or(0, |source| self.hasher.hash_one(source)));
        let mut repeats = self.shared.lock();
        if repeats.is_full_for(&kind, now) {
            // There are only so many places in the code.
            kind.1 = 0;
        }
        let what = || {
            let mut said = Said::default();
            event.record(&mut said);
            What { level: *metadata.level(), target: metadata.target(), event: said.0, source }
        };
        let admitted = repeats.admit(kind, now, what);
        drop(repeats);
        if !admitted {
            self.shared.held.notify_one();
        }
        admitted
    }
}

impl<S, L> Layer<S> for Throttle<L>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    L: Layer<S>,
{
    fn on_layer(&mut self, subscriber: &mut S) {
        self.lines.on_layer(subscriber);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut named = Named::default();
        attributes.record(&mut named);
        remember(named, id, &context);
        self.lines.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut named = Named::default();
        values.record(&mut named);
        remember(named, id, &context);
        self.lines.on_record(id, values, context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.admits(event, &context) {
            self.lines.on_event(event, context);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.lines.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.lines.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.lines.on_close(id, context);
    }
}

fn remember<S: Subscriber + for<'a> LookupSpan<'a>>(named: Named, id: &Id, context: &Context<'_, S>) {
    if let (Some(source), Some(span)) = (named.0, context.span(id)) {
        span.extensions_mut().replace(Source(source));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Repeats<Kind, What>> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        loop {
            let mut repeats = self.lock();
            let due = loop {
                let now = Instant::now();
                repeats = match repeats.due_at() {
                    Some(at) if at <= now => break repeats.due(now),
                    Some(at) => {
                        let waited = self.held.wait_timeout(repeats, at - now);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                    None => self.held.wait(repeats).unwrap_or_else(PoisonError::into_inner),
                };
            };
            drop(repeats);
            for (What { level, target, event, source }, times) in due {
                let source = source.as_deref();
                if level == Level::INFO {
                    info!(event, by = target, source, times, "held back");
                } else {
                    warn!(event, by = target, source, times, "held back");
                }
            }
        }
    }
}

/// The source that an event or a span names.
#[derive(Default)]
struct Named(Option<Arc<str>>);

impl Visit for Named {
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "source" {
            self.0 = Some(value.into());
        }
    }
}

/// What an event says.
#[derive(Default)]
struct Said(String);

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
            self.0.truncate(self.0.floor_char_boundary(LONGEST));
        }
    }
}
