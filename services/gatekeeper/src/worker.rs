//! gRPC to one worker; the only place that names the contract's generated types.
//!
//! Domain words go in, domain words come out. It retries nothing: whom to ask next is the handler's business, and
//! watching again the pool's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use proto::v1::{self, transcoder_service_client::TranscoderServiceClient};
use secrecy::ExposeSecret;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code as GrpcCode, Status};
use tonic_types::StatusExt;

use crate::placement::Job;
use crate::policy::AllowedSource;
use crate::refusal::{Code, Refusal};
use crate::sources::Login;
use crate::stream::{
    self, AudioTrack, Continuation, Delivery, Dialect, Health, Media, State, StreamKey, Transcode, VideoTrack, Viewer,
};

/// Together with [`KEEPALIVE_TIMEOUT`] below 5 s: so long may a worker be dead without our noticing.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A worker answers a play as soon as it has admitted the viewer, and a stop at once.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A camera that does not show a keyframe within this does not on the other worker either.
const ADOPT_TIMEOUT: Duration = Duration::from_secs(15);

/// How to prove who we are to workers, and whom to believe. `name` is what their certificates are for; `None`: what we
/// dial.
pub(crate) fn tls(authority: &[u8], identity: Option<(&[u8], &[u8])>, name: Option<String>) -> ClientTlsConfig {
    let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
    if let Some(name) = name {
        config = config.domain_name(name);
    }
    match identity {
        Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key)),
        None => config,
    }
}

/// Why an address cannot be dialled at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot use worker address {address}: {why}")]
pub(crate) struct AddressError {
    address: String,
    why: String,
}

/// A connection to a worker, made when first used and made again when lost.
#[derive(Debug, Clone)]
pub(crate) struct Client(TranscoderServiceClient<Channel>);

/// What starting a stream takes.
pub(crate) struct Start<'a> {
    /// That it may be started, and what.
    pub(crate) source: &'a AllowedSource,
    /// Read just now.
    pub(crate) login: Option<&'a Login>,
    /// Where its shared media goes.
    pub(crate) live_topic: &'a str,
}

/// Whom to stop.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    /// The viewer on this reply topic.
    Viewer(String),
    /// Viewers of this source that speak `client/*`.
    ClientDialect(String),
    /// All viewers of this source, because it is no longer allowed.
    NotAllowed(String),
    /// All viewers of this stream, because another worker has it; they notice nothing.
    Moved(StreamKey),
}

/// Why a worker did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It has no room, or the stream has all the viewers that it may have.
    Full(Option<Duration>),
    /// It is shutting down.
    Draining,
    /// It is gone, or did not answer in time.
    Unavailable,
    /// It does not know the viewer.
    Unknown,
    /// Asking another would not help.
    Final(Refusal),
}

/// News from a worker.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Update {
    /// Forget what was known; `jobs` is everything.
    pub(crate) snapshot: bool,
    /// Its load, if changed.
    pub(crate) load: Option<Load>,
    /// Streams that are new or changed.
    pub(crate) jobs: Vec<(StreamKey, Job)>,
    /// Streams that ended.
    pub(crate) ended: Vec<StreamKey>,
    /// Streams that ended because their source failed.
    pub(crate) failed: Vec<(StreamKey, stream::Failure)>,
}

/// How busy a worker is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Load {
    /// Unique name.
    pub(crate) name: String,
    /// How many streams it runs at most.
    pub(crate) slots_total: u32,
    /// How many it runs.
    pub(crate) slots_used: u32,
    /// It admits nothing new.
    pub(crate) draining: bool,
    /// CPU time per wall time over the last seconds, its ffmpegs included.
    pub(crate) cpu_cores: f64,
}

