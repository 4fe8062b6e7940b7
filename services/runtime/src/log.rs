//! Log set-up: text for people, JSON for collectors, always on standard error.

use clap::{Args as ClapArgs, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How to log.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Log")]
#[group(skip)]
pub struct Args {
    /// Form of the log lines.
    #[arg(long = "log", env = "MQTT_VIDEO_LOG", value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Least severe level to log, or a filter such as `info,transcoder=debug`.
    #[arg(long = "log-level", env = "MQTT_VIDEO_LOG_LEVEL", default_value = "info", value_parser = parse_filter)]
    pub filter: String,
}

/// Crates that log each failure which they also return; whoever gets it tells it once.
const QUIET: &str = "kube_client=off";

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

fn parse_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| format!("{error}; try `info` or `debug`"))
}

/// Installs the subscriber. Does nothing if one is installed already.
pub fn init(args: &Args) {
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::new(format!("{QUIET},{}", args.filter)))
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let installed = match args.format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = installed {
        tracing::debug!(%error, "a log subscriber is installed already");
    }
}
