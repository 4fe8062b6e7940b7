//! Command line and environment, parsed into types; every default of the program is here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use url::Url;

use crate::exit::{self, Ended, Failure};
use crate::{describe, load, manual, play, top};

/// Looks at, records and loads a running mqtt-video.
///
/// It is a viewer like any other and speaks the protocol of proto/MQTT.md by MQTT 5 over TCP. What is meant for people goes
/// to standard error; standard output is for media, or for one JSON object with --json.
#[derive(Debug, Parser)]
#[command(name = "mqtt-video-cli", version, after_help = exit::HELP)]
pub(crate) struct Cli {
    /// Log what the connection does, on standard error.
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Describe(Describe),
    Play(Play),
    Load(Load),
    Top(Top),
    Completions(Completions),
    Man(Man),
}

/// Say what is in a stream, which starts it if it does not run.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Describe {
    #[command(flatten)]
    pub(crate) service: Service,
    #[command(flatten)]
    pub(crate) stream: Stream,
    /// Name of the source, or its URL exactly as the operator wrote it.
    pub(crate) source: String,
    /// Print the service's answer on standard output, as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Play a stream: to a file, to standard output, or for its figures alone.
///
/// Ctrl-C ends it as --duration does: the file is complete, and the figures are told. Latency is from the worker's clock, when
/// the picture came in from the camera, to this machine's: it is true only as far as both clocks agree.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Play {
    #[command(flatten)]
    pub(crate) service: Service,
    #[command(flatten)]
    pub(crate) stream: Stream,
    #[command(flatten)]
    pub(crate) delivery: DeliveryArgs,
    /// Name of the source, or its URL exactly as the operator wrote it.
    pub(crate) source: String,
    /// Fragmented MP4 file to write, or `-` for standard output, as in `… --out - | ffplay -`; default: none, for figures alone.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// How long to play, from the first keyframe on; default: until Ctrl-C.
    #[arg(long, short, value_parser = runtime::duration::parse)]
    pub(crate) duration: Option<Duration>,
    /// Print the figures on standard output, as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Watch with many viewers at once, and say how they fared.
///
/// Each viewer describes, plays and throws away what it gets; the sources are shared out in turn. All begin within the ramp and
/// watch until it and the duration are over.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Load {
    #[command(flatten)]
    pub(crate) service: Service,
    #[command(flatten)]
    pub(crate) stream: Stream,
    #[command(flatten)]
    pub(crate) delivery: DeliveryArgs,
    /// Names of the sources, or their URLs.
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// Viewers, each with a reply topic of its own.
    #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) viewers: u32,
    /// Connections that they share; default: one each, as browsers have. A connection gets a live topic once for all its
    /// viewers.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: Option<u32>,
    /// Time over which the viewers begin, evenly spread.
    #[arg(long, default_value = "10s", value_parser = runtime::duration::parse)]
    pub(crate) ramp: Duration,
    /// How long to watch after that.
    #[arg(long, short, default_value = "60s", value_parser = runtime::duration::parse)]
    pub(crate) duration: Duration,
    /// Print the figures on standard output, as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show workers and streams as the gatekeeper sees them, each second anew; q or Ctrl-C ends it.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Top {
    /// URL of a gatekeeper's HTTP server.
    #[arg(long, env = "MQTT_VIDEO_GATEKEEPER", default_value = "http://127.0.0.1:8080", value_parser = http_url)]
    pub(crate) gatekeeper: Url,
    /// Print one table and end; without a terminal that is the default.
    #[arg(long)]
    pub(crate) once: bool,
    /// Print what the gatekeeper says on standard output, as one JSON object, and end.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Print the manual pages in roff, as `man -l -` reads them.
#[derive(Debug, clap::Args)]
struct Man {
    /// Only the page of this command.
    command: Option<String>,
}

/// How to reach the service.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Service {
    #[command(flatten)]
    pub(crate) broker: runtime::broker::Args,
    /// First levels of the service's topics.
    #[arg(long, env = "MQTT_VIDEO_TOPIC_PREFIX", default_value = "video", help_heading = "Service")]
    pub(crate) topic_prefix: String,
    /// File whose first line is the token that requests need, if the operator demands one.
    #[arg(long, env = "MQTT_VIDEO_TOKEN_FILE", help_heading = "Service")]
    pub(crate) token_file: Option<PathBuf>,
    /// How long to wait for an answer, and after it for the first keyframe.
    #[arg(long, env = "MQTT_VIDEO_TIMEOUT", default_value = "20s", value_parser = runtime::duration::parse, help_heading = "Service")]
    pub(crate) timeout: Duration,
}

impl Service {
    /// The token, if there is a file of it.
    pub(crate) fn token(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::Internal(format!("cannot read {}: {error}", path.display())))?;
        Ok(text.lines().next().map(|line| line.trim().to_owned()))
    }
}

/// Which of a source's streams.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Stream {
    /// How the source is delivered: `source` for as it is, or the name of a transcode; default: the operator's choice.
    #[arg(long)]
    pub(crate) profile: Option<String>,
}

/// How media is to come.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(skip)]
pub(crate) struct DeliveryArgs {
    /// On the topic that all viewers share, frame by frame, or on the viewer's own, a whole GOP at a time.
    #[arg(long, value_enum, default_value_t = Delivery::Live)]
    pub(crate) delivery: Delivery,
    /// Ask for no audio; `reply` delivery brings it all the same.
    #[arg(long)]
    pub(crate) video_only: bool,
}

/// How media comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Delivery {
    /// A catch-up on the reply topic, then the live topics.
    Live,
    /// Whole GOPs with both tracks, all on the reply topic.
    Reply,
}

impl Delivery {
    /// As the protocol writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Reply => "reply",
        }
    }
}

impl Cli {
    /// Whether an object on standard output is asked for.
    pub(crate) fn json(&self) -> bool {
        match &self.command {
            Command::Describe(Describe { json, .. })
            | Command::Play(Play { json, .. })
            | Command::Load(Load { json, .. })
            | Command::Top(Top { json, .. }) => *json,
            Command::Completions(_) | Command::Man(_) => false,
        }
    }
}

/// Runs what was asked for.
pub(crate) fn run(cli: Cli) -> Result<(), Ended> {
    if cli.verbose {
        let filter = "info,runtime=debug,mqtt_video_cli=debug".to_owned();
        let args = runtime::log::Args { format: runtime::log::Format::Text, filter };
        runtime::log::init(&args, &runtime::trace::Traces::default());
    }
    match cli.command {
        Command::Completions(arguments) => return Ok(manual::completions(arguments.shell)?),
        Command::Man(arguments) => return Ok(manual::pages(arguments.command.as_deref())?),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        match cli.command {
            Command::Describe(arguments) => Ok(describe::run(arguments).await?),
            Command::Play(arguments) => play::run(arguments).await,
            Command::Load(arguments) => load::run(arguments).await,
            Command::Top(arguments) => Ok(top::run(arguments).await?),
            Command::Completions(_) | Command::Man(_) => Ok(()),
        }
    });
    // A write to a pipe that nobody reads may still hang in its thread.
    runtime.shutdown_background();
    result
}

fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; expected http://host:8080"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("scheme `{}` is not known; use http:// or https://", url.scheme()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn every_command_documents_its_exit_status() {
        use clap::CommandFactory as _;
        for command in ["describe", "play", "load", "top"] {
            let mut cli = Cli::command();
            let help = cli.find_subcommand_mut(command).expect(command).render_help().to_string();
            assert!(help.contains(exit::HELP), "{command}");
        }
    }
}
