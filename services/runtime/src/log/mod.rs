//! Log set-up: text for people, JSON for collectors, always on standard error, one line an event.
//!
//! Spans lend their fields to the lines of what happens inside them, at any level, so that `warn` alone still says which
//! source and whose session it is about. Lines that repeat themselves are held back and counted, see [`repeats`]; what is
//! logged at all can be changed while the process runs, see [`level`].

mod json;
pub(crate) mod level;
mod one_line;
mod repeats;
mod throttle;

use std::io::{IsTerminal, stderr};

use clap::{Args as ClapArgs, ValueEnum};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

use crate::trace::Traces;
use one_line::OneLine;
use throttle::Throttle;

/// How to log.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Log")]
#[group(skip)]
pub struct Args {
    /// Form of the log lines.
    #[arg(long = "log", env = "MQTT_VIDEO_LOG", value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Least severe level to log, or a filter such as `info,transcoder=debug`. /log-level changes it at run time.
    #[arg(long = "log-level", env = "MQTT_VIDEO_LOG_LEVEL", default_value = "info", value_parser = level::parse)]
    pub filter: String,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Installs the subscriber, which also feeds `traces`. Does nothing if one is installed already.
pub fn init(args: &Args, traces: &Traces) {
    let (chosen, handle) = reload::Layer::new(level::filter(&args.filter));
    let spans = filter_fn(|metadata| metadata.is_span() && *metadata.level() <= Level::INFO)
        .with_max_level_hint(LevelFilter::INFO);
    let lines = match args.format {
        Format::Text => {
            let coloured = stderr().is_terminal();
            fmt::layer().with_writer(move || OneLine { to: stderr(), coloured }).with_ansi(coloured).boxed()
        }
        Format::Json => fmt::layer().with_writer(stderr).fmt_fields(JsonFields::new()).event_format(json::Json).boxed(),
    };
    let lines = Throttle::before(lines).with_filter(chosen.or(spans));
    match tracing_subscriber::registry().with(traces.layer()).with(lines).try_init() {
        Ok(()) => level::install(args.filter.clone(), move |filter| handle.reload(filter).is_ok()),
        Err(error) => tracing::debug!(%error, "a log subscriber is installed already"),
    }
}
