//! One session with a camera that is read without ffmpeg: RTSP 1.0 (RFC 2326) with RTP interleaved in its TCP connection.
//!
//! ffmpeg holds each picture until the next one begins, and looks at a camera for a second before it passes anything on.
//! Where nothing has to be transcoded, that is all it would do for us. What a session cannot do it says
//! ([`Symptom::NeedsFfmpeg`]) and somebody else does; it neither retries nor judges, that is [`crate::ffmpeg::feed`].
//!
//! A task of its own speaks with the camera, because a keepalive must not wait for a reader. Its items wait in a bounded
//! queue, and a queue that is full makes the camera wait, as a full pipe of ffmpeg would. The task ends when the
//! [`Session`] is dropped; a session that is stopped says so to the camera first, since some serve one client at a time.

mod tracks;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use retina::client::{
    Described, InitialTimestampPolicy, PlayOptions, Playing, Session as Conversation, SessionGroup, SessionOptions,
    SetupOptions, Transport, UnknownRtcpSsrcPolicy,
};
use retina::codec::CodecItem;
use secrecy::ExposeSecret;
use tokio::sync::mpsc;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::tracks::Tracks;
use crate::ffmpeg::Symptom;
use crate::flv::Item;
use crate::stream::{Login, Source};

/// Items that wait: a second of video and audio, and a keyframe is one of them.
const ITEMS: usize = 128;
/// How long a camera may take to answer that it has let go.
const FAREWELL: Duration = Duration::from_secs(1);
const USER_AGENT: &str = concat!("mqtt-video/", env!("CARGO_PKG_VERSION"));

/// What a session gives.
#[derive(Debug)]
pub(crate) enum Event {
    /// An item of a track, and when its last byte came.
    Item(Item, SystemTime),
    /// It is over.
    Ended(Symptom, String),
}

/// A session that plays.
#[derive(Debug)]
pub(crate) struct Session {
    /// There is a track of audio.
    pub(crate) has_audio: bool,
    events: mpsc::Receiver<Event>,
    stop: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

/// Why there is no session.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What follows from it.
    pub(crate) symptom: Symptom,
    /// For the log; may hold a URL.
    pub(crate) text: String,
}

/// Makes a camera play. `patience` is how long it may take for each answer.
pub(crate) async fn start(source: Source, with_audio: bool, patience: Duration) -> Result<Session, Failed> {
    let group = Arc::new(SessionGroup::default());
    let conversation = begin(&source, with_audio, patience, &group).await?;
    let audio = position(&conversation, "audio").filter(|_| with_audio);
    let tracks = Tracks::of(&conversation, audio).map_err(|text| Failed { symptom: Symptom::NeedsFfmpeg, text })?;
    let (sender, events) = mpsc::channel(ITEMS);
    let stop = CancellationToken::new();
    let work = read(conversation, tracks, sender, stop.clone(), group);
    Ok(Session { has_audio: audio.is_some(), events, stop, _task: AbortOnDropHandle::new(tokio::spawn(work)) })
}

impl Session {
    /// Asks it to end; [`Event::Ended`] tells when the camera has let go.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// The next event; nothing comes after [`Event::Ended`]. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            // The task was asked to end, or died of a defect.
            None => Event::Ended(Symptom::Other, String::new()),
        }
    }
}

