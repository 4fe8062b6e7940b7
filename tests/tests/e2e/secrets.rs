//! The login of a source is the operator's secret: it is in the camera's hands, and nowhere else that anyone can look.

use std::path::Path;

use e2e::mqtt::{Client, Qos};
use e2e::{Camera, Viewer, World, processes};
use serde_json::json;

const USER: &str = "operator-7f3a";
const PASSWORD: &str = "pa:s/w@rd%41-91cc?&";

/// As itself, percent-encoded and in the header of basic authentication; whole, and the parts that survive encoding.
fn forms() -> Vec<String> {
    let encoded = "pa%3As%2Fw%40rd%2541-91cc%3F%26";
    [USER, PASSWORD, encoded, "91cc", "7f3a", "b3BlcmF0b3ItN2YzYTpwYTpz"].map(str::to_owned).into()
}

#[track_caller]
fn assert_clean(place: &str, text: &str) {
    for form in forms() {
        assert!(!text.contains(&form), "{place} holds {form:?}: {text}");
    }
}

async fn check(auth: &str) {
    let camera = Camera::new("lobby", "aac").credentials(&format!("{USER}:{PASSWORD}"), auth);
    let debug = "--log-level debug --linger 1s";
    let mut world = World::describe().with(camera).transcoders(1, debug).gatekeeper("--log-level debug").start().await;
    let mut spy = Client::connect(world.mqtt()).await.expect("connected");
    spy.subscribe("#", Qos::AtMostOnce).await.expect("subscribed");
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(30).await;
    let mut old = Viewer::of(&world).await;
    old.request("video/play", json!({"source": "lobby", "profile": "legacy"})).await;
    old.until_gops(1).await;
    look_everywhere(&mut world, &mut spy).await;
    // Failures are when secrets are told.
    for ffmpeg in world.ffmpegs().concat() {
        ffmpeg.kill();
    }
    world.camera("lobby").part.kill().await;
    viewer.until_status("restarting").await;
    world.restart("camera:lobby").await.expect("it comes back");
    viewer.until_status("live").await;
    look_everywhere(&mut world, &mut spy).await;
}

async fn look_everywhere(world: &mut World, spy: &mut Client) {
    for message in spy.pending() {
        let text = format!("{} {} {:?}", message.topic, String::from_utf8_lossy(&message.payload), message.correlation);
        assert_clean("a topic", &text);
    }
    for (name, line) in world.log() {
        assert_clean(&format!("the log of {name}"), &line.text);
    }
    for service in [&world.gatekeeper, &world.transcoders[0]] {
        assert_clean("metrics", &service.metrics().await.expect("metrics"));
    }
    for name in ["/config.json", "/live", "/ready"] {
        let answer = e2e::http::get(world.gatekeeper.http, name).await.expect("an answer");
        assert_clean(name, &answer.body);
    }
    let services = [world.gatekeeper.part.id(), world.transcoders[0].part.id()];
    let ffmpegs: Vec<u32> = world.ffmpegs().concat().iter().map(|ffmpeg| ffmpeg.id).collect();
    assert!(!ffmpegs.is_empty(), "there is a process to look at");
    for id in services.into_iter().chain(ffmpegs) {
        assert_clean("a command line", &processes::command_line(id).unwrap_or_default());
    }
}

#[tokio::test]
async fn a_login_by_digest_shows_nowhere() {
    check("digest").await;
}

#[tokio::test]
async fn a_login_by_basic_shows_nowhere() {
    check("basic").await;
}

#[tokio::test]
async fn a_refused_login_is_told_without_telling_it() {
    let camera = Camera::new("lobby", "aac").credentials(&format!("{USER}:{PASSWORD}"), "digest");
    let mut world = World::describe().with(camera).transcoders(1, "--log-level debug").start().await;
    std::fs::write(world.dir.path().join("lobby.password"), "wrong-91cc").expect("written");
    let mut viewer = Viewer::of(&world).await;
    let answer = viewer.describe("lobby").await;
    assert_eq!(answer["code"], "source_unauthorized", "{answer}");
    assert_clean("the answer", &answer.to_string());
    viewer.play_reply("lobby").await;
    let error = viewer.error().await;
    assert_eq!(error["code"], "source_unauthorized", "{error}");
    for (name, line) in world.log() {
        assert_clean(&format!("the log of {name}"), &line.text);
    }
}

#[tokio::test]
async fn a_login_comes_from_the_environment_too() {
    let yaml = "sources:\n  - name: lobby\n    url: '{lobby}'\n    credentials: {usernameEnv: LOBBY_USER, passwordEnv: LOBBY_PASSWORD}\n";
    let camera = Camera::new("lobby", "silent").credentials(&format!("{USER}:{PASSWORD}"), "basic");
    let world = World::describe().with(camera).sources(yaml);
    let world = world.environment("LOBBY_USER", USER).environment("LOBBY_PASSWORD", PASSWORD).start().await;
    let mut viewer = Viewer::of(&world).await;
    let described = viewer.describe("lobby").await;
    assert!(described["mimeCodec"].is_string(), "{described}");
}

/// The rest of what is written into a world's folder is readable by its owner alone, or is no secret.
#[tokio::test]
async fn ffmpeg_leaves_no_file_behind() {
    let camera = Camera::new("lobby", "aac").credentials(&format!("{USER}:{PASSWORD}"), "digest");
    let world = World::describe().with(camera).transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(5).await;
    let here: Vec<String> = names(world.dir.path());
    assert_eq!(here, ["lobby.password", "lobby.user", "mosquitto.conf", "sources.yaml"]);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
