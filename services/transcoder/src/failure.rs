//! Why something was refused or ended, in the words of the contract.
//!
//! The codes are a closed set that viewers, the gatekeeper and dashboards share; the text is for people and never holds
//! a URL or a login.

use std::time::Duration;

/// The `code` that a viewer reads. What only the gatekeeper can say is not here, save where it is passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Code {
    /// The source is not, or no longer, on the allowlist.
    NotAllowed,
    /// The request is malformed.
    BadRequest,
    /// The viewer has no valid token.
    Unauthorized,
    /// All slots, or all seats of a source, are taken.
    NoCapacity,
    /// The source does not answer, or does not have the path.
    SourceUnreachable,
    /// The source refuses the login.
    SourceUnauthorized,
    /// The source has nothing that a browser can play, even transcoded.
    UnsupportedCodec,
    /// The worker is shutting down.
    Draining,
    /// A defect on our side.
    Internal,
}

impl Code {
    /// As viewers read it.
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

    /// What a viewer is told when there is nothing more particular to say.
    fn text(self) -> &'static str {
        match self {
            Self::NotAllowed => "this source is not allowed any more",
            Self::BadRequest => "the request is malformed",
            Self::Unauthorized => "the token is not valid",
            Self::NoCapacity => "all slots are taken",
            Self::SourceUnreachable => "the source does not answer",
            Self::SourceUnauthorized => "the source refuses the login",
            Self::UnsupportedCodec => "the source has nothing that a browser can play",
            Self::Draining => "this worker is shutting down",
            Self::Internal => "something went wrong on our side",
        }
    }
}

/// A refusal or the end of something, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Failure {
    /// For programs.
    pub(crate) code: Code,
    /// For people.
    pub(crate) text: String,
    /// When trying again may help.
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    /// A failure in particular words.
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), retry_after: None }
    }

    /// The same, with a time after which trying again may help.
    #[must_use]
    pub(crate) fn retry_after(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self::new(code, code.text())
    }
}
