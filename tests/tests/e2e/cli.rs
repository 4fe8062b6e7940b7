//! The operator's client: what it says, what it writes, and how it ends.

use std::path::PathBuf;

use e2e::broker::Broker;
use e2e::operator::{self, Probed, Ran};
use e2e::{Viewer, World, ports, wait};
use serde_json::{Value, json};

async fn world(kind: &str) -> World {
    World::describe().camera("lobby", kind).transcoders(1, "").start().await
}

fn file(world: &World) -> PathBuf {
    world.dir.path().join("played.mp4")
}

/// Plays to a file for two seconds, with these further arguments, and reads the file.
async fn played(world: &World, more: &[&str]) -> (Value, Probed) {
    let file = file(world);
    let out = format!("--out={}", file.display());
    let args = [&["play", "lobby", "--json", "--duration=2s", &out], more].concat();
    let told = operator::run(world, &args).await.json();
    (told, operator::probe(&file).await)
}

/// Claims that a file holds what the figures say, beginning at zero, at the camera's 30 frames a second, and that a decoder
/// finds nothing wrong with it.
#[track_caller]
fn assert_whole(told: &Value, probed: &Probed) {
    assert_eq!(told["frames"], probed.frames, "{told} {probed:?}");
    assert!(probed.frames > 30, "{probed:?}");
    assert_eq!(probed.complaints, "", "{told}");
    let (first, last) = probed.times;
    assert!(first.abs() < 0.001, "it begins at zero: {probed:?}");
    let expected = (probed.frames - 1) as f64 / 30.0;
    assert!((last - expected).abs() < 0.1, "{expected} s of frames: {probed:?}");
    assert!(told["fps"].as_f64().is_some_and(|fps| (29.0..31.0).contains(&fps)), "{told}");
    assert_eq!(
        (&told["gaps"], &told["lost_messages"], &told["unreadable_messages"]),
        (&json!(0), &json!(0), &json!(0))
    );
}

#[tokio::test]
async fn describe_as_json_is_what_the_service_answers() {
    let world = world("aac").await;
    let told = operator::run(&world, &["describe", "lobby", "--json"]).await.json();
    let mut viewer = Viewer::of(&world).await;
    assert_eq!(told, viewer.describe("lobby").await);
    let text = operator::run(&world, &["describe", &world.url("lobby")]).await;
    let text = String::from_utf8(text.out).expect("text");
    assert!(text.contains("video    avc1.42C0") && text.contains("640x360") && text.contains("mp4a.40.2"), "{text}");
}

#[tokio::test]
async fn the_websocket_of_the_broker_will_do() {
    let world = world("aac").await;
    let broker = format!("--broker=ws://{}", world.broker.websocket);
    let (told, probed) = played(&world, &[&broker]).await;
    assert_whole(&told, &probed);
}

#[tokio::test]
async fn live_delivery_becomes_a_file_of_both_tracks() {
    let world = world("aac").await;
    let (told, probed) = played(&world, &[]).await;
    assert_whole(&told, &probed);
    assert_eq!(probed.codecs, ["h264", "aac"]);
    let startup = &told["startup_ms"];
    let times: Vec<_> = ["describe", "first_media", "first_keyframe"].map(|name| startup[name].as_u64()).into();
    assert!(times.is_sorted() && times[0].is_some(), "{told}");
    assert!(told["latency_ms"]["count"].as_u64() > Some(30), "{told}");
}

#[tokio::test]
async fn whole_gops_become_a_file_of_both_tracks() {
    let world = world("aac").await;
    let (told, probed) = played(&world, &["--delivery=reply"]).await;
    assert_whole(&told, &probed);
    assert_eq!(
        (probed.codecs.as_slice(), &told["latency_ms"]),
        (&["h264".to_owned(), "aac".to_owned()][..], &json!(null))
    );
}

#[tokio::test]
async fn a_file_without_sound_has_one_track() {
    let world = world("aac").await;
    let (told, probed) = played(&world, &["--video-only"]).await;
    assert_whole(&told, &probed);
    assert_eq!(probed.codecs, ["h264"]);
}

#[tokio::test]
async fn pictures_larger_than_a_message_are_put_together() {
    let mut camera = e2e::Camera::new("lobby", "bframes").size("1280x720");
    camera.bitrate = Some(2500);
    let world = World::describe().with(camera).transcoders(1, "").start().await;
    let (told, probed) = played(&world, &[]).await;
    assert_eq!((&told["frames"], probed.complaints.as_str()), (&json!(probed.frames), ""), "{told} {probed:?}");
    assert!(told["messages"].as_u64() > told["frames"].as_u64(), "some were cut: {told}");
}

