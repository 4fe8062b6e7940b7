//! What the leader tells the API: the status of sources, and which pods may go first.

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use kube::runtime::wait::await_condition;
use proto::v1::{self, JobState};
use serde_json::{Value, json};

use crate::world::{World, within};

/// The parts of a status that a table shows, once it is as `wanted` says.
async fn status(world: &World, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let condition =
        |object: Option<&kube::api::DynamicObject>| object.is_some_and(|object| wanted(&object.data["status"]));
    let object = within(await_condition(world.sources(), name, condition)).await.unwrap().unwrap();
    object.data["status"].clone()
}

fn ready(status: &Value) -> (&str, &str) {
    let condition = &status["conditions"][0];
    (condition["status"].as_str().unwrap_or_default(), condition["reason"].as_str().unwrap_or_default())
}

fn job(source: &str, viewers: usize) -> v1::Job {
    let viewer = |nth| v1::Viewer {
        reply_topic: format!("video_{nth}"),
        delivery: v1::Delivery::Live.into(),
        ..Default::default()
    };
    v1::Job {
        key: Some(v1::StreamKey { source: source.to_owned(), profile: "source".to_owned() }),
        viewers: (0..viewers).map(viewer).collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn the_status_follows_what_workers_report() {
    let world = World::with_sources().await;
    world.source("hall", json!({"url": "rtsp://127.0.0.1:8554/hall"})).await;
    let worker = world.worker("t0").await;
    let gatekeeper = world.gatekeeper(&["--video-sources", "--transcoder", &worker.url()]).await.ready().await;
    gatekeeper.knows(1).await;
    let idle = status(&world, "hall", |status| ready(status) == ("True", "Accepted")).await;
    assert_eq!((&idle["viewers"], &idle["observedGeneration"]), (&json!(0), &json!(1)), "{idle}");

    let video = v1::VideoTrack { codec: "avc1.640028".to_owned(), width: 1920, height: 1080 };
    let audio = v1::AudioTrack { codec: "mp4a.40.2".to_owned(), sample_rate: 48_000, channels: 2 };
    worker.report(v1::Job {
        state: JobState::Live.into(),
        media: Some(v1::Media { video: Some(video), audio: Some(audio), ..Default::default() }),
        frames_per_second: 24.97,
        ..job("hall", 2)
    });
    let live = status(&world, "hall", |status| ready(status) == ("True", "Live")).await;
    let shown = ["codec", "size", "frameRate", "viewers", "worker"].map(|field| live[field].clone());
    assert_eq!(shown, [json!("avc1.640028, mp4a.40.2"), json!("1920x1080"), json!(25), json!(2), json!("t0")]);

    worker.report(v1::Job {
        state: JobState::Restarting.into(),
        last_error: v1::ErrorCode::SourceUnreachable.into(),
        ..job("hall", 2)
    });
    let lost = status(&world, "hall", |status| ready(status) == ("False", "SourceUnreachable")).await;
    assert_eq!(lost["lastError"], "the camera does not answer, or does not have the path");
    assert_eq!(lost.get("codec"), None, "{lost}");
}

#[tokio::test]
async fn the_status_says_why_an_object_is_without_effect() {
    let world = World::with_sources().await;
    let login = json!({"secretRef": {"name": "hall-login"}});
    world.source("lobby", json!({"url": "rtsp://127.0.0.1:8554/other"})).await;
    world.source("odd", json!({"url": "rtsp://127.0.0.1:8554/odd", "profiles": ["nope"]})).await;
    world.source("hall", json!({"url": "rtsp://127.0.0.1:8554/hall", "credentials": login})).await;
    let _gatekeeper = world.gatekeeper(&["--video-sources", "--transcoder", "http://127.0.0.1:1"]).await.ready().await;
    for (name, reason, hint) in [
        ("lobby", "NameConflict", "file of sources"),
        ("odd", "Invalid", "no profile `nope`"),
        ("hall", "SecretMissing", "there is no Secret hall-login"),
    ] {
        let status = status(&world, name, |status| ready(status) == ("False", reason)).await;
        let message = status["conditions"][0]["message"].as_str().unwrap();
        assert!(message.contains(hint), "{message}");
    }
    world.apply::<Secret>("hall-login", json!({"stringData": {"username": "u", "password": "p"}})).await;
    world.source("odd", json!({"url": "rtsp://127.0.0.1:8554/odd", "profiles": ["legacy"]})).await;
    status(&world, "odd", |status| ready(status) == ("True", "Accepted") && status["observedGeneration"] == 2).await;
    status(&world, "hall", |status| ready(status) == ("True", "Accepted")).await;
}

#[tokio::test]
async fn only_the_leader_writes_and_the_next_goes_on() {
    let world = World::with_sources().await;
    world.source("hall", json!({"url": "rtsp://127.0.0.1:8554/hall"})).await;
    let worker = world.worker("t0").await;
    let flags = |identity| {
        ["--video-sources", "--transcoder", "", "--lease", "gatekeeper", "--identity", identity].map(str::to_owned)
    };
    let start = async |identity| {
        let mut flags = flags(identity);
        flags[2] = worker.url();
        world.gatekeeper(&flags.each_ref().map(String::as_str)).await.ready().await
    };
    let one = start("one").await;
    one.until("/metrics", |text| text.contains("gatekeeper_leader 1\n")).await;
    let two = start("two").await;
    status(&world, "hall", |status| ready(status) == ("True", "Accepted")).await;
    two.knows(1).await;
    one.terminate();
    two.until("/metrics", |text| text.contains("gatekeeper_leader 1\n")).await;
    worker.report(v1::Job { state: JobState::Live.into(), ..job("hall", 3) });
    let live = status(&world, "hall", |status| status["viewers"] == 3).await;
    assert_eq!(ready(&live), ("True", "Live"));
}

#[tokio::test]
async fn busy_workers_pods_are_dearer_than_idle_ones() {
    let world = World::start().await;
    for name in ["t0", "t1"] {
        let spec =
            json!({"containers": [{"name": "transcoder", "image": "none.invalid/none"}], "nodeName": "no-such-node"});
        world.create::<Pod>(json!({"metadata": {"name": name}, "spec": spec})).await;
    }
    let (one, two) = (world.worker("t0").await, world.worker("t1").await);
    world.endpoints(&[&one, &two]).await;
    let gatekeeper = world.gatekeeper(&["--discover-service", "transcoder"]).await.ready().await;
    gatekeeper.knows(2).await;
    let cost = async |name: &str, wanted: &str| {
        let written = |pod: Option<&Pod>| {
            let cost = pod.and_then(|pod| pod.annotations().get("controller.kubernetes.io/pod-deletion-cost"));
            cost.is_some_and(|cost| cost == wanted)
        };
        within(Box::pin(await_condition(world.api::<Pod>(), name, written))).await.unwrap();
    };
    cost("t0", "0").await;
    cost("t1", "0").await;
    one.report(job("lobby", 1));
    cost("t0", "1").await;
}