async fn begin(
    source: &Source,
    with_audio: bool,
    patience: Duration,
    group: &Arc<SessionGroup>,
) -> Result<Conversation<Playing>, Failed> {
    let options = SessionOptions::default()
        .creds(source.login().map(credentials))
        .user_agent(USER_AGENT.to_owned())
        .session_group(group.clone());
    let url = source.url().parse().map_err(|_| Failed { symptom: Symptom::NeedsFfmpeg, text: "odd URL".to_owned() })?;
    let mut conversation = answered(timeout(patience, Conversation::describe(url, options)).await)?;
    let video = described(&conversation, "video")
        .ok_or_else(|| Failed { symptom: Symptom::NoVideo, text: "there is no video track".to_owned() })?;
    let audio = described(&conversation, "audio").filter(|_| with_audio);
    for track in [Some(video), audio].into_iter().flatten() {
        let options = SetupOptions::default().transport(Transport::Tcp(retina::client::TcpTransportOptions::default()));
        answered(timeout(patience, conversation.setup(track, options)).await)?;
    }
    // Cameras tell many stories of where their clocks begin; what is not told begins with its first packet.
    let options = PlayOptions::default()
        .initial_timestamp(InitialTimestampPolicy::Permissive)
        .unknown_rtcp_ssrc(UnknownRtcpSsrcPolicy::DropPackets);
    answered(timeout(patience, conversation.play(options)).await)
}

async fn read(
    conversation: Conversation<Playing>,
    mut tracks: Tracks,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
    group: Arc<SessionGroup>,
) {
    let reading = async {
        let mut frames = match conversation.demuxed() {
            Ok(frames) => frames,
            Err(error) => return Some(Failed::from(&error)),
        };
        loop {
            let item = match frames.next().await {
                Some(Ok(item)) => item,
                Some(Err(error)) => return Some(Failed::from(&error)),
                None => return Some(Failed { symptom: Symptom::Unreachable, text: "the source ended".to_owned() }),
            };
            let at = SystemTime::now();
            let items = match item {
                CodecItem::VideoFrame(frame) => tracks.video(&frame, frames.streams()),
                CodecItem::AudioFrame(frame) => Ok(tracks.audio(&frame, frames.streams())),
                CodecItem::Rtcp(packet) => {
                    tracks.rtcp(&packet);
                    continue;
                }
                _ => continue,
            };
            match items {
                Ok(items) => {
                    for item in items.into_iter().flatten() {
                        if events.send(Event::Item(item, at)).await.is_err() {
                            return None;
                        }
                    }
                }
                Err(text) => return Some(Failed { symptom: Symptom::NeedsFfmpeg, text }),
            }
        }
    };
    // The conversation goes with the reading of it, and says goodbye as it goes.
    let ended = stop.run_until_cancelled(reading).await.flatten();
    timeout(FAREWELL, group.await_teardown()).await.ok();
    if let Some(Failed { symptom, text }) = ended {
        events.send(Event::Ended(symptom, text)).await.ok();
    }
}

fn described(conversation: &Conversation<Described>, media: &str) -> Option<usize> {
    conversation.streams().iter().position(|stream| stream.media() == media)
}

fn position(conversation: &Conversation<Playing>, media: &str) -> Option<usize> {
    conversation.streams().iter().position(|stream| stream.media() == media)
}

fn credentials(login: &Login) -> retina::client::Credentials {
    retina::client::Credentials {
        username: login.username.expose_secret().to_owned(),
        password: login.password.expose_secret().to_owned(),
    }
}

fn answered<T>(result: Result<Result<T, retina::Error>, Elapsed>) -> Result<T, Failed> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failed::from(&error)),
        Err(_) => Err(Failed { symptom: Symptom::Unreachable, text: "the source does not answer".to_owned() }),
    }
}

impl From<&retina::Error> for Failed {
    /// What the library says apart from a status comes as text only. What is not about the network is about what the camera
    /// said, which ffmpeg may understand.
    fn from(error: &retina::Error) -> Self {
        const NETWORK: &[&str] =
            &["Unable to connect", "Error reading from RTSP peer", "Error writing to RTSP peer", "Timeout"];
        let text = error.to_string();
        let text = text.lines().next().unwrap_or_default().to_owned();
        let symptom = match error.status_code() {
            Some(401 | 403) => Symptom::Unauthorized,
            Some(_) => Symptom::Unreachable,
            None if NETWORK.iter().any(|start| text.starts_with(start)) => Symptom::Unreachable,
            None => Symptom::NeedsFfmpeg,
        };
        Self { symptom, text }
    }
}
