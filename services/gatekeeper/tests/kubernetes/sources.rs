//! `VideoSource` objects as entries of the allowlist.

use std::time::{Duration, Instant};

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use proto::v1::stop_request::Target;

use crate::gatekeeper::Gatekeeper;
use crate::viewer::Viewer;
use crate::worker::{Call, Worker};
use crate::world::{World, within};

const NOT_ALLOWED: i32 = proto::v1::ErrorCode::NotAllowed as i32;
const LOBBY: &str = r#"{"source":"hall","reply_topic":"video_1"}"#;

/// A gatekeeper that allows what the objects say, with one worker.
async fn start(world: &World) -> (Gatekeeper, Worker, Viewer) {
    let worker = world.worker("t0").await;
    let gatekeeper = world.gatekeeper(&["--video-sources", "--transcoder", &worker.url()]).await.ready().await;
    gatekeeper.knows(1).await;
    (gatekeeper, worker, world.viewer().await)
}

/// Asks until the answer is as `wanted` says, and tells how long that took and the answer.
async fn ask_until(viewer: &mut Viewer, request: &str, wanted: impl Fn(&Value) -> bool) -> (Duration, Value) {
    let since = Instant::now();
    within(async {
        loop {
            let reply = viewer.ask("video/describe", request).await;
            if wanted(&reply) {
                return (since.elapsed(), reply);
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_object_is_playable_at_once_and_its_end_ends_its_viewers() {
    let world = World::with_sources().await;
    let (_gatekeeper, worker, mut viewer) = start(&world).await;
    let mut announced = Viewer::connect(&world.broker, &["video/sources"]).await;
    assert!(!String::from_utf8_lossy(&announced.next().await.payload).contains("hall"));

    world.source("hall", json!({"url": "rtsp://127.0.0.1:8554/hall"})).await;
    let (took, reply) = ask_until(&mut viewer, LOBBY, |reply| reply["code"] != "not_allowed").await;
    assert_eq!(reply["source"], "hall", "{reply}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(String::from_utf8_lossy(&announced.next().await.payload).contains("hall"));

    world.sources().delete("hall", &DeleteParams::default()).await.unwrap();
    let (took, _) = ask_until(&mut viewer, LOBBY, |reply| reply["code"] == "not_allowed").await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    stopped(&worker).await;
    assert!(!String::from_utf8_lossy(&announced.next().await.payload).contains("hall"));
}

/// Waits until the worker was told that the source is no longer allowed.
async fn stopped(worker: &Worker) {
    let told = |calls: &[Call]| calls.contains(&Call::Stop(Target::Source("hall".to_owned()), NOT_ALLOWED));
    let mut count = worker.called.subscribe();
    within(async {
        while !told(&worker.calls()) {
            count.changed().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn another_camera_under_the_same_name_ends_the_viewers_of_the_first() {
    let world = World::with_sources().await;
    world.source("hall", json!({"url": "rtsp://127.0.0.1:8554/one"})).await;
    let (_gatekeeper, worker, mut viewer) = start(&world).await;
    viewer.ask("video/describe", LOBBY).await;
    world.source("hall", json!({"url": "rtsp://127.0.0.1:8554/two"})).await;
    stopped(&worker).await;
    viewer.ask("video/describe", LOBBY).await;
    assert_eq!(worker.specs().last().unwrap().url, "rtsp://127.0.0.1:8554/two");
}

#[tokio::test]
async fn what_was_deleted_while_no_gatekeeper_ran_is_ended_by_the_next() {
    let world = World::with_sources().await;
    world.source("hall", json!({"url": "rtsp://127.0.0.1:8554/one"})).await;
    let (mut gatekeeper, worker, mut viewer) = start(&world).await;
    viewer.ask("video/describe", LOBBY).await;
    gatekeeper.kill().await;
    world.sources().delete("hall", &DeleteParams::default()).await.unwrap();
    let _next = world.gatekeeper(&["--video-sources", "--transcoder", &worker.url()]).await.ready().await;
    stopped(&worker).await;
}

#[tokio::test]
async fn an_entry_of_the_file_wins_over_an_object_of_its_name() {
    let world = World::with_sources().await;
    world.source("lobby", json!({"url": "rtsp://127.0.0.1:8554/other"})).await;
    let (_gatekeeper, worker, mut viewer) = start(&world).await;
    viewer.ask("video/describe", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    assert_eq!(worker.specs().last().unwrap().url, "rtsp://127.0.0.1:8554/lobby");
}

#[tokio::test]
async fn without_the_api_the_known_sources_stay_playable() {
    let world = World::with_sources().await;
    world.source("hall", json!({"url": "rtsp://127.0.0.1:8554/one"})).await;
    let (gatekeeper, _worker, mut viewer) = start(&world).await;
    gatekeeper.way.cut();
    let reply = viewer.ask("video/describe", LOBBY).await;
    assert_eq!(reply["source"], "hall", "{reply}");
    world.source("yard", json!({"url": "rtsp://127.0.0.1:8554/two"})).await;
    gatekeeper.way.restore();
    let request = r#"{"source":"yard","reply_topic":"video_1"}"#;
    ask_until(&mut viewer, request, |reply| reply["source"] == "yard").await;
}

#[tokio::test]
async fn a_login_is_read_at_each_start_and_a_missing_one_is_told_without_its_content() {
    let world = World::with_sources().await;
    let credentials = json!({"secretRef": {"name": "hall-login", "passwordKey": "pass"}});
    world.source("hall", json!({"url": "rtsp://127.0.0.1:8554/one", "credentials": credentials})).await;
    let (_gatekeeper, worker, mut viewer) = start(&world).await;
    let missing = viewer.ask("video/describe", LOBBY).await;
    assert_eq!(missing["code"], "internal", "{missing}");
    assert!(missing["error"].as_str().unwrap().contains("login"), "{missing}");

    for password in ["first", "second"] {
        let secret = json!({"stringData": {"username": "viewer", "pass": password}});
        world.apply::<k8s_openapi::api::core::v1::Secret>("hall-login", secret).await;
        let reply = viewer.ask("video/describe", LOBBY).await;
        assert_eq!(reply["source"], "hall", "{reply}");
        let login = worker.specs().last().unwrap().credentials.clone().unwrap();
        assert_eq!((login.username.as_str(), login.password.as_str()), ("viewer", password));
    }
}

#[tokio::test]
async fn the_api_server_refuses_bad_objects_with_words_that_help() {
    let world = World::with_sources().await;
    let long = "a".repeat(64);
    for (name, spec, hint) in [
        ("a", json!({}), "a source has either `url` or `pattern`"),
        ("a", json!({"url": "rtsp://h/a", "pattern": "rtsp://h/*"}), "a source has either `url` or `pattern`"),
        ("a", json!({"url": "http://h/a"}), "url must begin with rtsp:// or rtsps://"),
        ("a", json!({"pattern": "http://h/*"}), "pattern must begin with rtsp:// or rtsps://"),
        ("a", json!({"url": "rtsp://u:p@h/a"}), "a login does not belong in the url; use credentials.secretRef"),
        ("a", json!({"pattern": "rtsp://u:p@*/a"}), "a login does not belong in the pattern"),
        ("a", json!({"url": "rtsp://h/a", "allowPrivate": true}), "allowPrivate belongs to a pattern"),
        ("a", json!({"url": "rtsp://h/a", "profiles": []}), "leave `profiles` out for all"),
        ("a", json!({"url": "rtsp://h/a", "profiles": ["Big Picture"]}), "the name of a profile is 1 to 63 of a-z"),
        ("a", json!({"url": "rtsp://h/a", "maxViewers": 0}), "leave it out for no limit"),
        ("a", json!({"url": "rtsp://h/a", "credentials": {}}), "secretRef"),
        ("a", json!({"url": "rtsp://h/a", "credentials": {"secretRef": {"name": ""}}}), "secretRef.name"),
        (&long, json!({"url": "rtsp://h/a"}), "the name of a source has at most 63 characters"),
    ] {
        let error = world.sources().create(&PostParams::default(), &world.object(name, &spec)).await.expect_err(hint);
        assert!(error.to_string().contains(hint), "{spec}: {error}");
    }
    let good = json!({"url": "rtsp://h/a?user=x@y", "profiles": ["source", "legacy"], "maxViewers": 1});
    world.sources().create(&PostParams::default(), &world.object("a", &good)).await.unwrap();
    let bad = Patch::Merge(json!({"spec": {"maxViewers": -1}}));
    world.sources().patch("a", &PatchParams::default(), &bad).await.expect_err("it stays good");
}
