//! `play`: one viewer, to a file or for its figures.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::time::{interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::args::Play;
use crate::connection::Connection;
use crate::exit::{self, Ended, Failure};
use crate::media::mp4::Segment;
use crate::media::recorder::Recorder;
use crate::output::{self, Sink};
use crate::viewer::{Options, Viewer};
use crate::wire::{Described, Wanted};

/// How long a write may take after Ctrl-C: a player that is paused does not read.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Plays until it is over, and tells what it was like.
pub(crate) async fn run(args: Play) -> Result<(), Ended> {
    let Play { service, stream, delivery, source, out, duration, json } = args;
    if json && out.as_deref().is_some_and(|out| out.as_os_str() == "-") {
        usage("standard output carries the media; --json needs --out FILE, or none");
    }
    let interrupted = runtime::shutdown::signals()?;
    let wanted = Wanted { source, profile: stream.profile, token: service.token()? };
    let connection = Connection::open(&service.broker).await?;
    let options = Options { prefix: service.topic_prefix, wanted, timeout: service.timeout };
    let mut viewer = Viewer::open(&connection, options).await?;
    let described = tokio::select! {
        described = viewer.describe() => described.map(Some),
        () = interrupted.cancelled() => Ok(None),
    };
    let described = match described {
        Ok(Some((described, _))) => described,
        other => {
            viewer.close().await;
            connection.close().await;
            return Ok(other.map(|_| ())?);
        }
    };
    // Not before: a wrong name costs nobody a file.
    let sink = Sink::open(out.as_deref()).await?;
    let audio = described.tracks.audio.is_some() && !delivery.video_only;
    let mut show = Show {
        recorder: Recorder::new(delivery.delivery, audio),
        sink,
        duration,
        progress: progress(duration),
        warned: false,
        runs: 0,
        generation: 0,
    };
    let played = match viewer.play(&described, &delivery).await {
        Ok(()) => show.run(&mut viewer, &interrupted).await,
        Err(failure) => Err(failure),
    };
    // What was written is complete, however it ended.
    let finished = show.finish().await;
    let told = viewer.figures().told(viewer.faults());
    viewer.close().await;
    connection.close().await;
    let Described { source, profile, worker, .. } = described;
    output::tell(&format!(
        "\n{source} in profile {profile}, {} delivery, worker {worker}\n{told}",
        delivery.delivery.name()
    ));
    if json {
        let mut object = json!({
            "source": source, "profile": profile, "worker": worker, "delivery": delivery.delivery.name(),
            "restarts": show.runs.saturating_sub(1), "written_bytes": show.sink.written(),
            "error": played.as_ref().err().map(exit::object),
        });
        let told = serde_json::to_value(&told).map_err(|error| Failure::Internal(error.to_string()))?;
        if let (Some(object), serde_json::Value::Object(told)) = (object.as_object_mut(), told) {
            object.extend(told);
        }
        output::print_json(&object)?;
    }
    played.and(finished).map_err(Ended::told)
}

struct Show {
    recorder: Recorder,
    sink: Sink,
    duration: Option<Duration>,
    progress: ProgressBar,
    warned: bool,
    /// Runs of the stream that were seen, and the newest of them.
    runs: u64,
    generation: u64,
}

impl Show {
    /// Until it was long enough, somebody interrupts, or nobody reads any more.
    async fn run(&mut self, viewer: &mut Viewer<'_>, interrupted: &CancellationToken) -> Result<(), Failure> {
        let mut end = None;
        let mut redraw = interval(Duration::from_millis(250));
        loop {
            let over = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            let segments = tokio::select! {
                segments = viewer.next() => segments?,
                () = over => return Ok(()),
                () = interrupted.cancelled() => return Ok(()),
                _ = redraw.tick() => {
                    self.draw(viewer);
                    continue;
                }
            };
            if let (None, Some(duration), Some(_)) = (end, self.duration, viewer.figures().first_keyframe()) {
                end = Some((Instant::now() + duration).into());
            }
            if viewer.generation() > self.generation {
                self.generation = viewer.generation();
                self.runs += 1;
            }
            let stuck = async {
                interrupted.cancelled().await;
                sleep(LAST_WRITE).await;
            };
            let goes_on = tokio::select! {
                goes_on = self.record(segments) => goes_on?,
                () = stuck => {
                    self.sink.abandon();
                    false
                }
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    async fn record(&mut self, segments: Vec<Segment>) -> Result<bool, Failure> {
        if !self.sink.takes() {
            return Ok(true);
        }
        for segment in segments {
            let bytes = self.recorder.push(segment).map_err(|error| Failure::Internal(error.to_string()))?;
            if !bytes.is_empty() && !self.sink.write(&bytes).await? {
                return Ok(false);
            }
        }
        if self.recorder.changed() && !self.warned {
            self.warned = true;
            self.progress
                .suspend(|| output::tell("the stream's parameters changed; players may stop there in the file"));
        }
        Ok(true)
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        self.progress.finish_and_clear();
        if self.sink.takes() {
            let bytes = self.recorder.finish().map_err(|error| Failure::Internal(error.to_string()))?;
            self.sink.write(&bytes).await?;
        }
        Ok(())
    }

    fn draw(&self, viewer: &Viewer<'_>) {
        let figures = viewer.figures();
        let (Some(first), Some(last)) = (figures.first_keyframe(), figures.last()) else { return };
        self.progress.set_position(last.saturating_sub(first).as_millis() as u64);
        let told = figures.told(viewer.faults());
        let latency = told.latency_ms.map_or(String::new(), |latency| format!(", latency {} ms", latency.p50));
        let kbits = told.bitrate.unwrap_or(0) / 1000;
        let fps = told.fps.unwrap_or(0.0);
        self.progress
            .set_message(format!("{} frames, {fps} fps, {kbits} kbit/s, {} gaps{latency}", told.frames, told.gaps));
    }
}

/// On a terminal; elsewhere it draws nothing.
fn progress(duration: Option<Duration>) -> ProgressBar {
    let (bar, template) = match duration {
        Some(duration) => (ProgressBar::new(duration.as_millis() as u64), "{bar:20} {elapsed:>4} {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {elapsed:>4} {msg}"),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Ends the program as clap does for arguments that do not go together.
fn usage(message: &str) {
    use clap::CommandFactory as _;
    crate::args::Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit()
}
