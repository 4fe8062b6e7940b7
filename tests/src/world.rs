//! A world: every part of the system, real, on the loopback interface, for one test.
//!
//! Parts start in the order in which they need each other: broker, cameras, transcoders, gatekeeper; and a world is ready
//! when the gatekeeper has subscribed. Dropped, it ends all of them; while a test panics it tells their logs first.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::camera::{Camera, Running};
use crate::log::Line;
use crate::part::Part;
use crate::processes::{self, Identity};
use crate::services::Service;
use crate::sources::Sources;
use crate::wait;
use crate::wire::Wire;

/// What a world consists of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Description {
    /// Its cameras; each is a source of the same name.
    pub cameras: Vec<Camera>,
    /// The sources file, if it is not to be made of the cameras. `{NAME}` stands for a camera's URL.
    pub sources: Option<String>,
    /// Further arguments of each transcoder.
    pub transcoders: Vec<Vec<String>>,
    /// Further arguments of the gatekeeper.
    pub gatekeeper: Vec<String>,
    /// Environment variables of the services.
    pub environment: BTreeMap<String, String>,
    /// Environment variables of the transcoders.
    pub transcoder_environment: BTreeMap<String, String>,
    /// Further lines of mosquitto's configuration.
    pub mosquitto: String,
    /// Whether the gatekeeper reaches the transcoders through wires that can be cut.
    pub wired: bool,
    /// Whether each service reaches the broker through a wire of its own.
    pub broker_wired: bool,
}

impl Default for Description {
    fn default() -> Self {
        Self {
            cameras: Vec::new(),
            sources: None,
            transcoders: vec![Vec::new(), Vec::new()],
            gatekeeper: Vec::new(),
            environment: BTreeMap::new(),
            transcoder_environment: BTreeMap::new(),
            mosquitto: String::new(),
            wired: false,
            broker_wired: false,
        }
    }
}

impl Description {
    /// With a camera of a kind that `camera.py` knows.
    #[must_use]
    pub fn camera(self, name: &str, kind: &str) -> Self {
        self.with(Camera::new(name, kind))
    }

    /// With a camera.
    #[must_use]
    pub fn with(mut self, camera: Camera) -> Self {
        self.cameras.push(camera);
        self
    }

    /// With so many transcoders, all with these further arguments, separated by blanks.
    #[must_use]
    pub fn transcoders(mut self, number: usize, args: &str) -> Self {
        let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
        self.transcoders = vec![args; number];
        self
    }

    /// With further arguments of the gatekeeper, separated by blanks.
    #[must_use]
    pub fn gatekeeper(mut self, args: &str) -> Self {
        self.gatekeeper.extend(args.split_whitespace().map(str::to_owned));
        self
    }

    /// With wires from the gatekeeper to the transcoders.
    #[must_use]
    pub fn wired(self) -> Self {
        Self { wired: true, ..self }
    }

    /// With a wire from each service to the broker.
    #[must_use]
    pub fn broker_wired(self) -> Self {
        Self { broker_wired: true, ..self }
    }

    /// With further lines of mosquitto's configuration.
    #[must_use]
    pub fn mosquitto(mut self, lines: &str) -> Self {
        self.mosquitto.push_str(lines);
        self
    }

