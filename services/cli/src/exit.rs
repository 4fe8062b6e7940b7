//! Why a command failed, and the status that scripts tell it by.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use crate::output;

/// What `--help` and the manual say of the status; the numbers are those of [`Failure::status`].
pub(crate) const HELP: &str = "\
Exit status:
  0  it worked
  1  a defect of ours, or a file that cannot be written
  2  the arguments are wrong
  3  the broker (for top: the gatekeeper) cannot be reached or refuses the login
  4  the service refused; its code is on standard error
  5  no media in time";

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// Neither the arguments' fault nor that of what we talk to.
    #[error("{0}")]
    Internal(String),
    /// No connection to the broker, or not any more.
    #[error("broker {address}: {why}")]
    Broker {
        /// Host and port.
        address: String,
        /// For people.
        why: String,
    },
    /// No answer from the gatekeeper's HTTP server.
    #[error("gatekeeper {url}: {why}")]
    Gatekeeper {
        /// What was asked for.
        url: String,
        /// For people.
        why: String,
    },
    /// The service said no, by one of the codes of proto/MQTT.md.
    #[error("refused, {code}: {text}{}", again(*.retry_after_s))]
    Refused {
        /// For programs.
        code: String,
        /// For people.
        text: String,
        /// When asking again may help.
        retry_after_s: Option<u64>,
    },
    /// The service did not answer, or nothing came that could be played.
    #[error("{what} within {} s", .after.as_secs_f64())]
    TooLate {
        /// What did not come.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
}

fn again(retry_after_s: Option<u64>) -> String {
    retry_after_s.map(|seconds| format!(" (again after {seconds} s)")).unwrap_or_default()
}

impl Failure {
    /// Status of the process.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Internal(_) => 1,
            Self::Broker { .. } | Self::Gatekeeper { .. } => 3,
            Self::Refused { .. } => 4,
            Self::TooLate { .. } => 5,
        }
    }

    /// For programs: a code of the protocol, or one of ours.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Internal(_) => "internal_cli",
            Self::Broker { .. } => "broker_unreachable",
            Self::Gatekeeper { .. } => "gatekeeper_unreachable",
            Self::Refused { code, .. } => code,
            Self::TooLate { .. } => "no_media",
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

/// How a command ended that failed.
#[derive(Debug)]
pub(crate) struct Ended {
    failure: Failure,
    /// An object on standard output says so already.
    told: bool,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self { failure, told: false }
    }
}

impl From<std::io::Error> for Ended {
    fn from(error: std::io::Error) -> Self {
        Failure::from(error).into()
    }
}

impl Ended {
    /// With a failure that is part of the object which was printed.
    pub(crate) fn told(failure: Failure) -> Self {
        Self { failure, told: true }
    }
}

/// Why, as JSON.
pub(crate) fn object(failure: &Failure) -> Value {
    json!({"code": failure.code(), "text": failure.to_string()})
}

/// Tells people why, and scripts which; those that asked for an object get one.
pub(crate) fn code_of(result: Result<(), Ended>, json: bool) -> ExitCode {
    let Err(Ended { failure, told }) = result else { return ExitCode::SUCCESS };
    output::tell(&format!("mqtt-video-cli: {failure}"));
    if json && !told {
        // The status says more than that standard output is closed.
        let _ = output::print_json(&json!({"error": object(&failure)}));
    }
    ExitCode::from(failure.status())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_in_the_manual() {
        let refused = |retry_after_s| Failure::Refused {
            code: "no_capacity".to_owned(),
            text: "no worker has room".to_owned(),
            retry_after_s,
        };
        let broker = Failure::Broker { address: "b:1883".to_owned(), why: "connection refused".to_owned() };
        let late = Failure::TooLate { what: "no keyframe", after: Duration::from_secs(15) };
        for failure in [Failure::Internal("disk full".to_owned()), broker, refused(None), late.clone()] {
            assert!(HELP.contains(&format!("\n  {}  ", failure.status())), "{failure}");
        }
        assert_eq!(refused(Some(3)).to_string(), "refused, no_capacity: no worker has room (again after 3 s)");
        assert_eq!(late.to_string(), "no keyframe within 15 s");
    }
}
