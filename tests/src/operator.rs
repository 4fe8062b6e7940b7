//! An operator: runs `mqtt-video-cli` against a world, and looks at what it wrote with ffprobe.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::{World, binaries, wait};

/// The program, running; killed when dropped.
#[derive(Debug)]
pub struct Running(Child);

/// What became of it.
#[derive(Debug)]
pub struct Ran {
    /// Exit status.
    pub status: i32,
    /// What it wrote to standard output.
    pub out: Vec<u8>,
    /// What it told people.
    pub err: String,
}

/// A media file as ffprobe sees it.
#[derive(Debug)]
pub struct Probed {
    /// Frames of video that were decoded.
    pub frames: u64,
    /// Names of the codecs in the order of the tracks.
    pub codecs: Vec<String>,
    /// Seconds at which video begins, and at which its last frame is shown.
    pub times: (f64, f64),
    /// What a decoder complained of.
    pub complaints: String,
}

/// Starts it with these arguments; broker and gatekeeper are those of the world.
pub fn start(world: &World, args: &[impl AsRef<OsStr>]) -> Running {
    let broker = format!("mqtt://{}", world.mqtt());
    let gatekeeper = format!("http://{}", world.gatekeeper.http);
    Running::spawn(args, &[("MQTT_VIDEO_BROKER", &broker), ("MQTT_VIDEO_GATEKEEPER", &gatekeeper)])
}

/// Runs it to its end.
pub async fn run(world: &World, args: &[impl AsRef<OsStr>]) -> Ran {
    start(world, args).end().await
}

/// Runs it to its end where there is no world.
pub async fn run_alone(args: &[impl AsRef<OsStr>]) -> Ran {
    Running::spawn(args, &[]).end().await
}

impl Running {
    fn spawn(args: &[impl AsRef<OsStr>], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binaries::path("mqtt-video-cli").expect("the program is built"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MQTT_VIDEO_")) {
            command.env_remove(name);
        }
        command.args(args).envs(environment.iter().copied()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("mqtt-video-cli starts"))
    }

    /// Does what Ctrl-C does.
    pub fn interrupt(&self) {
        let id = self.0.id().expect("it runs");
        kill(Pid::from_raw(id as i32), Signal::SIGINT).expect("it takes signals");
    }

    /// Waits for its end.
    pub async fn end(self) -> Ran {
        let ended = wait::within("mqtt-video-cli ends", self.0.wait_with_output()).await;
        let Output { status, stdout, stderr } = ended.expect("it can be waited for");
        let err = String::from_utf8_lossy(&stderr).into_owned();
        Ran { status: status.code().unwrap_or_else(|| panic!("{status}: {err}")), out: stdout, err }
    }
}

impl Ran {
    /// The one JSON object on standard output of a command that worked.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 0, "{}", self.err);
        self.object()
    }

    /// The one JSON object on standard output.
    #[track_caller]
    pub fn object(&self) -> Value {
        let out = String::from_utf8_lossy(&self.out);
        assert_eq!(out.lines().count(), 1, "one object: {out} {}", self.err);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }
}

/// Reads and decodes a file.
pub async fn probe(file: &Path) -> Probed {
    let fields = "stream=codec_name,nb_read_frames,codec_type:packet=pts_time";
    let args = ["-v", "error", "-count_frames", "-show_streams", "-of", "json"];
    let output = Command::new("ffprobe").args(args).arg(file).output();
    let streams = read(&output.await.expect("ffprobe runs"));
    let args = ["-v", "error", "-select_streams", "v:0", "-show_packets", "-show_entries", fields, "-of", "json"];
    let output = Command::new("ffprobe").args(args).arg(file).output();
    let packets = read(&output.await.expect("ffprobe runs"));
    let args = ["-v", "warning", "-xerror", "-nostdin", "-i"];
    let decoded = Command::new("ffmpeg").args(args).arg(file).args(["-f", "null", "-"]).output();
    let decoded = decoded.await.expect("ffmpeg runs");
    let streams = streams["streams"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let video = streams.iter().find(|stream| stream["codec_type"] == "video").expect("a video track");
    let times = packets["packets"].as_array().into_iter().flatten();
    let times: Vec<f64> = times.filter_map(|packet| text(&packet["pts_time"]).parse().ok()).collect();
    Probed {
        frames: text(&video["nb_read_frames"]).parse().expect("a number of frames"),
        codecs: streams.iter().map(|stream| text(&stream["codec_name"])).collect(),
        times: (times.iter().copied().fold(f64::MAX, f64::min), times.iter().copied().fold(0.0, f64::max)),
        complaints: String::from_utf8_lossy(&decoded.stderr).into_owned(),
    }
}

#[track_caller]
fn read(output: &Output) -> Value {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && err.is_empty(), "ffprobe: {err}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}
