//! A whole world for tests that are not written in Rust: broker, cameras, gatekeeper and transcoders, run by one process
//! that speaks JSON lines. The browser tests drive it.
//!
//! # Start
//!
//! `world DESCRIPTION`, or `world` with the description as the first line of stdin. Every field may be left out:
//!
//! ```json
//! {
//!   "cameras": [{"name": "lobby", "kind": "aac", "size": "640x360", "fps": 30, "bitrate": 1000, "gop": 1, "loss": 50,
//!                "credentials": "user:password", "auth": "digest", "profiles": ["source"], "max_viewers": 5,
//!                "plain": false, "running": true}],
//!   "sources": "sources:\n  - {name: lobby, url: '{lobby}'}\n",
//!   "transcoders": [["--linger", "1s"], []],
//!   "gatekeeper": ["--log-level", "debug"],
//!   "environment": {"LOBBY_PASSWORD": "…"},
//!   "transcoder_environment": {"TZ": "…"},
//!   "mosquitto": "max_queued_messages 100\n"
//! }
//! ```
//!
//! * `cameras`: one process each, `deploy/local/camera.py`; see its `KINDS`. Each is a source of the same name, with the
//!   credentials in files. Only `name` is needed; `kind` is `aac` by default, `plain` leaves the time stamp out of the
//!   picture, `running: false` reserves its address for a later `start`.
//! * `sources`: the gatekeeper's sources file, in place of the one made of the cameras; `{NAME}` is a camera's URL.
//! * `environment`: variables of the gatekeeper, to which sources may refer.
//! * `transcoder_environment`: variables of the transcoders.
//! * `transcoders`: further arguments of each; default two without any.
//!
//! # Answer
//!
//! One line, once every part is ready:
//!
//! ```json
//! {"page": "http://127.0.0.1:1", "ws": "ws://127.0.0.1:2", "ws_direct": "ws://127.0.0.1:3", "mqtt": "mqtt://127.0.0.1:4",
//!  "rtsp": {"lobby": "rtsp://127.0.0.1:5/lobby"}, "metrics": {"gatekeeper": "http://…/metrics", "transcoder0": "…"},
//!  "pids": {"mosquitto": 10, "gatekeeper": 11, "transcoder0": 12, "transcoder1": 13, "camera:lobby": 14}, "dir": "/tmp/…"}
//! ```
//!
//! `ws` leads to the broker through a wire that can be cut, and is what the page is told to dial. On failure the line is
//! `{"error": "…"}`, the logs are on stderr, and the exit status is 1.
//!
//! # Commands
//!
//! One JSON object a line on stdin, one a line in answer: `{"ok": true, …}` or `{"ok": false, "error": "…"}`. `what` is
//! `mosquitto`, `gatekeeper`, `transcoder0`…, `camera:NAME`, and for signals also `ffmpeg` (all of them) or
//! `ffmpeg:transcoder0`.
//!
//! | command | effect |
//! |---|---|
//! | `{"do":"kill","what":…}` | SIGKILL; answers once it is gone, with `"killed"`, the number of processes |
//! | `{"do":"stop","what":…}` | SIGTERM; answers once it is gone |
//! | `{"do":"pause","what":…}`, `{"do":"resume","what":…}` | SIGSTOP, SIGCONT |
//! | `{"do":"start","what":…}` | starts what is not running, at the same address as ever |
//! | `{"do":"restart","what":…}` | `stop` and `start`; a camera takes new `kind`, `size`, `fps`, `bitrate`, `gop`, `loss` from the command (as `start` does) |
//! | `{"do":"cut"}` | resets every connection through `ws`; new ones are accepted |
//! | `{"do":"freeze"}`, `{"do":"thaw"}` | holds all traffic of `ws` back, lets it go again |
//! | `{"do":"sources","yaml":…}` | replaces the sources file; `{NAME}` as above |
//! | `{"do":"stat"}` | see below |
//! | `{"do":"metrics","what":…}` | `"text"`, the Prometheus page of a service |
//! | `{"do":"logs","what":…}` | `"lines"`, what it printed so far |
//!
//! `stat` answers `{"ok":true, "ffmpeg":{"transcoder0":1,"transcoder1":0}, "clients":{"lobby":1}, "ffmpeg_pids":[20],
//! "running":{"gatekeeper":true,…}, "cpu_s":{"transcoder0":0.31,"gatekeeper":…,"ffmpeg":{"20":0.52}}, "rss_kib":{…}}`.
//! `clients` counts RTSP connections, `cpu_s` user and system time of the process itself since it began.
//!
//! # End
//!
//! End of stdin, SIGTERM or SIGINT: everything is stopped, nothing is left. After SIGKILL the kernel ends the children.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::{env, io, thread};

