//! What is logged, and how that is changed while the process runs.
//!
//! It is one filter for the whole process, as the subscriber is one; hence the only global here.

use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::info;
use tracing_subscriber::EnvFilter;

/// What libraries say too much of. Some log each failure which they also return, and whoever gets it tells it once; others
/// tell of each frame and packet. A filter that names one of them goes before this.
const QUIET: &str = "h2=warn,hyper=warn,hyper_util=warn,kube_client=off,opentelemetry=off,opentelemetry_sdk=off,\
                     opentelemetry-otlp=off,rumqttc=info,rustls=info,tonic=warn,tower=warn,tower_http=warn";
/// Longest filter text, in bytes.
const LONGEST: usize = 1024;

static LEVEL: OnceLock<Level> = OnceLock::new();

/// The filter in effect.
pub(crate) struct Level {
    text: Mutex<String>,
    apply: Box<dyn Fn(EnvFilter) -> bool + Send + Sync>,
}

/// Why a filter was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LevelError {
    /// It is no filter.
    #[error("{0}")]
    Invalid(String),
    /// There is no subscriber of ours.
    #[error("the log of this process cannot be changed")]
    NotOurs,
}

impl Level {
    /// As it was last set.
    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another filter into effect.
    pub(crate) fn set(&self, text: &str) -> Result<(), LevelError> {
        let text = parse(text.trim()).map_err(LevelError::Invalid)?;
        if !(self.apply)(filter(&text)) {
            return Err(LevelError::NotOurs);
        }
        let old = std::mem::replace(&mut *self.text.lock().unwrap_or_else(PoisonError::into_inner), text.clone());
        // By a target that no filter but `off` silences, as it explains why other lines begin or end.
        info!(old, new = text, "log level changed");
        Ok(())
    }
}

/// The filter of this process, once there is one.
pub(crate) fn current() -> Result<&'static Level, LevelError> {
    LEVEL.get().ok_or(LevelError::NotOurs)
}

pub(super) fn install(text: String, apply: impl Fn(EnvFilter) -> bool + Send + Sync + 'static) {
    LEVEL.set(Level { text: Mutex::new(text), apply: Box::new(apply) }).ok();
}

/// Checks a filter.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let hint = "write a level (error, warn, info, debug, trace, off), or levels of modules as in \
                `info,transcoder=debug,transcoder::ffmpeg=trace`";
    if text.is_empty() || text.len() > LONGEST {
        return Err(format!("a filter has 1 to {LONGEST} characters; {hint}"));
    }
    // A word that is no level would be taken for the name of a module, and everything about it logged.
    let unknown = text
        .split(',')
        .map(str::trim)
        .find(|part| !part.contains(['=', '[']) && part.parse::<tracing::level_filters::LevelFilter>().is_err());
    if let Some(unknown) = unknown {
        return Err(format!("`{}` is no level; {hint}", unknown.escape_debug()));
    }
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| format!("{error}; {hint}"))
}

/// The filter of a text that was checked.
pub(super) fn filter(text: &str) -> EnvFilter {
    EnvFilter::new(format!("{QUIET},{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_levels_of_modules() {
        for good in ["info", "WARN", "off", "info,transcoder=debug", "debug,h2=trace", "info,[request]=trace"] {
            assert_eq!(parse(good), Ok(good.to_owned()));
        }
        for (bad, hint) in [
            ("", "1 to 1024"),
            ("verbose", "`verbose` is no level"),
            ("info,\nx", "`x` is no level"),
            ("info,transcoder=loud", "write a level"),
            ("transcoder=[", "write a level"),
            (&"x".repeat(2000), "1 to 1024"),
        ] {
            let error = parse(bad).expect_err(bad);
            assert!(error.contains(hint), "{bad}: {error}");
        }
    }

    #[test]
    fn what_is_quiet_by_default_can_be_asked_for() {
        let directives = |text: &str| {
            let filter = filter(text).to_string();
            filter.split(',').map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(directives("debug").contains(&"h2=warn".to_owned()));
        let asked = directives("debug,h2=trace");
        assert!(asked.contains(&"h2=trace".to_owned()) && !asked.contains(&"h2=warn".to_owned()), "{asked:?}");
    }
}
