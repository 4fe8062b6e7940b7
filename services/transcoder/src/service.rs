//! The worker's side of `mqttvideo.v1.TranscoderService`: the only place where gRPC and the domain meet.
//!
//! It translates and checks; it decides nothing. Requests hold logins, so none is ever logged.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use proto::v1;
use proto::v1::transcoder_service_server::TranscoderService;
use runtime::trace::{self, Remote};
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tracing::{Instrument, info, info_span};

use crate::board::{Snapshot, Stream as Entry};
use crate::failure::{Code, Failure};
use crate::ffmpeg::Plan;
use crate::job::Farewell;
use crate::job::life::State;
use crate::job::report::unix_ms;
use crate::jobs::{Jobs, Which};
use crate::muxer::{Continuation, Media, Stand};
use crate::stream::{Key, Login, Source, Spec, Transcode};
use crate::viewers::{Delivery, Dialect, Viewer, Whom};

/// Domain of `google.rpc.ErrorInfo`.
const DOMAIN: &str = "mqttvideo";
/// Changes that a slow reader of Watch may be behind; the next one then holds all that it missed.
const CHANGES: usize = 1;

/// Serves the contract.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// The streams.
    pub(crate) jobs: Jobs,
    /// Ends what would never end by itself.
    pub(crate) token: CancellationToken,
}

/// The span of a call, as part of the caller's trace.
macro_rules! call {
    ($name:literal, $caller:expr, $spec:expr, $session:expr) => {{
        let (key, session) = (&$spec.key, &$session);
        let span = info_span!(target: trace::TARGET, $name, source = key.source, profile = key.profile, session);
        trace::continues(&span, $caller.as_ref());
        span
    }};
}