use anyhow::{Context, Result, bail};
use e2e::services::Service;
use e2e::{Description, World, processes, wait};
use nix::sys::signal::Signal;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

// Children die with the thread that spawned them, and the only thread of this runtime is the process's own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            answer(&json!({"error": format!("{error:#}")}));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        result = serve() => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

async fn serve() -> Result<()> {
    let mut lines = lines();
    let description = description(&mut lines).await?;
    let mut world = description.try_start().await?;
    answer(&greeting(&mut world));
    while let Some(line) = lines.recv().await {
        answer(&match obey(&mut world, &line).await {
            Ok(mut fields) => {
                fields.insert("ok".to_owned(), json!(true));
                Value::Object(fields)
            }
            Err(error) => json!({"ok": false, "error": format!("{error:#}")}),
        });
    }
    Ok(())
}

/// The lines of stdin. The thread that blocks on it may be left behind: it holds nothing, and ends with the process.
fn lines() -> mpsc::Receiver<String> {
    // Commands come one at a time, each after the answer to the one before.
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

async fn description(lines: &mut mpsc::Receiver<String>) -> Result<Description> {
    let text = match env::args().nth(1) {
        Some(argument) => argument,
        None => lines.recv().await.context("no description")?,
    };
    serde_json::from_str(&text).context("the description")
}

fn greeting(world: &mut World) -> Value {
    let metrics = |service: &Service| (service.part.name().to_owned(), format!("http://{}/metrics", service.http));
    let rtsp: BTreeMap<_, _> = world.cameras.iter().map(|(name, camera)| (name.clone(), camera.url())).collect();
    let services = world.transcoders.iter().chain([&world.gatekeeper]);
    json!({
        "page": format!("http://{}", world.gatekeeper.http),
        "ws": format!("ws://{}", world.wire.address),
        "ws_direct": format!("ws://{}", world.broker.websocket),
        "mqtt": format!("mqtt://{}", world.broker.mqtt),
        "rtsp": rtsp,
        "metrics": services.map(metrics).collect::<BTreeMap<_, _>>(),
        "dir": world.dir.path(),
        "pids": world.parts().filter_map(|part| Some((part.name().to_owned(), part.started()?))).collect::<BTreeMap<_, _>>(),
    })
}

/// A command; the fields that only some need are optional.
#[derive(Debug, Deserialize)]
struct Command {
    #[serde(rename = "do")]
    verb: String,
    what: Option<String>,
    yaml: Option<String>,
    #[serde(flatten)]
    camera: Changes,
}

/// What may change about a camera while it is off.
#[derive(Debug, Deserialize)]
struct Changes {
    kind: Option<String>,
    size: Option<String>,
    fps: Option<u32>,
    bitrate: Option<u32>,
    gop: Option<f64>,
    loss: Option<u32>,
    plain: Option<bool>,
}

async fn obey(world: &mut World, line: &str) -> Result<Map<String, Value>> {
    let command: Command = serde_json::from_str(line).context("the command")?;
    let what = || command.what.as_deref().context("`what` is missing");
    let mut fields = Map::new();
    match command.verb.as_str() {
        "kill" => {
            let killed = end(world, what()?, Signal::SIGKILL).await?;
            fields.insert("killed".to_owned(), json!(killed));
        }
        "stop" => {
            end(world, what()?, Signal::SIGTERM).await?;
        }
        "pause" => send(world, what()?, Signal::SIGSTOP)?,
        "resume" => send(world, what()?, Signal::SIGCONT)?,
        "start" => start(world, what()?, &command.camera).await?,
        "restart" => {
            end(world, what()?, Signal::SIGTERM).await?;
            start(world, what()?, &command.camera).await?;
        }
        "cut" => world.wire.cut(),
        "freeze" => world.wire.freeze(),
        "thaw" => world.wire.thaw(),
        "sources" => {
            let yaml = command.yaml.as_deref().context("`yaml` is missing")?;
            world.sources.write(yaml, world.cameras.values())?;
        }
        "stat" => fields = stat(world),
        "metrics" => {
            let mut services = world.transcoders.iter().chain([&world.gatekeeper]);
            let name = what()?;
            let service = services.find(|service| service.part.name() == name).with_context(|| format!("no {name}"))?;
            fields.insert("text".to_owned(), json!(service.metrics().await?));
        }
        "logs" => {
            let lines = world.part(what()?)?.log().lines();
            let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
            fields.insert("lines".to_owned(), json!(lines));
        }
        other => bail!("cannot do {other}"),
    }
    Ok(fields)
}

/// The ffmpegs that `what` means, if it means any.
fn ffmpegs(world: &mut World, what: &str) -> Result<Option<Vec<processes::Identity>>> {
    if what == "ffmpeg" {
        return Ok(Some(world.ffmpegs().concat()));
    }
    let Some(owner) = what.strip_prefix("ffmpeg:") else { return Ok(None) };
    Ok(Some(world.part(owner)?.started().map(processes::ffmpegs).unwrap_or_default()))
}

async fn end(world: &mut World, what: &str, signal: Signal) -> Result<usize> {
    if let Some(ffmpegs) = ffmpegs(world, what)? {
        for process in &ffmpegs {
            process.signal(signal);
        }
        let gone = wait::try_until(|| ffmpegs.iter().all(|process| !process.alive()).then_some(()));
        gone.await.context("it does not end")?;
        return Ok(ffmpegs.len());
    }
    let part = world.part(what)?;
    let ended = match signal {
        Signal::SIGKILL => part.kill().await,
        _ => part.stop().await,
    };
    Ok(usize::from(ended.is_some()))
}

fn send(world: &mut World, what: &str, signal: Signal) -> Result<()> {
    match ffmpegs(world, what)? {
        Some(ffmpegs) => ffmpegs.iter().for_each(|process| process.signal(signal)),
        None => world.part(what)?.signal(signal),
    }
    Ok(())
}

async fn start(world: &mut World, what: &str, changes: &Changes) -> Result<()> {
    if let Some(running) = what.strip_prefix("camera:").and_then(|name| world.cameras.get_mut(name)) {
        let camera = &mut running.camera;
        camera.kind = changes.kind.clone().unwrap_or_else(|| camera.kind.clone());
        camera.size = changes.size.clone().or_else(|| camera.size.clone());
        camera.fps = changes.fps.or(camera.fps);
        camera.bitrate = changes.bitrate.or(camera.bitrate);
        camera.gop = changes.gop.or(camera.gop);
        camera.loss = changes.loss.or(camera.loss);
        camera.plain = changes.plain.unwrap_or(camera.plain);
    }
    world.restart(what).await
}

fn stat(world: &mut World) -> Map<String, Value> {
    let (mut ffmpeg, mut pids, mut ffmpeg_cpu) = (Map::new(), Vec::new(), Map::new());
    for (transcoder, processes) in world.ffmpegs().iter().enumerate() {
        ffmpeg.insert(format!("transcoder{transcoder}"), json!(processes.len()));
        for process in processes {
            pids.push(process.id);
            ffmpeg_cpu.insert(process.id.to_string(), json!(cpu_seconds(process.id)));
        }
    }
    let clients: Map<_, _> =
        world.cameras.iter_mut().map(|(name, camera)| (name.clone(), json!(camera.clients()))).collect();
    let (mut running, mut cpu, mut memory) = (Map::new(), Map::new(), Map::new());
    for part in world.parts() {
        let name = part.name().to_owned();
        running.insert(name.clone(), json!(part.running()));
        if let Some(id) = part.started() {
            cpu.insert(name.clone(), json!(cpu_seconds(id)));
            memory.insert(name, json!(processes::resident_kib(id)));
        }
    }
    cpu.insert("ffmpeg".to_owned(), Value::Object(ffmpeg_cpu));
    let fields = json!({
        "ffmpeg": ffmpeg, "ffmpeg_pids": pids, "clients": clients, "running": running, "cpu_s": cpu, "rss_kib": memory,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn cpu_seconds(id: u32) -> Option<f64> {
    processes::cpu_time(id).map(|time| time.as_secs_f64())
}

#[allow(clippy::print_stdout, reason = "standard output is the protocol")]
fn answer(value: &Value) {
    println!("{value}");
}
