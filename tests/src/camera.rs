//! RTSP cameras: `deploy/local/camera.py`, a process for each, so that each can be lost alone.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::part::Part;
use crate::{binaries, ports};

/// What a camera sends, and what the sources file says of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Name of its mount, and of the source.
    pub name: String,
    /// One of the kinds of `camera.py`.
    #[serde(default = "aac")]
    pub kind: String,
    /// Width and height, as `640x360`.
    #[serde(default)]
    pub size: Option<String>,
    /// Frames per second.
    #[serde(default)]
    pub fps: Option<u32>,
    /// Of the video, in kbit/s.
    #[serde(default)]
    pub bitrate: Option<u32>,
    /// Seconds between keyframes.
    #[serde(default)]
    pub gop: Option<f64>,
    /// One video frame in so many is lost.
    #[serde(default)]
    pub loss: Option<u32>,
    /// `user:password` that it asks for.
    #[serde(default)]
    pub credentials: Option<String>,
    /// `basic` or `digest`, if there are credentials. Default: digest.
    #[serde(default)]
    pub auth: Option<String>,
    /// Profiles that the source is offered in. Default: all.
    #[serde(default)]
    pub profiles: Option<Vec<String>>,
    /// Highest number of viewers of the source. Default: no limit.
    #[serde(default)]
    pub max_viewers: Option<u32>,
    /// Serves one client at a time.
    #[serde(default)]
    pub single: bool,
    /// Without the stamp of the time in the picture.
    #[serde(default)]
    pub plain: bool,
    /// Whether it is switched on at first.
    #[serde(default = "yes")]
    pub running: bool,
}

fn aac() -> String {
    "aac".to_owned()
}

fn yes() -> bool {
    true
}

impl Camera {
    /// A camera of a kind, 640x360 at 30 frames a second, without login.
    pub fn new(name: &str, kind: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            size: None,
            fps: None,
            bitrate: None,
            gop: None,
            loss: None,
            credentials: None,
            auth: None,
            profiles: None,
            max_viewers: None,
            single: false,
            plain: false,
            running: true,
        }
    }

    /// With a login.
    #[must_use]
    pub fn credentials(self, credentials: &str, auth: &str) -> Self {
        Self { credentials: Some(credentials.to_owned()), auth: Some(auth.to_owned()), ..self }
    }

    /// With another picture.
    #[must_use]
    pub fn size(self, size: &str) -> Self {
        Self { size: Some(size.to_owned()), ..self }
    }

    /// With another number of seconds between keyframes.
    #[must_use]
    pub fn gop(self, seconds: f64) -> Self {
        Self { gop: Some(seconds), ..self }
    }

    /// Losing one frame in `one_in`.
    #[must_use]
    pub fn loss(self, one_in: u32) -> Self {
        Self { loss: Some(one_in), ..self }
    }

    /// Serving one client at a time.
    #[must_use]
    pub fn single(self) -> Self {
        Self { single: true, ..self }
    }

    /// For so many viewers at most.
    #[must_use]
    pub fn max_viewers(self, number: u32) -> Self {
        Self { max_viewers: Some(number), ..self }
    }

    /// Switched off at first.
    #[must_use]
    pub fn off(self) -> Self {
        Self { running: false, ..self }
    }

    /// User name and password.
    pub fn login(&self) -> Option<(&str, &str)> {
        self.credentials.as_deref()?.split_once(':')
    }

    fn args(&self, port: u16) -> Vec<String> {
        let mut args = vec![
            "-u".to_owned(),
            binaries::repository().join("deploy/local/camera.py").to_string_lossy().into_owned(),
            format!("{}={}", self.name, self.kind),
            format!("--port={port}"),
        ];
        let mut option = |name: &str, value: Option<String>| {
            args.extend(value.map(|value| format!("--{name}={value}")));
        };
        option("size", self.size.clone());
        option("fps", self.fps.map(|value| value.to_string()));
        option("bitrate", self.bitrate.map(|value| value.to_string()));
        option("gop", self.gop.map(|value| value.to_string()));
        option("loss", self.loss.map(|value| value.to_string()));
        option("auth", self.login().map(|_| self.auth.clone().unwrap_or_else(|| "digest".to_owned())));
        args.extend(self.single.then(|| "--single".to_owned()));
        args.extend(self.plain.then(|| "--plain".to_owned()));
        args
    }
}

/// A camera with its process and its address.
#[derive(Debug)]
pub struct Running {
    /// Its process.
    pub part: Part,
    /// What it is.
    pub camera: Camera,
    port: u16,
}

impl Running {
    /// Takes an address for it; nothing starts.
    pub fn new(camera: Camera) -> Self {
        let mut part = Part::new(format!("camera:{}", camera.name), Path::new("/usr/bin/python3"));
        if let Some(credentials) = &camera.credentials {
            part = part.env("CAMERA_CREDENTIALS", credentials);
        }
        Self { part, camera, port: ports::free() }
    }

    /// Where it is, or will be.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/{}", self.port, self.camera.name)
    }

    /// Starts the process, as the camera is described now.
    pub fn begin(&mut self) -> Result<()> {
        self.part.args = self.camera.args(self.port);
        self.part.start()
    }

    /// Waits until it can be dialled.
    pub async fn ready(&mut self) -> Result<()> {
        self.part.listening("rtsp").await.map(|_| ()).context("the camera")
    }

    /// How many RTSP connections it has now.
    pub fn clients(&mut self) -> u32 {
        if !self.part.running() {
            return 0;
        }
        let count = |line: &str| line.strip_prefix("client ")?.rsplit_once("clients=")?.1.parse().ok();
        self.part.log().last(self.part.born(), count).unwrap_or(0)
    }

    /// How many RTSP connections it has had since it was first started.
    pub fn connections(&self) -> usize {
        self.part.log().lines().iter().filter(|line| line.text.starts_with("client connected")).count()
    }
}