    /// With an environment variable of the services.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With this sources file; `{NAME}` stands for a camera's URL.
    #[must_use]
    pub fn sources(mut self, yaml: &str) -> Self {
        self.sources = Some(yaml.to_owned());
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// When a part does not start; the logs of all are printed before.
    pub async fn start(self) -> World {
        match self.try_start().await {
            Ok(world) => world,
            Err(error) => panic!("the world does not start: {error:#}"),
        }
    }

    /// Starts it; prints the logs of all parts if one of them does not start.
    pub async fn try_start(self) -> Result<World> {
        let dir = tempfile::Builder::new().prefix("mqtt-video-").tempdir()?;
        let broker = Broker::start(dir.path(), &self.mosquitto).await?;
        let wire = Wire::to(broker.websocket).await?;
        let sources = Sources::in_folder(dir.path());
        let mut broker_wires = BTreeMap::new();
        if self.broker_wired {
            let names = (0..self.transcoders.len()).map(|number| format!("transcoder{number}"));
            for name in names.chain(["gatekeeper".to_owned()]) {
                broker_wires.insert(name, Wire::to(broker.mqtt).await?);
            }
        }
        let to_broker = |name: &str| broker_wires.get(name).map_or(broker.mqtt, |wire| wire.address);
        let transcoders = self.transcoders.iter().enumerate();
        let transcoders = transcoders.map(|(number, args)| {
            let transcoder = Service::transcoder(number, to_broker(&format!("transcoder{number}")), args)?;
            let environment = self.environment.iter().chain(&self.transcoder_environment);
            Ok(transcoder.environment(environment.map(|(name, value)| (name.clone(), value.clone()))))
        });
        let transcoders = transcoders.collect::<Result<Vec<_>>>()?;
        let mut wires = Vec::new();
        let mut addresses: Vec<_> = transcoders.iter().filter_map(|transcoder| transcoder.grpc).collect();
        if self.wired {
            for address in &mut addresses {
                let wire = Wire::to(*address).await?;
                *address = wire.address;
                wires.push(wire);
            }
        }
        let gatekeeper =
            Service::gatekeeper(to_broker("gatekeeper"), wire.address, &sources.file, &addresses, &self.gatekeeper)?;
        let gatekeeper = gatekeeper.environment(self.environment);
        let cameras = self.cameras.into_iter().map(|camera| (camera.name.clone(), Running::new(camera))).collect();
        let mut world = World { cameras, transcoders, gatekeeper, sources, wire, wires, broker_wires, broker, dir };
        match world.begin(self.sources.as_deref()).await {
            Ok(()) => Ok(world),
            Err(error) => {
                world.tell();
                Err(error)
            }
        }
    }
}

/// All parts, running.
#[derive(Debug)]
pub struct World {
    /// The cameras by name.
    pub cameras: BTreeMap<String, Running>,
    /// The transcoders, in the order of their description.
    pub transcoders: Vec<Service>,
    /// The gatekeeper.
    pub gatekeeper: Service,
    /// The gatekeeper's sources file.
    pub sources: Sources,
    /// The way of browsers to the broker.
    pub wire: Wire,
    /// The ways of the gatekeeper to the transcoders, if there are wires.
    pub wires: Vec<Wire>,
    /// The ways of services to the broker by their names, if there are wires.
    pub broker_wires: BTreeMap<String, Wire>,
    /// The broker.
    pub broker: Broker,
    /// Where all files of this world are.
    pub dir: TempDir,
}

impl World {
    /// One with two transcoders, and no camera yet.
    pub fn describe() -> Description {
        Description::default()
    }

    /// The camera `name`.
    #[track_caller]
    pub fn camera(&mut self, name: &str) -> &mut Running {
        let Some(camera) = self.cameras.get_mut(name) else { panic!("there is no camera {name}") };
        camera
    }

    /// The URL of the camera `name`.
    #[track_caller]
    pub fn url(&self, name: &str) -> String {
        let Some(camera) = self.cameras.get(name) else { panic!("there is no camera {name}") };
        camera.url()
    }

    /// Where the broker speaks MQTT.
    pub fn mqtt(&self) -> SocketAddr {
        self.broker.mqtt
    }

    /// The ffmpegs of each transcoder.
    pub fn ffmpegs(&mut self) -> Vec<Vec<Identity>> {
        let ids = self.transcoders.iter().map(|transcoder| transcoder.part.started());
        ids.map(|id| id.map(processes::ffmpegs).unwrap_or_default()).collect()
    }

    /// How many ffmpegs run.
    pub fn ffmpeg_count(&mut self) -> usize {
        self.ffmpegs().iter().map(Vec::len).sum()
    }

    /// The one ffmpeg that runs.
    #[track_caller]
    pub fn the_ffmpeg(&mut self) -> Identity {
        let mut all: Vec<Identity> = self.ffmpegs().into_iter().flatten().collect();
        assert_eq!(all.len(), 1, "one ffmpeg runs: {all:?}");
        all.remove(0)
    }

