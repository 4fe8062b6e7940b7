//! Traces, exported to an OTLP receiver over gRPC; off unless an endpoint is given, and then free of charge.
//!
//! A span is traced if its target is [`TARGET`]; all others only lend their fields to log lines. So a span that lasts as
//! long as a stream does not hold up a trace, which is told when its spans end. The context travels as a W3C
//! `traceparent`, see [`Remote`]. What others measured and cannot export themselves, a [`Speaker`] tells in their name.
//!
//! Whoever asks from outside may claim that its trace is to be sampled. So the ratio is applied to every trace that comes
//! in, by its id and thus alike in every process; and what is exported at most is bounded by the exporter's queue, beyond
//! which spans are dropped.

mod outage;
mod remote;
mod speaker;

use std::time::Duration;

use clap::Args as ClapArgs;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Compression, ExporterBuildError, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, Sampler, SdkTracer, SdkTracerProvider};
use tonic::transport::ClientTlsConfig;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use self::outage::Telling;
pub use self::remote::{Remote, continues, current, failed};
pub use self::speaker::{Speaker, Told};

/// Target of the spans that are traced.
pub const TARGET: &str = "trace";

/// How long the last spans may take on the way out. Less than what a container gets between SIGTERM and SIGKILL after
/// everything else was given its time.
const FLUSH: Duration = Duration::from_secs(2);

/// Where traces go.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Traces")]
#[group(skip)]
pub struct Args {
    /// URL of an OTLP receiver that speaks gRPC, `http://host:4317` or `https://host:4317`; default: no traces. The
    /// variables `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_TIMEOUT`, `OTEL_BSP_*` and `OTEL_RESOURCE_ATTRIBUTES`
    /// are respected.
    #[arg(long, env = "MQTT_VIDEO_OTLP_ENDPOINT", value_name = "URL", value_parser = parse_endpoint)]
    pub otlp_endpoint: Option<Url>,
    /// Part of the traces that is exported, 0 to 1; the same in all services, or some traces have gaps.
    #[arg(long, env = "MQTT_VIDEO_TRACE_SAMPLE_RATIO", value_name = "RATIO", default_value_t = 1.0, value_parser = parse_ratio)]
    pub trace_sample_ratio: f64,
}

/// Who the spans are of.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// `service.name`.
    pub name: &'static str,
    /// `service.version`.
    pub version: &'static str,
    /// `service.instance.id`; default: the host's name, which on Kubernetes is the pod's.
    pub instance: Option<&'a str>,
}

/// Why there can be no traces.
#[derive(Debug, thiserror::Error)]
#[error("cannot export traces to {endpoint}: {why}; check --otlp-endpoint and the OTEL_EXPORTER_OTLP_ variables")]
pub struct StartError {
    endpoint: Url,
    why: ExporterBuildError,
}

/// The traces of this process; by default none. Dropped, it exports what is left, which takes two seconds at most. The
/// export needs the tokio runtime, so it is not to be dropped on the only thread of one.
#[derive(Debug, Default)]
pub struct Traces(Option<Export>);

#[derive(Debug)]
struct Export {
    provider: SdkTracerProvider,
    args: Args,
    endpoint: Url,
    resource: Vec<KeyValue>,
}

/// Prepares the export; nothing is dialled before there is something to tell. To be called within the tokio runtime, which
/// has to last longer than the traces.
///
/// # Errors
/// When the endpoint, or what the environment says about it, cannot be used.
pub fn start(args: &Args, service: Service<'_>) -> Result<Traces, StartError> {
    let Some(endpoint) = &args.otlp_endpoint else { return Ok(Traces(None)) };
    let resource = vec![
        KeyValue::new("service.name", service.name),
        KeyValue::new("service.version", service.version),
        KeyValue::new("service.instance.id", service.instance.map_or_else(host, str::to_owned)),
    ];
    let provider = provider(args, endpoint, resource.clone(), RandomIdGenerator::default())?;
    Ok(Traces(Some(Export { provider, args: args.clone(), endpoint: endpoint.clone(), resource })))
}

impl Traces {
    /// What takes spans from the subscriber. Events within them go along down to `info`.
    pub(crate) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer: SdkTracer = self.0.as_ref()?.provider.tracer(env!("CARGO_PKG_NAME"));
        let wanted = filter_fn(|metadata| {
            *metadata.level() <= Level::INFO && (metadata.is_event() || metadata.target() == TARGET)
        });
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            // Nobody here asks OpenTelemetry itself for the context.
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        Some(layer.with_filter(wanted.with_max_level_hint(LevelFilter::INFO)))
    }

    /// Tells spans in the name of `service`, which is not this process; nothing if there are no traces.
    ///
    /// # Errors
    /// As [`start`].
    pub fn speaker(&self, service: &'static str) -> Result<Speaker, StartError> {
        let Some(export) = &self.0 else { return Ok(Speaker::silent()) };
        let mut resource = export.resource.clone();
        resource[0] = KeyValue::new("service.name", service);
        let ids = speaker::GivenIds::default();
        let provider = provider(&export.args, &export.endpoint, resource, ids)?;
        Ok(Speaker::new(provider, export.args.trace_sample_ratio))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(export) = &self.0 {
            flush(&export.provider);
        }
    }
}

fn flush(provider: &SdkTracerProvider) {
    match provider.shutdown_with_timeout(FLUSH) {
        Ok(()) => info!("traces exported"),
        Err(error) => warn!(%error, "the last traces are lost"),
    }
}

fn provider(
    args: &Args,
    endpoint: &Url,
    resource: Vec<KeyValue>,
    ids: impl IdGenerator + 'static,
) -> Result<SdkTracerProvider, StartError> {
    let refused = |why| StartError { endpoint: endpoint.clone(), why };
    let mut exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.as_str().trim_end_matches('/'))
        .with_compression(Compression::Gzip);
    if endpoint.scheme() == "https" {
        exporter = exporter.with_tls_config(ClientTlsConfig::new().with_native_roots());
    }
    let exporter = Telling::new(exporter.build().map_err(refused)?);
    let ratio = Sampler::TraceIdRatioBased(args.trace_sample_ratio);
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::parent_based(ratio.clone()).with_remote_parent_sampled(ratio))
        .with_id_generator(ids)
        .with_resource(Resource::builder().with_attributes(resource).build())
        .build())
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

fn parse_endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; expected http://host:4317"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("expected http://host:4317 or https://host:4317".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a login goes into OTEL_EXPORTER_OTLP_HEADERS, as this is logged".to_owned());
    }
    Ok(url)
}

fn parse_ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "expected a number from 0 to 1, such as 0.1".to_owned())
}