impl Client {
    /// Dials nothing yet.
    pub(crate) fn new(address: &str, tls: Option<&ClientTlsConfig>) -> Result<Self, AddressError> {
        let refused = |error: tonic::transport::Error| AddressError {
            address: address.to_owned(),
            why: std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
        };
        let mut endpoint = Endpoint::from_shared(address.to_owned())
            .map_err(refused)?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls.clone()).map_err(refused)?;
        }
        Ok(Self(TranscoderServiceClient::new(endpoint.connect_lazy())))
    }

    /// Starts the stream unless it runs, and says what is in it.
    pub(crate) async fn describe(
        &self,
        start: &Start<'_>,
        session: &str,
        deadline: Duration,
    ) -> Result<Media, Failure> {
        let request = v1::DescribeRequest { stream: Some(spec(start)), session: session.to_owned() };
        let answer = tokio::time::timeout(deadline, self.0.clone().describe(traced(request))).await;
        let response = answer.map_err(|_| Failure::Final(too_slow()))?.map_err(|status| failure(&status))?;
        response.into_inner().media.and_then(media).ok_or_else(|| {
            Failure::Final(Refusal::new(Code::Internal, "the transcoder did not say what is in the stream; try again"))
        })
    }

    /// Adds a viewer.
    pub(crate) async fn play(&self, start: &Start<'_>, viewer: &Viewer) -> Result<(), Failure> {
        self.admit(start, viewer, false).await
    }

    /// Confirms a viewer that is there already.
    pub(crate) async fn refresh(&self, start: &Start<'_>, viewer: &Viewer) -> Result<(), Failure> {
        self.admit(start, viewer, true).await
    }

    async fn admit(&self, start: &Start<'_>, viewer: &Viewer, refresh_only: bool) -> Result<(), Failure> {
        let request = v1::PlayRequest {
            stream: Some(spec(start)),
            viewer: Some(to_wire(viewer)),
            refresh_only,
            max_viewers: start.source.max_viewers().unwrap_or(0),
        };
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.0.clone().play(traced(request))).await;
        answer.map_err(|_| Failure::Unavailable)?.map(drop).map_err(|status| failure(&status))
    }

    /// Hands a stream over with its viewers; answers once its first keyframe is out.
    pub(crate) async fn adopt(&self, start: &Start<'_>, job: &Job) -> Result<(), Failure> {
        let stood = job.stood;
        let request = v1::AdoptRequest {
            stream: Some(spec(start)),
            viewers: job.viewers.iter().map(to_wire).collect(),
            treatment: job.treatment.clone(),
            after: stood.map(|(continuation, _)| v1::Continuation {
                generation: continuation.generation,
                sequence_number: continuation.sequence_number,
                decode_time: continuation.decode_time,
            }),
            age: stood.and_then(|(_, heard)| prost_types::Duration::try_from(heard.elapsed()).ok()),
        };
        let answer = tokio::time::timeout(ADOPT_TIMEOUT, self.0.clone().adopt(traced(request))).await;
        answer.map_err(|_| Failure::Final(too_slow()))?.map(drop).map_err(|status| failure(&status))
    }

    /// Removes viewers and says how many.
    pub(crate) async fn stop(&self, stop: Stop) -> Result<u32, Failure> {
        let (target, reason) = match stop {
            Stop::Viewer(topic) => (v1::stop_request::Target::ReplyTopic(topic), v1::ErrorCode::Unspecified),
            Stop::ClientDialect(source) => {
                (v1::stop_request::Target::ClientDialectSource(source), v1::ErrorCode::Unspecified)
            }
            Stop::NotAllowed(source) => (v1::stop_request::Target::Source(source), v1::ErrorCode::NotAllowed),
            Stop::Moved(key) => (v1::stop_request::Target::Stream(from_key(&key)), v1::ErrorCode::Draining),
        };
        let request = v1::StopRequest { target: Some(target), reason: reason.into() };
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.0.clone().stop(request)).await;
        let response = answer.map_err(|_| Failure::Unavailable)?.map_err(|status| failure(&status))?;
        Ok(response.into_inner().stopped)
    }

    /// News, beginning with a snapshot, until the worker goes. The error says why, for the log.
    pub(crate) async fn watch(&self) -> Result<impl Stream<Item = Result<Update, String>> + use<>, String> {
        let told = |status: &Status| std::error::Error::source(status).map_or_else(|| status.to_string(), deepest);
        let stream = self.0.clone().watch(v1::WatchRequest {}).await.map_err(|status| told(&status))?.into_inner();
        Ok(stream.map(move |item| item.map(update).map_err(|status| told(&status))))
    }
}