#[tokio::test]
async fn standard_output_carries_the_media_and_nothing_else() {
    let world = world("aac").await;
    let ran = operator::run(&world, &["play", "lobby", "--out=-", "--duration=1s"]).await;
    assert_eq!(ran.status, 0, "{}", ran.err);
    let file = file(&world);
    std::fs::write(&file, &ran.out).expect("written");
    let probed = operator::probe(&file).await;
    assert!(ran.err.contains(&format!("{} frames", probed.frames)), "{probed:?}: {}", ran.err);
    assert_eq!(probed.complaints, "");
}

#[tokio::test]
async fn ctrl_c_ends_with_the_figures_and_a_stop() {
    let mut world = World::describe().camera("lobby", "silent").transcoders(1, "--linger 1s").start().await;
    let file = file(&world);
    let running = operator::start(&world, &["play", "lobby", "--json", &format!("--out={}", file.display())]);
    let written = || std::fs::metadata(&file).is_ok_and(|file| file.len() > 10_000);
    wait::until("something is written", || written().then_some(())).await;
    running.interrupt();
    let told = running.end().await.json();
    assert_eq!(told["frames"], operator::probe(&file).await.frames);
    world.idle().await;
}

#[tokio::test]
async fn a_stream_that_restarts_goes_on_in_the_same_file() {
    let mut world = world("aac").await;
    let file = file(&world);
    let running = operator::start(&world, &["play", "lobby", "--json", &format!("--out={}", file.display())]);
    let grown = |by: u64| {
        let file = file.clone();
        let length = move || std::fs::metadata(&file).map_or(0, |file| file.len());
        let goal = length() + by;
        wait::until("the file grows", move || (length() > goal).then_some(()))
    };
    grown(50_000).await;
    world.the_ffmpeg().kill();
    grown(200_000).await;
    running.interrupt();
    let told = running.end().await.json();
    let probed = operator::probe(&file).await;
    assert_eq!((&told["restarts"], &told["frames"]), (&json!(1), &json!(probed.frames)), "{told}");
    assert_eq!((probed.codecs.len(), probed.complaints.as_str()), (2, ""));
}

#[tokio::test]
async fn a_refusal_is_status_4_and_names_its_code() {
    let world = world("silent").await;
    for command in [&["describe", "attic"][..], &["play", "attic"], &["load", "attic", "--viewers=2", "--ramp=0s"]] {
        let ran = operator::run(&world, command).await;
        assert_eq!(ran.status, 4, "{command:?}: {}", ran.err);
        assert!(ran.err.contains("not_allowed") && ran.err.contains("there is no source of this name"), "{}", ran.err);
    }
    for command in ["describe", "play"] {
        let told = operator::run(&world, &[command, "attic", "--json"]).await.object();
        assert_eq!(told["error"]["code"], "not_allowed", "{told}");
    }
}

#[tokio::test]
async fn a_refusal_costs_nobody_a_file() {
    let world = world("silent").await;
    let file = file(&world);
    std::fs::write(&file, "precious").expect("written");
    let ran = operator::run(&world, &["play", "attic", &format!("--out={}", file.display())]).await;
    assert_eq!((ran.status, std::fs::read(&file).expect("there")), (4, b"precious".to_vec()));
}

#[track_caller]
fn assert_no_broker(ran: &Ran, why: &str) {
    assert_eq!(ran.status, 3, "{}", ran.err);
    assert!(ran.err.contains("broker 127.0.0.1:") && ran.err.contains(why), "{}", ran.err);
}

#[tokio::test]
async fn without_a_broker_the_status_is_3() {
    let broker = format!("--broker=mqtt://127.0.0.1:{}", ports::free());
    for command in ["describe", "play", "load"] {
        assert_no_broker(&operator::run_alone(&[command, "lobby", &broker]).await, "refused");
    }
}

#[tokio::test]
async fn top_without_a_gatekeeper_is_status_3() {
    let gatekeeper = format!("--gatekeeper=http://127.0.0.1:{}", ports::free());
    let ran = operator::run_alone(&["top", "--once", &gatekeeper]).await;
    assert_eq!(ran.status, 3, "{}", ran.err);
    assert!(ran.err.contains("/status.json: ") && ran.err.contains("refused"), "{}", ran.err);
}

#[tokio::test]
async fn a_login_that_the_broker_refuses_is_status_3() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(folder.path(), "allow_anonymous false").await.expect("mosquitto");
    let ran = operator::run_alone(&["describe", "lobby", &format!("--broker=mqtt://{}", broker.mqtt)]).await;
    assert_no_broker(&ran, "NotAuthorized");
}