    /// Waits until no ffmpeg runs, and no camera has a client.
    pub async fn idle(&mut self) {
        wait::until_equal("no ffmpeg, no RTSP client", (0, 0), || {
            let clients: u32 = self.cameras.values_mut().map(Running::clients).sum();
            (self.ffmpeg_count(), clients)
        })
        .await;
    }

    /// Every part.
    pub fn parts(&mut self) -> impl Iterator<Item = &mut Part> {
        let services = self.transcoders.iter_mut().chain([&mut self.gatekeeper]).map(|service| &mut service.part);
        let cameras = self.cameras.values_mut().map(|camera| &mut camera.part);
        [&mut self.broker.part].into_iter().chain(cameras).chain(services)
    }

    /// The part `name`: `mosquitto`, `gatekeeper`, `transcoder0`, `camera:lobby`.
    pub fn part(&mut self, name: &str) -> Result<&mut Part> {
        self.parts().find(|part| part.name() == name).with_context(|| format!("there is no {name}"))
    }

    /// Starts a part that does not run, and waits until it can be used.
    pub async fn restart(&mut self, name: &str) -> Result<()> {
        let from = self.broker.part.log().len();
        if name == "mosquitto" {
            return self.broker.begin().await;
        }
        if name == "gatekeeper" {
            self.gatekeeper.part.start()?;
            return self.gatekeeper_serves(from).await;
        }
        if let Some(camera) = name.strip_prefix("camera:").and_then(|name| self.cameras.get_mut(name)) {
            camera.begin()?;
            return camera.ready().await;
        }
        let Some(service) = self.transcoders.iter_mut().find(|service| service.part.name() == name) else {
            bail!("there is no {name}");
        };
        service.part.start()?;
        service.ready().await
    }

    /// All log lines of all parts in the order of time, each with the name of its part.
    pub fn log(&mut self) -> Vec<(String, Line)> {
        let of = |part: &mut Part| {
            let name = part.name().to_owned();
            part.log().lines().into_iter().map(move |line| (name.clone(), line))
        };
        let mut lines: Vec<_> = self.parts().flat_map(of).collect();
        lines.sort_by_key(|(_, line)| line.at);
        lines
    }

    async fn begin(&mut self, sources: Option<&str>) -> Result<()> {
        match sources {
            Some(yaml) => self.sources.write(yaml, self.cameras.values())?,
            None => self.sources.write_cameras(self.cameras.values())?,
        }
        let from = self.broker.part.log().len();
        let mut on: Vec<_> = self.cameras.values_mut().filter(|camera| camera.camera.running).collect();
        for camera in &mut on {
            camera.begin()?;
        }
        for transcoder in &mut self.transcoders {
            transcoder.part.start()?;
        }
        for camera in on {
            camera.ready().await?;
        }
        for transcoder in &mut self.transcoders {
            transcoder.ready().await?;
        }
        self.gatekeeper.part.start()?;
        self.gatekeeper_serves(from).await
    }

    /// It serves once it has subscribed and knows the transcoders that run; readiness is not about the latter, because it
    /// must answer without any.
    async fn gatekeeper_serves(&mut self, from: usize) -> Result<()> {
        self.gatekeeper.listening().await?;
        let broker = &self.broker;
        // It subscribes to both dialects; this is the later one.
        let subscribed = wait::try_until(|| broker.subscribed(from, "/client/+").then_some(()));
        subscribed.await.context("the gatekeeper never subscribes")?;
        let running =
            self.transcoders.iter_mut().filter_map(|transcoder| transcoder.part.running().then_some(())).count();
        self.gatekeeper.counts("workers{state=\"ready\"}", running as f64).await?;
        self.gatekeeper.ready().await
    }

    /// Prints all logs.
    #[allow(clippy::print_stderr, reason = "the test runner shows it with the failure")]
    fn tell(&mut self) {
        for (name, line) in self.log() {
            eprintln!("{name:>14} {line}");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if thread::panicking() {
            self.tell();
        }
    }
}
