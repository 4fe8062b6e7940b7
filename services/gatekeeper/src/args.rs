//! Command line and environment, parsed into types; every default of the gatekeeper is here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Parser};
use url::Url;

use crate::reply_topic::Shape;

/// Answers viewers, checks the allowlist, and places streams on transcoders.
#[derive(Debug, Parser)]
#[group(skip)]
#[command(name = "gatekeeper", version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) log: runtime::log::Args,
    #[command(flatten)]
    pub(crate) trace: runtime::trace::Args,
    #[command(flatten)]
    pub(crate) broker: runtime::broker::Args,
    #[command(flatten)]
    pub(crate) viewers: Viewers,
    #[command(flatten)]
    pub(crate) workers: Workers,
    #[command(flatten)]
    pub(crate) kubernetes: Kubernetes,
    #[command(flatten)]
    pub(crate) site: Site,
    /// YAML file with the allowlist of sources; reloaded when it changes.
    #[arg(long, env = "MQTT_VIDEO_SOURCES", required_unless_present = "video_sources")]
    pub(crate) sources: Option<PathBuf>,
}

/// What viewers may do.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Viewers")]
pub(crate) struct Viewers {
    /// First levels of all topics.
    #[arg(long, env = "MQTT_VIDEO_TOPIC_PREFIX", default_value = "video", value_parser = parse_prefix)]
    pub(crate) topic_prefix: String,
    /// Form of the topics that viewers may be answered on; may be repeated. `<digits>` stands for digits, `<prefix>` for
    /// the topic prefix, `…` or `...` at the end for anything.
    #[arg(
        long = "reply-topic",
        env = "MQTT_VIDEO_REPLY_TOPIC",
        value_name = "FORM",
        value_delimiter = ',',
        default_values = ["video_<digits>", "client/describe/response…", "<prefix>/reply/…"],
        action = ArgAction::Append
    )]
    pub(crate) reply_topics: Vec<Shape>,
    /// File with one token a line; if given, every request needs one of them as `token`. Reloaded when it changes.
    #[arg(long, env = "MQTT_VIDEO_VIEWER_TOKEN_FILE")]
    pub(crate) viewer_token_file: Option<PathBuf>,
    /// How long a describe may wait for the camera.
    #[arg(long, env = "MQTT_VIDEO_DESCRIBE_TIMEOUT", default_value = "15s", value_parser = parse_duration)]
    pub(crate) describe_timeout: Duration,
}

/// Who runs the streams.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Workers")]
pub(crate) struct Workers {
    /// URL of a transcoder, `http://host:50051` or, with --worker-ca, `https://host:50051`; may be repeated.
    #[arg(
        long = "transcoder",
        env = "MQTT_VIDEO_TRANSCODER",
        value_name = "URL",
        value_delimiter = ',',
        value_parser = parse_worker,
        action = ArgAction::Append,
        required_unless_present = "discover_service"
    )]
    pub(crate) transcoders: Vec<String>,
    /// Headless Service in Kubernetes; the pods behind it are the transcoders, reached at its port `grpc`, or its only
    /// one. With --worker-ca, their certificates must be for `NAME.NAMESPACE.svc`.
    #[arg(long, env = "MQTT_VIDEO_DISCOVER_SERVICE", value_name = "NAME", conflicts_with = "transcoders")]
    pub(crate) discover_service: Option<String>,
    /// PEM file with the authority that signs the workers' certificates.
    #[arg(long, env = "MQTT_VIDEO_WORKER_CA")]
    pub(crate) worker_ca: Option<PathBuf>,
    /// PEM file with the certificate that we show to workers.
    #[arg(long, env = "MQTT_VIDEO_WORKER_CERT", requires = "worker_ca", requires = "worker_key")]
    pub(crate) worker_cert: Option<PathBuf>,
    /// PEM file with the key of that certificate.
    #[arg(long, env = "MQTT_VIDEO_WORKER_KEY", requires = "worker_cert")]
    pub(crate) worker_key: Option<PathBuf>,
}

/// What is asked of the Kubernetes API; without these flags, nothing.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kubernetes")]
pub(crate) struct Kubernetes {
    /// Namespace of all that is asked for; default: the one of the pod's service account.
    #[arg(long, env = "MQTT_VIDEO_NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Allow the sources that the `VideoSource` objects of the namespace describe, beside those of --sources; an entry of
    /// the file wins over an object of the same name.
    #[arg(long, env = "MQTT_VIDEO_VIDEO_SOURCES")]
    pub(crate) video_sources: bool,
    /// Lease by which several gatekeepers agree who leads: who moves streams, and writes to the Kubernetes API. Without
    /// it this gatekeeper is the only one, and leads.
    #[arg(long, env = "MQTT_VIDEO_LEASE", value_name = "NAME")]
    pub(crate) lease: Option<String>,
    /// Our name in the lease; default: the host name, which is the pod's name.
    #[arg(long, env = "MQTT_VIDEO_IDENTITY", value_name = "NAME", requires = "lease")]
    pub(crate) identity: Option<String>,
}

