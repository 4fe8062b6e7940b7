//! Why a viewer does not get what it asked for: a code for programs and a text for people.
//!
//! Texts say what to do, and never repeat a URL: the viewer's may hold a login, and ours are nobody's business.

use std::time::Duration;

/// The `code` of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Code {
    /// The source is not on the allowlist.
    NotAllowed,
    /// The request is malformed.
    BadRequest,
    /// No valid token.
    Unauthorized,
    /// No transcoder has room.
    NoCapacity,
    /// The camera does not answer.
    SourceUnreachable,
    /// The camera refuses the login.
    SourceUnauthorized,
    /// Nothing in it that a browser could play.
    UnsupportedCodec,
    /// The worker is shutting down.
    Draining,
    /// A defect on our side.
    Internal,
}

impl Code {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::NotAllowed,
        Self::BadRequest,
        Self::Unauthorized,
        Self::NoCapacity,
        Self::SourceUnreachable,
        Self::SourceUnauthorized,
        Self::UnsupportedCodec,
        Self::Draining,
        Self::Internal,
    ];

    /// As viewers and metrics spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::NoCapacity => "no_capacity",
            Self::SourceUnreachable => "source_unreachable",
            Self::SourceUnauthorized => "source_unauthorized",
            Self::UnsupportedCodec => "unsupported_codec",
            Self::Draining => "draining",
            Self::Internal => "internal",
        }
    }
}

/// Why a viewer does not get what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Refusal {
    /// For programs.
    pub(crate) code: Code,
    /// For people.
    pub(crate) text: String,
    /// When trying again may help.
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal that trying again does not change.
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), retry_after: None }
    }

    /// A malformed request.
    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, text)
    }

    /// No room; comes with the time after which to try again.
    pub(crate) fn no_capacity(text: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Code::NoCapacity, text) }
    }
}