#[tokio::test]
async fn without_an_answer_the_status_is_5() {
    let mut world = world("silent").await;
    world.gatekeeper.part.stop().await;
    let ran = operator::run(&world, &["play", "lobby", "--timeout=500ms"]).await;
    assert_eq!(ran.status, 5, "{}", ran.err);
    assert!(ran.err.contains("no answer to describe within 0.5 s"), "{}", ran.err);
}

#[tokio::test]
async fn wrong_arguments_are_status_2() {
    for command in
        [&["play"][..], &["play", "lobby", "--out=-", "--json"], &["load", "a", "--viewers=0"], &["man", "x"]]
    {
        assert_eq!(operator::run_alone(command).await.status, 2, "{command:?}");
    }
}

#[tokio::test]
async fn load_lets_many_watch_and_leaves_nobody_behind() {
    let world = World::describe().camera("lobby", "aac").camera("gate", "silent").transcoders(1, "--linger 1s");
    let mut world = world.start().await;
    // Streams that run already, so that a picture is there at once.
    for camera in ["lobby", "gate"] {
        operator::run(&world, &["describe", camera, "--json"]).await.json();
    }
    for more in [&["--delivery=live"][..], &["--delivery=reply"], &["--connections=2"]] {
        let args = ["load", "lobby", "gate", "--json", "--viewers=6", "--ramp=1s", "--duration=2s"];
        let told = operator::run(&world, &[&args, more].concat()).await.json();
        assert_eq!((&told["played"], &told["failed"]), (&json!(6), &json!(0)), "{told}");
        assert_eq!(
            (&told["first_frame_ms"]["count"], &told["largest_gap_ms"]["count"]),
            (&json!(6), &json!(6)),
            "{told}"
        );
        let first = &told["first_frame_ms"];
        let ranks: Vec<_> = ["p50", "p95", "p99", "max"].map(|name| first[name].as_u64()).into();
        assert!(ranks.is_sorted() && ranks[0].is_some(), "{told}");
        assert!(told["frames"].as_u64() > Some(6 * 30), "{told}");
    }
    world.idle().await;
}

#[tokio::test]
async fn load_counts_failures_by_their_code() {
    let world = world("silent").await;
    // A stream that runs already, so that a picture is there at once.
    let mut first = Viewer::of(&world).await;
    first.play_live("lobby").await;
    let args = ["load", "lobby", "attic", "--json", "--viewers=4", "--ramp=0s", "--duration=3s"];
    let ran = operator::run(&world, &args).await;
    assert_eq!(ran.status, 4, "{}", ran.err);
    let told = ran.object();
    assert_eq!((&told["played"], &told["failures"]), (&json!(2), &json!({"not_allowed": 2})), "{told}");
}

#[tokio::test]
async fn completions_and_manual_come_out_of_the_program() {
    let bash = operator::run_alone(&["completions", "bash"]).await;
    assert!(bash.status == 0 && String::from_utf8_lossy(&bash.out).contains("--delivery"), "{bash:?}");
    let manual = operator::run_alone(&["man"]).await;
    let pages = String::from_utf8_lossy(&manual.out).lines().filter(|line| line.starts_with(".TH ")).count();
    assert_eq!((manual.status, pages), (0, 7));
    let page = operator::run_alone(&["man", "load"]).await;
    let page = String::from_utf8_lossy(&page.out).into_owned();
    assert!(page.contains(".TH mqtt-video-cli-load 1") && page.contains("no media in time"), "{page}");
}

#[tokio::test]
async fn top_shows_what_runs_where() {
    let world = world("silent").await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    let shown = async {
        loop {
            let told = operator::run(&world, &["top", "--once", "--json"]).await.json();
            let stream = &told["streams"][0];
            if stream["state"] == "live" && stream["viewers"] == 1 && stream["width"] == 640 {
                break told;
            }
        }
    };
    let told = wait::within("the gatekeeper knows of the viewer", shown).await;
    assert_eq!(
        (&told["broker"]["connected"], &told["workers"][0]["name"]),
        (&json!(true), &json!("transcoder0")),
        "{told}"
    );
    let table = operator::run(&world, &["top", "--once"]).await;
    let table = String::from_utf8(table.out).expect("text");
    let row =
        |name: &str| table.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default().to_owned();
    assert!(row("lobby").contains("transcoder0") && row("lobby").contains("640x360"), "{table}");
    assert!(row("transcoder0").contains("ready") && row("gatekeeper").contains("broker connected"), "{table}");
}
