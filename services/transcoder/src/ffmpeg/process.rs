//! One run of ffmpeg: started confined, read without delay, and never left behind.
//!
//! A thread of its own starts each process, waits for it and lives exactly as long, because the kernel's death signal is
//! bound to the thread that forked. So the process dies with ours, however ours dies; and dropping a [`Process`] ends it,
//! group and all: SIGTERM, and SIGKILL a second later. Messages are always read, since a full pipe would stall it, and they
//! leave this module without logins.
//!
//! It neither retries nor judges; that is [`super::feed`].

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use secrecy::ExposeSecret;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::Settings;
use super::command::Invocation;
use super::diagnosis::Scrubber;
use super::reception::{self, Reception};
use crate::flv::{Demuxer, Error as FlvError, Item};
use crate::muxer::Track;

/// How long it may take to end when asked to.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longest message that is kept; the rest of it is dropped.
const MAX_LINE: usize = 1024;

/// What a run gives.
#[derive(Debug)]
pub(crate) enum Event {
    /// An item of a track, and when it reached us; of audio, when it came out of the pipe.
    Item(Item, SystemTime),
    /// A track's pipe ended; for video that is the beginning of the end.
    Ended(Track),
    /// What came out of a pipe is no FLV.
    Broken(FlvError),
    /// A message, without logins.
    Message(String),
    /// It is gone and reaped, and everything it wrote was given.
    Exited(ExitStatus),
}

/// A run of ffmpeg.
#[derive(Debug)]
pub(crate) struct Process {
    leash: Leash,
    tracks: [Option<Output>; 2],
    /// Track that was read and may have items left.
    drains: Option<Track>,
    messages: Option<Messages>,
    reception: Reception,
    exit: oneshot::Receiver<ExitStatus>,
    status: Option<ExitStatus>,
}

#[derive(Debug)]
struct Output {
    pipe: pipe::Receiver,
    demuxer: Demuxer,
    read_at: SystemTime,
}

/// Starts a run. The result comes once the program is executed, or could not be.
pub(crate) fn start(
    settings: &Settings,
    invocation: &Invocation,
    scrubber: Scrubber,
) -> io::Result<impl Future<Output = io::Result<Process>> + Send + 'static> {
    let (video, video_end) = io::pipe()?;
    let (audio, audio_end) = io::pipe()?;
    let (stderr, stderr_end) = io::pipe()?;
    let (leash, exit, started) = {
        let mut command = Command::new(&settings.program);
        command.args(&invocation.args).stdin(stdin(invocation)?).stdout(video_end).stderr(stderr_end);
        let audio_end = invocation.audio.then_some(audio_end);
        settings.sandbox.confine(&mut command, audio_end.as_ref().map(AsRawFd::as_raw_fd));
        spawn(command, audio_end)?
    };
    // Readers are made now, as they need the runtime of the caller.
    let output = |reader| -> io::Result<Option<Output>> {
        Ok(Some(Output { pipe: receiver(reader)?, demuxer: Demuxer::new(), read_at: SystemTime::UNIX_EPOCH }))
    };
    let tracks = [output(video)?, if invocation.audio { output(audio)? } else { None }];
    let messages = Some(Messages::new(receiver(stderr)?, scrubber));
    let reception = Reception::default();
    let process = Process { leash, tracks, drains: None, messages, reception, exit, status: None };
    Ok(async move {
        match started.await {
            Ok(Ok(())) => Ok(process),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the thread that starts ffmpeg is gone")),
        }
    })
}

impl Process {
    /// Process id, for logs.
    pub(crate) fn id(&self) -> Option<i32> {
        self.leash.0.lock().unwrap_or_else(PoisonError::into_inner).map(Pid::as_raw)
    }

    /// Asks it to end; [`Event::Exited`] tells when it has.
    pub(crate) fn stop(&self) {
        self.leash.end();
    }