/// The page.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Page")]
pub(crate) struct Site {
    /// Address to serve the player, /config.json, /live, /ready and /metrics on.
    #[arg(long, env = "MQTT_VIDEO_HTTP", default_value = "0.0.0.0:8080")]
    pub(crate) http: SocketAddr,
    /// WebSocket URL of the broker as browsers dial it, `ws://host:9001`; default: the page's own host, port 9001.
    #[arg(long, env = "MQTT_VIDEO_BROKER_WEBSOCKET", value_parser = parse_websocket)]
    pub(crate) broker_websocket: Option<Url>,
    /// Directory of the built player; default: where a build of the repository leaves it, else
    /// /usr/share/mqtt-video/player.
    #[arg(long, env = "MQTT_VIDEO_PLAYER_DIR")]
    player_dir: Option<PathBuf>,
}

impl Site {
    /// Where the player is.
    pub(crate) fn player(&self) -> PathBuf {
        if let Some(dir) = &self.player_dir {
            return dir.clone();
        }
        let program = std::env::current_exe().unwrap_or_default();
        // <repository>/target/<profile>/gatekeeper
        let built = program.ancestors().nth(3).map(|repository| repository.join("services/player/dist"));
        built.filter(|dir| dir.is_dir()).unwrap_or_else(|| Path::new("/usr/share/mqtt-video/player").to_owned())
    }
}

fn parse_prefix(text: &str) -> Result<String, String> {
    let level =
        |level: &str| !level.is_empty() && level.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if !text.split('/').all(level) || text.len() > 100 {
        return Err("must be levels of letters, digits, `.`, `_` and `-`, such as `video` or `site/video`".to_owned());
    }
    if text == "client" {
        return Err("`client` is the prefix of the other dialect".to_owned());
    }
    Ok(text.to_owned())
}

fn parse_worker(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; expected http://host:50051"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || url.port_or_known_default().is_none() {
        return Err("expected http://host:50051 or https://host:50051".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn parse_websocket(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; expected ws://host:9001"))?;
    if !matches!(url.scheme(), "ws" | "wss") {
        return Err("expected ws://host:9001 or wss://host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("every page gets this URL; it must not hold a login".to_owned());
    }
    Ok(url)
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.parse::<f64>().map_err(|_| "expected a time such as 15s or 500ms".to_owned())? * unit;
    if (0.1..=300.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("expected 100ms to 300s".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(args: &[&str]) -> Result<Args, String> {
        let worker = if args.iter().any(|arg| arg.starts_with("--transcoder") || arg.starts_with("--discover")) {
            &[][..]
        } else {
            &["--transcoder", "http://t:1"][..]
        };
        let args = ["gatekeeper", "--sources", "s.yaml"].iter().chain(worker).chain(args);
        Args::try_parse_from(args).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_that_everyone_relies_on() {
        let args = parse(&[]).expect("defaults");
        assert_eq!(args.site.http.to_string(), "0.0.0.0:8080");
        assert_eq!(args.viewers.topic_prefix, "video");
        let forms: Vec<String> = args.viewers.reply_topics.iter().map(ToString::to_string).collect();
        assert_eq!(forms, ["video_<digits>", "client/describe/response…", "<prefix>/reply/…"]);
        assert_eq!(args.viewers.describe_timeout, Duration::from_secs(15));
    }

    #[test]
    fn bad_configuration_is_told_before_anything_starts() {
        for (args, hint) in [
            (vec!["--topic-prefix", "a/#"], "levels"),
            (vec!["--topic-prefix", "client"], "other dialect"),
            (vec!["--reply-topic", "#"], "<digits>"),
            (vec!["--transcoder", "127.0.0.1:50051"], "http://"),
            (vec!["--broker-websocket", "http://x"], "ws://"),
            (vec!["--broker-websocket", "ws://u:p@x"], "login"),
            (vec!["--describe-timeout", "soon"], "15s"),
            (vec!["--worker-cert", "c.pem"], "--worker-"),
            (vec!["--http", "8080"], "invalid socket address"),
        ] {
            let error = parse(&args).expect_err(hint);
            assert!(error.contains(hint), "{args:?}: {error}");
        }
    }

    #[test]
    fn workers_are_listed_or_discovered_and_not_both() {
        let args = parse(&["--discover-service", "transcoder"]).expect("a service");
        assert_eq!((args.workers.discover_service.as_deref(), args.workers.transcoders.len()), (Some("transcoder"), 0));
        let both = parse(&["--discover-service", "transcoder", "--transcoder", "http://a:1"]);
        assert!(both.expect_err("both").contains("cannot be used with"));
        let none = Args::try_parse_from(["gatekeeper", "--sources", "s.yaml"]).expect_err("none").to_string();
        assert!(none.contains("--transcoder"), "{none}");
    }

    #[test]
    fn transcoders_may_be_repeated_or_listed() {
        let args = parse(&["--transcoder", "http://a:1,http://b:2", "--transcoder", "http://c:3/"]).expect("three");
        assert_eq!(args.workers.transcoders, ["http://a:1", "http://b:2", "http://c:3"]);
    }
}
