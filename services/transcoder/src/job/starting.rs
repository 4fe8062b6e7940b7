//! The start of a job as spans of the trace that asked for it: `start`, and within it `ffmpeg start` and `first keyframe`.
//!
//! The job outlives that trace by far, so its own span is none of it. Over when the first keyframe is out, or the job ends.

use runtime::trace::{self, Remote};
use tracing::{Span, info_span};

use crate::failure::Code;

/// A start that may be over.
#[derive(Debug)]
pub(super) struct Starting(Option<Spans>);

#[derive(Debug)]
struct Spans {
    whole: Span,
    step: Span,
}

impl Starting {
    /// ffmpeg is about to be started.
    pub(super) fn new(cause: Option<&Remote>) -> Self {
        let whole = info_span!(target: trace::TARGET, "start");
        trace::continues(&whole, cause);
        let step = info_span!(target: trace::TARGET, parent: &whole, "ffmpeg start");
        Self(Some(Spans { whole, step }))
    }

    /// A run of ffmpeg began; perhaps not the first.
    pub(super) fn ffmpeg_began(&mut self) {
        if let Some(spans) = &mut self.0 {
            spans.step = info_span!(target: trace::TARGET, parent: &spans.whole, "first keyframe");
        }
    }

    /// A run came to nothing; another may follow.
    pub(super) fn failed(&mut self, code: Code) {
        if let Some(spans) = &mut self.0 {
            trace::failed(&spans.step, code.as_str());
            spans.step = Span::none();
        }
    }

    /// A keyframe is out.
    pub(super) fn done(&mut self) {
        self.0 = None;
    }
}