#[tonic::async_trait]
impl TranscoderService for Service {
    async fn describe(&self, request: Request<v1::DescribeRequest>) -> Result<Response<v1::DescribeResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        let spec = spec(request.stream).map_err(refused)?;
        let span = call!("describe", caller, spec, request.session);
        info!(parent: &span, "describe");
        let media = self.jobs.describe(spec, request.session).instrument(span).await.map_err(refused)?;
        Ok(Response::new(v1::DescribeResponse { media: Some(media.into()) }))
    }

    async fn play(&self, request: Request<v1::PlayRequest>) -> Result<Response<v1::PlayResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        let spec = spec(request.stream).map_err(refused)?;
        let viewer = viewer(request.viewer.unwrap_or_default()).map_err(refused)?;
        if request.refresh_only {
            if !self.jobs.refresh(spec.key.clone(), viewer.reply_topic).await {
                return Err(Status::not_found("no such viewer"));
            }
        } else {
            let span = call!("play", caller, spec, viewer.session);
            self.jobs.play(spec, viewer, request.max_viewers).instrument(span).await.map_err(refused)?;
        }
        Ok(Response::new(v1::PlayResponse {}))
    }

    async fn stop(&self, request: Request<v1::StopRequest>) -> Result<Response<v1::StopResponse>, Status> {
        use v1::stop_request::Target;
        let request = request.into_inner();
        let reason = code(request.reason());
        let (which, whom) = match request.target {
            Some(Target::ReplyTopic(topic)) => (Which::Any, Whom::ReplyTopic(topic)),
            Some(Target::ClientDialectSource(source)) => (Which::OfSource(source), Whom::ClientDialect),
            Some(Target::Source(source)) => (Which::OfSource(source), Whom::All),
            Some(Target::Stream(key)) => (Which::This(key.into()), Whom::All),
            None => return Err(refused(Failure::new(Code::BadRequest, "stop whom?"))),
        };
        let farewell = match (&whom, reason) {
            (_, None) => Farewell::Asked,
            // The stream was moved: its viewers are served by another worker and are to notice nothing.
            (Whom::All, Some(Code::Draining)) => Farewell::Silent,
            (_, Some(code)) => Farewell::Because(code),
        };
        let stopped = self.jobs.stop(which, whom, farewell).await;
        Ok(Response::new(v1::StopResponse { stopped: stopped as u32 }))
    }

    async fn adopt(&self, request: Request<v1::AdoptRequest>) -> Result<Response<v1::AdoptResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        let spec = spec(request.stream).map_err(refused)?;
        let viewers: Result<Vec<_>, _> = request.viewers.into_iter().map(viewer).collect();
        let viewers = viewers.map_err(refused)?;
        let span = call!("adopt", caller, spec, viewers.first().map(|viewer| &viewer.session));
        info!(parent: &span, viewers = viewers.len(), "adopt");
        let age = request.age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
        let after = request.after.map(|after| Stand {
            continuation: after.into(),
            unix_ms: unix_ms().saturating_sub(age.as_millis() as u64),
        });
        let plan = Plan::from_word(&request.treatment);
        let media = self.jobs.adopt(spec, viewers, after, plan).instrument(span).await.map_err(refused)?;
        Ok(Response::new(v1::AdoptResponse { media: Some(media.into()) }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchResponse, Status>> + Send>>;

    async fn watch(&self, _: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (changes, received) = mpsc::channel(CHANGES);
        tokio::spawn(follow(self.jobs.board().subscribe(), changes, self.token.clone()));
        Ok(Response::new(Box::pin(ReceiverStream::new(received))))
    }
}

/// The caller's span.
fn caller<T>(request: &Request<T>) -> Option<Remote> {
    Remote::parse(request.metadata().get("traceparent")?.to_str().ok()?)
}

/// Sends changes until the caller hangs up. Load changes each second, so a second never passes without a message.
async fn follow(
    mut snapshots: watch::Receiver<Snapshot>,
    changes: mpsc::Sender<Result<v1::WatchResponse, Status>>,
    token: CancellationToken,
) {
    let mut known: Option<Snapshot> = None;
    loop {
        // Room first, then the latest: whoever reads slowly gets the present and not the past.
        let Ok(room) = changes.reserve().await else { return };
        let snapshot = snapshots.borrow_and_update().clone();
        let news = snapshot.since(known.as_ref());
        room.send(Ok(v1::WatchResponse {
            snapshot: known.is_none(),
            worker: news.worker.map(|(worker, used)| v1::Worker {
                name: worker.name,
                slots_total: worker.slots as u32,
                slots_used: used as u32,
                draining: worker.draining,
                cpu_cores: worker.cpu_cores,
            }),
            jobs: news.streams.into_iter().map(|(key, stream)| job(key, &stream)).collect(),
            ended: news.ended.into_iter().map(Into::into).collect(),
            failed: news
                .failed
                .into_iter()
                .map(|(key, code)| v1::FailedStream { key: Some(key.into()), error: error_code(code).into() })
                .collect(),
        }));
        known = Some(snapshot);
        tokio::select! {
            latest = snapshots.changed() => if latest.is_err() { return },
            () = changes.closed() => return,
            () = token.cancelled() => return,
        }
    }
}

fn spec(stream: Option<v1::StreamSpec>) -> Result<Arc<Spec>, Failure> {
    let stream = stream.unwrap_or_default();
    let login =
        stream.credentials.map(|login| Login { username: login.username.into(), password: login.password.into() });
    let spec = Spec {
        key: stream.key.unwrap_or_default().into(),
        source: Source::new(&stream.url, login)?,
        transcode: stream.transcode.map(transcode).transpose()?,
        live_topic: stream.live_topic,
        pattern_url: stream.pattern_url,
    };
    spec.checked().map(Arc::new)
}

fn transcode(transcode: v1::Transcode) -> Result<Transcode, Failure> {
    let gop = transcode.gop.map(Duration::try_from).transpose();
    Ok(Transcode {
        width: transcode.width,
        height: transcode.height,
        video_bits_per_second: transcode.video_bits_per_second,
        gop: gop.map_err(|_| Failure::new(Code::BadRequest, "the time between keyframes is no duration"))?,
        h264_profile: transcode.h264_profile,
        h264_level: transcode.h264_level,
        max_frames_per_second: transcode.max_frames_per_second,
    })
}

fn viewer(viewer: v1::Viewer) -> Result<Viewer, Failure> {
    let delivery = match viewer.delivery() {
        v1::Delivery::Reply => Delivery::Reply,
        v1::Delivery::Live => Delivery::Live,
        v1::Delivery::Unspecified => return Err(Failure::new(Code::BadRequest, "delivery is not set")),
    };
    let dialect = match viewer.dialect() {
        v1::Dialect::Client => Dialect::Client,
        v1::Dialect::Video | v1::Dialect::Unspecified => Dialect::Video,
    };
    let topic = viewer.reply_topic;
    if topic.is_empty() || topic.len() > 1024 || topic.starts_with('$') || topic.contains(['#', '+', '\0']) {
        return Err(Failure::new(Code::BadRequest, "the reply topic is no topic name"));
    }
    Ok(Viewer { reply_topic: topic, delivery, dialect, session: viewer.session, video_only: viewer.video_only })
}

fn job(key: Key, stream: &Entry) -> v1::Job {
    let state = match stream.state {
        State::Starting => v1::JobState::Starting,
        State::Live => v1::JobState::Live,
        State::Lingering => v1::JobState::Lingering,
        State::Restarting => v1::JobState::Restarting,
    };
    v1::Job {
        key: Some(key.into()),
        state: state.into(),
        viewers: stream.viewers.iter().cloned().map(Into::into).collect(),
        media: stream.media.clone().map(Into::into),
        continuation: Some(stream.continuation.into()),
        last_error: stream.last_error.map_or(v1::ErrorCode::Unspecified, error_code).into(),
        restarts: stream.restarts,
        frames_per_second: stream.frames_per_second,
        pattern_url: stream.pattern_url.clone(),
        treatment: stream.plan.word(),
    }
}

/// A failed call with what the contract promises about it.
fn refused(failure: Failure) -> Status {
    let code = match failure.code {
        Code::BadRequest => tonic::Code::InvalidArgument,
        Code::NoCapacity => tonic::Code::ResourceExhausted,
        Code::Draining => tonic::Code::Unavailable,
        Code::NotAllowed => tonic::Code::PermissionDenied,
        Code::Unauthorized => tonic::Code::Unauthenticated,
        Code::SourceUnreachable | Code::SourceUnauthorized | Code::UnsupportedCodec => tonic::Code::FailedPrecondition,
        Code::Internal => tonic::Code::Internal,
    };
    let reason = error_code(failure.code).as_str_name().trim_start_matches("ERROR_CODE_");
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    if failure.retry_after.is_some() {
        details.set_retry_info(failure.retry_after);
    }
    Status::with_error_details(code, failure.text, details)
}

fn error_code(code: Code) -> v1::ErrorCode {
    match code {
        Code::NotAllowed => v1::ErrorCode::NotAllowed,
        Code::BadRequest => v1::ErrorCode::BadRequest,
        Code::Unauthorized => v1::ErrorCode::Unauthorized,
        Code::NoCapacity => v1::ErrorCode::NoCapacity,
        Code::SourceUnreachable => v1::ErrorCode::SourceUnreachable,
        Code::SourceUnauthorized => v1::ErrorCode::SourceUnauthorized,
        Code::UnsupportedCodec => v1::ErrorCode::UnsupportedCodec,
        Code::Draining => v1::ErrorCode::Draining,
        Code::Internal => v1::ErrorCode::Internal,
    }
}

fn code(code: v1::ErrorCode) -> Option<Code> {
    Some(match code {
        v1::ErrorCode::Unspecified => return None,
        v1::ErrorCode::NotAllowed => Code::NotAllowed,
        v1::ErrorCode::BadRequest => Code::BadRequest,
        v1::ErrorCode::Unauthorized => Code::Unauthorized,
        v1::ErrorCode::NoCapacity => Code::NoCapacity,
        v1::ErrorCode::SourceUnreachable => Code::SourceUnreachable,
        v1::ErrorCode::SourceUnauthorized => Code::SourceUnauthorized,
        v1::ErrorCode::UnsupportedCodec => Code::UnsupportedCodec,
        v1::ErrorCode::Draining => Code::Draining,
        v1::ErrorCode::Internal => Code::Internal,
    })
}

impl From<Key> for v1::StreamKey {
    fn from(key: Key) -> Self {
        Self { source: key.source, profile: key.profile }
    }
}

impl From<v1::StreamKey> for Key {
    fn from(key: v1::StreamKey) -> Self {
        Self { source: key.source, profile: key.profile }
    }
}

impl From<Viewer> for v1::Viewer {
    fn from(viewer: Viewer) -> Self {
        let delivery = match viewer.delivery {
            Delivery::Reply => v1::Delivery::Reply,
            Delivery::Live => v1::Delivery::Live,
        };
        let dialect = match viewer.dialect {
            Dialect::Video => v1::Dialect::Video,
            Dialect::Client => v1::Dialect::Client,
        };
        Self {
            reply_topic: viewer.reply_topic,
            delivery: delivery.into(),
            dialect: dialect.into(),
            session: viewer.session,
            video_only: viewer.video_only,
        }
    }
}

impl From<Media> for v1::Media {
    fn from(media: Media) -> Self {
        Self {
            mime_codec: media.mime_codec(),
            generation: media.generation,
            video: Some(v1::VideoTrack {
                codec: media.video.codec,
                width: media.video.width,
                height: media.video.height,
            }),
            audio: media.audio.map(|audio| v1::AudioTrack {
                codec: audio.codec,
                sample_rate: audio.sample_rate,
                channels: audio.channels,
            }),
        }
    }
}

impl From<Continuation> for v1::Continuation {
    fn from(continuation: Continuation) -> Self {
        Self {
            generation: continuation.generation,
            sequence_number: continuation.sequence_number,
            decode_time: continuation.decode_time,
        }
    }
}

impl From<v1::Continuation> for Continuation {
    fn from(continuation: v1::Continuation) -> Self {
        Self {
            generation: continuation.generation,
            sequence_number: continuation.sequence_number,
            decode_time: continuation.decode_time,
        }
    }
}
