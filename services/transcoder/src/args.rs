//! Everything that can be configured, each with its one default.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Runs one ffmpeg for each stream and publishes fragmented MP4 to the broker.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
#[group(skip)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) log: runtime::log::Args,
    #[command(flatten)]
    pub(crate) trace: runtime::trace::Args,
    #[command(flatten)]
    pub(crate) broker: runtime::broker::Args,
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    #[command(flatten)]
    pub(crate) streams: StreamArgs,
    #[command(flatten)]
    pub(crate) delivery: DeliveryArgs,
}

/// Where the gatekeeper finds the worker.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Service")]
pub(crate) struct ServiceArgs {
    /// Address of the gRPC service; port 0 takes any that is free.
    #[arg(long, env = "MQTT_VIDEO_GRPC", default_value = "0.0.0.0:50051")]
    pub(crate) grpc: SocketAddr,
    /// Address of /live, /ready and /metrics; port 0 takes any that is free.
    #[arg(long, env = "MQTT_VIDEO_HTTP", default_value = "0.0.0.0:9100")]
    pub(crate) http: SocketAddr,
    /// Whether metrics of single streams, under the names of their sources, are among those on /metrics.
    #[arg(long, env = "MQTT_VIDEO_METRICS_SOURCES", default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) metrics_sources: bool,
    /// Name of this worker, unique in the pool; default: the host's name, which on Kubernetes is the pod's.
    #[arg(long, env = "MQTT_VIDEO_NAME")]
    pub(crate) name: Option<String>,
    /// PEM file with the certificate that the gRPC service shows; default: no TLS.
    #[arg(long, env = "MQTT_VIDEO_TLS_CERT", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the key of that certificate.
    #[arg(long, env = "MQTT_VIDEO_TLS_KEY", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// PEM file with the authorities that sign the gatekeepers' certificates; whoever has none is refused.
    #[arg(long, env = "MQTT_VIDEO_TLS_CLIENT_CA", requires = "tls_cert")]
    pub(crate) tls_client_ca: Option<PathBuf>,
}

/// How streams are run.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Streams")]
pub(crate) struct StreamArgs {
    /// Streams that run at once at most.
    #[arg(long, env = "MQTT_VIDEO_MAX_STREAMS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_streams: u16,
    /// Who reads cameras of which nothing has to be transcoded. `direct` is ours: it is a frame faster, starts sooner and costs no
    /// process, and leaves to ffmpeg what it cannot read.
    #[arg(long, env = "MQTT_VIDEO_READER", value_enum, default_value_t = ReaderArg::Ffmpeg)]
    pub(crate) reader: ReaderArg,
    /// The ffmpeg program: a path, or a name that is looked for in PATH.
    #[arg(long, env = "MQTT_VIDEO_FFMPEG", default_value = "ffmpeg")]
    pub(crate) ffmpeg: PathBuf,
    /// How long a stream stays warm that nobody watches.
    #[arg(long, env = "MQTT_VIDEO_LINGER", default_value = "10s", value_parser = runtime::duration::parse)]
    pub(crate) linger: Duration,
    /// How long a source may be silent on the network before the attempt counts as failed.
    #[arg(long, env = "MQTT_VIDEO_SOURCE_TIMEOUT", default_value = "5s", value_parser = runtime::duration::parse)]
    pub(crate) source_timeout: Duration,
    /// How long a stream may give no picture before ffmpeg is restarted.
    #[arg(long, env = "MQTT_VIDEO_STALL_TIMEOUT", default_value = "10s", value_parser = runtime::duration::parse)]
    pub(crate) stall_timeout: Duration,
    /// How long a worker that is asked to end goes on serving streams that still have viewers, so that they can be moved.
    #[arg(long, env = "MQTT_VIDEO_DRAIN_TIMEOUT", default_value = "25s", value_parser = runtime::duration::parse)]
    pub(crate) drain_timeout: Duration,
}

/// Who reads cameras.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReaderArg {
    /// ffmpeg, always.
    Ffmpeg,
    /// Ourselves, where we can.
    Direct,
}

/// How media reaches viewers.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Delivery")]
pub(crate) struct DeliveryArgs {
    /// Largest payload of live and catch-up messages in bytes. The default suits WebSocket listeners that send 4 KB a
    /// turn, as that of mosquitto 2.0 does; brokers without the limit work less with larger messages.
    #[arg(long, env = "MQTT_VIDEO_MAX_MESSAGE_BYTES", default_value_t = 3900, value_parser = clap::value_parser!(u32).range(512..=1_000_000))]
    pub(crate) max_message_bytes: u32,
    /// Publish a byte every 5 ms after each whole-GOP message, which keeps the loop of such a broker turning.
    #[arg(long, env = "MQTT_VIDEO_REPLY_PUMP", default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) reply_pump: bool,
    /// How long nobody may subscribe to what a viewer gets before it counts as gone.
    #[arg(long, env = "MQTT_VIDEO_VIEWER_GRACE", default_value = "15s", value_parser = runtime::duration::parse)]
    pub(crate) viewer_grace: Duration,
    /// Longest session without a keepalive, where the broker does not tell when nobody subscribes.
    #[arg(long, env = "MQTT_VIDEO_MAX_SESSION", default_value = "1h", value_parser = runtime::duration::parse)]
    pub(crate) max_session: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