/// With the trace that it is part of.
fn traced<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let value = runtime::trace::current().and_then(|span| MetadataValue::try_from(span.traceparent()).ok());
    if let Some(value) = value {
        request.metadata_mut().insert("traceparent", value);
    }
    request
}

fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), deepest)
}

fn spec(start: &Start<'_>) -> v1::StreamSpec {
    let source = start.source;
    v1::StreamSpec {
        key: Some(from_key(source.key())),
        url: source.url().to_owned(),
        credentials: start.login.map(|login| v1::Credentials {
            username: login.username.expose_secret().to_owned(),
            password: login.password.expose_secret().to_owned(),
        }),
        transcode: source.transcode().map(transcode),
        live_topic: start.live_topic.to_owned(),
        pattern_url: source.pattern_url().unwrap_or_default().to_owned(),
    }
}

fn from_key(key: &StreamKey) -> v1::StreamKey {
    v1::StreamKey { source: key.source.clone(), profile: key.profile.clone() }
}

fn to_wire(viewer: &Viewer) -> v1::Viewer {
    let delivery = match viewer.delivery {
        Delivery::Reply => v1::Delivery::Reply,
        Delivery::Live => v1::Delivery::Live,
    };
    let dialect = match viewer.dialect {
        Dialect::Video => v1::Dialect::Video,
        Dialect::Client => v1::Dialect::Client,
    };
    v1::Viewer {
        reply_topic: viewer.reply_topic.clone(),
        delivery: delivery.into(),
        dialect: dialect.into(),
        session: viewer.session.clone(),
        video_only: viewer.video_only,
    }
}

/// `None`: it says nothing that we could hand on.
fn from_wire(viewer: v1::Viewer) -> Option<Viewer> {
    let delivery = match viewer.delivery() {
        v1::Delivery::Reply => Delivery::Reply,
        v1::Delivery::Live => Delivery::Live,
        v1::Delivery::Unspecified => return None,
    };
    let dialect = match viewer.dialect() {
        v1::Dialect::Client => Dialect::Client,
        v1::Dialect::Video | v1::Dialect::Unspecified => Dialect::Video,
    };
    let v1::Viewer { reply_topic, session, video_only, .. } = viewer;
    Some(Viewer { reply_topic, delivery, dialect, session, video_only })
}

fn job(job: v1::Job) -> Job {
    let heard = Instant::now();
    let stood = job.continuation.map(|at| Continuation {
        generation: at.generation,
        sequence_number: at.sequence_number,
        decode_time: at.decode_time,
    });
    Job {
        health: health(&job),
        viewers: job.viewers.into_iter().filter_map(from_wire).collect(),
        pattern_url: job.pattern_url,
        treatment: job.treatment,
        stood: stood.map(|stood| (stood, heard)),
    }
}

fn transcode(transcode: &Transcode) -> v1::Transcode {
    v1::Transcode {
        width: transcode.width.unwrap_or(0),
        height: transcode.height.unwrap_or(0),
        video_bits_per_second: transcode.video_bits_per_second.unwrap_or(0),
        gop: transcode.gop.and_then(|gop| prost_types::Duration::try_from(gop).ok()),
        h264_profile: transcode.h264_profile.clone().unwrap_or_default(),
        h264_level: transcode.h264_level.clone().unwrap_or_default(),
        max_frames_per_second: transcode.max_frame_rate.unwrap_or(0),
    }
}

fn media(media: v1::Media) -> Option<Media> {
    let video = media.video?;
    Some(Media {
        mime_codec: media.mime_codec,
        generation: media.generation,
        video: VideoTrack { codec: video.codec, width: video.width, height: video.height },
        audio: media.audio.map(|audio| AudioTrack {
            codec: audio.codec,
            sample_rate: audio.sample_rate,
            channels: audio.channels,
        }),
    })
}