    /// The next event; nothing comes after [`Event::Exited`]. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.buffered() {
                return event;
            }
            let [video, audio] = &mut self.tracks;
            let all_read = video.is_none() && audio.is_none() && self.messages.is_none();
            if let Some(status) = self.status.filter(|_| all_read) {
                return Event::Exited(status);
            }
            let (track, result) = tokio::select! {
                result = Output::fill(video) => (Some(Track::Video), result),
                result = Output::fill(audio) => (Some(Track::Audio), result),
                result = Messages::fill(&mut self.messages, &mut self.reception) => (None, result),
                status = &mut self.exit, if self.status.is_none() => {
                    // Without a status the thread is gone, and with it the process.
                    self.status = Some(status.unwrap_or_else(|_| ExitStatus::from_raw(Signal::SIGKILL as i32)));
                    continue;
                }
            };
            // A pipe that fails is as good as one that ended.
            let ended = !matches!(result, Ok(bytes) if bytes > 0);
            match track {
                Some(track) if ended => {
                    self.tracks[index(track)] = None;
                    return Event::Ended(track);
                }
                Some(track) => self.drains = Some(track),
                None if ended => self.messages = None,
                None => {}
            }
        }
    }

    fn buffered(&mut self) -> Option<Event> {
        if let Some(line) = self.messages.as_mut().and_then(|messages| messages.lines.pop_front()) {
            return Some(Event::Message(line));
        }
        let track = self.drains?;
        let output = self.tracks[index(track)].as_mut()?;
        match output.demuxer.next() {
            Ok(Some(item)) => {
                let at = match &item {
                    Item::Video(picture) => {
                        self.reception.of(picture.dts_ms + i64::from(picture.cts_ms), output.read_at)
                    }
                    _ => output.read_at,
                };
                Some(Event::Item(item, at))
            }
            Ok(None) => {
                self.drains = None;
                None
            }
            Err(error) => {
                self.drains = None;
                self.tracks[index(track)] = None;
                Some(Event::Broken(error))
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.leash.end();
    }
}

fn index(track: Track) -> usize {
    match track {
        Track::Video => 0,
        Track::Audio => 1,
    }
}

impl Output {
    async fn fill(output: &mut Option<Self>) -> io::Result<usize> {
        let Some(output) = output else { return std::future::pending().await };
        let bytes = output.pipe.read_buf(output.demuxer.space()).await?;
        output.read_at = SystemTime::now();
        Ok(bytes)
    }
}

#[derive(Debug)]
struct Messages {
    pipe: pipe::Receiver,
    buffer: BytesMut,
    lines: VecDeque<String>,
    scrubber: Scrubber,
}

impl Messages {
    fn new(pipe: pipe::Receiver, scrubber: Scrubber) -> Self {
        Self { pipe, buffer: BytesMut::new(), lines: VecDeque::new(), scrubber }
    }

    /// Reads messages; those that are marks go where they belong.
    async fn fill(messages: &mut Option<Self>, reception: &mut Reception) -> io::Result<usize> {
        let Some(messages) = messages else { return std::future::pending().await };
        messages.buffer.reserve(MAX_LINE);
        let bytes = messages.pipe.read_buf(&mut messages.buffer).await?;
        messages.split(|pts_ms| reception.marked(pts_ms, SystemTime::now()));
        Ok(bytes)
    }

    fn split(&mut self, mut marked: impl FnMut(i64)) {
        while let Some(end) = self.buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = self.buffer.split_to(end + 1);
            if let Some(pts_ms) = reception::mark(&line) {
                marked(pts_ms);
                continue;
            }
            let line = String::from_utf8_lossy(whole_words(&line[..end]));
            let line = self.scrubber.scrub(line.trim());
            if !line.is_empty() {
                self.lines.push_back(line);
            }
        }
        self.buffer.truncate(MAX_LINE + 1);
    }
}

/// As much of a line as is kept. What was cut may be half a login, which the scrubber would not recognise.
fn whole_words(line: &[u8]) -> &[u8] {
    match line.get(..MAX_LINE) {
        Some(kept) if line.len() > MAX_LINE => &kept[..kept.iter().rposition(|byte| *byte == b' ').unwrap_or(0)],
        _ => line,
    }
}

/// The process group as long as it is there; its number may belong to somebody else afterwards.
#[derive(Debug, Clone, Default)]
struct Leash(Arc<Mutex<Option<Pid>>>);

impl Leash {
    fn signal(&self, signal: Signal) {
        // The lock is held, so that the process is not reaped meanwhile. It may be a zombie, which takes any signal.
        if let Some(group) = *self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && let Err(error) = killpg(group, signal)
        {
            tracing::debug!(%error, "ffmpeg could not be signalled");
        }
    }

    fn end(&self) {
        self.signal(Signal::SIGTERM);
        let leash = self.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                leash.signal(Signal::SIGKILL);
            })),
            // The runtime is being taken down, so nobody would come back for it.
            Err(_) => leash.signal(Signal::SIGKILL),
        }
    }
}

type Spawned = (Leash, oneshot::Receiver<ExitStatus>, oneshot::Receiver<io::Result<()>>);

/// Starts the process from a thread that waits for it.
fn spawn(mut command: Command, audio_end: Option<PipeWriter>) -> io::Result<Spawned> {
    let leash = Leash::default();
    let (exited, exit) = oneshot::channel();
    let (starting, started) = oneshot::channel();
    let held = leash.clone();
    std::thread::Builder::new().name("ffmpeg".to_owned()).stack_size(128 << 10).spawn(move || {
        let spawned = command.spawn();
        // Our copies of its ends go, so that the pipes end when it does.
        drop((command, audio_end));
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                starting.send(Err(error)).ok();
                return;
            }
        };
        let pid = Pid::from_raw(child.id() as i32);
        *held.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(pid);
        if starting.send(Ok(())).is_err() {
            // Whoever asked for it went away before it was there.
            held.signal(Signal::SIGKILL);
        }
        while let Err(nix::Error::EINTR) = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {}
        let mut group = held.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It is a zombie still, so the number is its own; this is for anything it may have started.
        killpg(pid, Signal::SIGKILL).ok();
        *group = None;
        let status = child.wait().unwrap_or_else(|_| ExitStatus::from_raw(Signal::SIGKILL as i32));
        drop(group);
        exited.send(status).ok();
    })?;
    Ok((leash, exit, started))
}

fn stdin(invocation: &Invocation) -> io::Result<Stdio> {
    let Some(script) = &invocation.script else { return Ok(Stdio::null()) };
    let (reader, mut writer) = io::pipe()?;
    // A few hundred bytes: they fit into the pipe.
    writer.write_all(script.expose_secret().as_bytes())?;
    Ok(reader.into())
}

fn receiver(reader: PipeReader) -> io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(OwnedFd::from(reader))
}

#[cfg(test)]
mod tests;