fn update(response: v1::WatchResponse) -> Update {
    let key = |key: v1::StreamKey| StreamKey { source: key.source, profile: key.profile };
    Update {
        snapshot: response.snapshot,
        load: response.worker.map(|worker| Load {
            name: worker.name,
            slots_total: worker.slots_total,
            slots_used: worker.slots_used,
            draining: worker.draining,
            cpu_cores: worker.cpu_cores,
        }),
        jobs: response
            .jobs
            .into_iter()
            .filter_map(|mut news| news.key.take().map(|stream| (key(stream), job(news))))
            .collect(),
        ended: response.ended.into_iter().map(key).collect(),
        failed: response
            .failed
            .into_iter()
            .filter_map(|mut failed| {
                let stream = key(failed.key.take()?);
                Some((stream, source_failure(failed.error())?))
            })
            .collect(),
    }
}

/// Why a source failed; `None`: it did not.
fn source_failure(code: v1::ErrorCode) -> Option<stream::Failure> {
    match code {
        v1::ErrorCode::Unspecified => None,
        v1::ErrorCode::SourceUnreachable => Some(stream::Failure::Unreachable),
        v1::ErrorCode::SourceUnauthorized => Some(stream::Failure::Unauthorized),
        v1::ErrorCode::UnsupportedCodec => Some(stream::Failure::UnsupportedCodec),
        _ => Some(stream::Failure::Other),
    }
}

fn health(job: &v1::Job) -> Health {
    Health {
        state: match job.state() {
            v1::JobState::Unspecified | v1::JobState::Starting => State::Starting,
            v1::JobState::Live => State::Live,
            v1::JobState::Lingering => State::Lingering,
            v1::JobState::Restarting => State::Restarting,
        },
        restarts: job.restarts,
        media: job.media.clone().and_then(media).map(Arc::new),
        frame_rate: Some(job.frames_per_second).filter(|rate| *rate > 0.0),
        failure: source_failure(job.last_error()),
    }
}

fn too_slow() -> Refusal {
    Refusal::new(
        Code::SourceUnreachable,
        "the camera did not deliver a picture in time; check that it is on, and try again",
    )
}

fn failure(status: &Status) -> Failure {
    // A status that was not sent but made here has a cause: the connection could not be made, or broke.
    if std::error::Error::source(status).is_some() {
        return Failure::Unavailable;
    }
    let reason = status.get_details_error_info().filter(|info| info.domain == "mqttvideo").map(|info| info.reason);
    let code = match (reason.as_deref(), status.code()) {
        (Some("NO_CAPACITY"), _) | (_, GrpcCode::ResourceExhausted) => {
            let retry_after = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
            return Failure::Full(retry_after);
        }
        (Some("DRAINING"), _) => return Failure::Draining,
        (None, GrpcCode::Unavailable) => return Failure::Unavailable,
        (_, GrpcCode::NotFound) => return Failure::Unknown,
        (Some("NOT_ALLOWED"), _) => Code::NotAllowed,
        (Some("BAD_REQUEST"), _) | (None, GrpcCode::InvalidArgument) => Code::BadRequest,
        (Some("UNAUTHORIZED"), _) => Code::Unauthorized,
        (Some("SOURCE_UNREACHABLE"), _) => Code::SourceUnreachable,
        (Some("SOURCE_UNAUTHORIZED"), _) => Code::SourceUnauthorized,
        (Some("UNSUPPORTED_CODEC"), _) => Code::UnsupportedCodec,
        (None, GrpcCode::DeadlineExceeded) => return Failure::Final(too_slow()),
        _ => Code::Internal,
    };
    Failure::Final(Refusal::new(code, without_logins(status.message())))
}

/// Drops whatever stands between `://` and `@`. Workers do not send it; this is the last place to make sure.
fn without_logins(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let authority = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        rest = after[..authority].rfind('@').map_or(after, |login| &after[login + 1..]);
    }
    clean + rest
}

#[cfg(test)]
mod tests;
