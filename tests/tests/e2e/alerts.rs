//! Faults, each caused for real: the alert that names it fires and no other, and the panel that one looks at first shows it.
//!
//! Time of the rules runs faster here, see [`e2e::prometheus`]. Nothing is claimed about how long an alert takes.

use std::time::Duration;

use e2e::mqtt::{Client, Publication};
use e2e::prometheus::{self, Prometheus, Sample};
use e2e::{Viewer, World};
use serde_json::Value;
use tokio::time::interval;

use crate::dashboards::report;

/// How often a player reports.
const REPORT_EVERY: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_camera_that_is_gone_is_named() {
    let mut world =
        World::describe().camera("lobby", "silent").camera("yard", "silent").transcoders(1, "").start().await;
    let prometheus = Prometheus::watch(&world).await.expect("a Prometheus");
    let _viewers = [watching(&world, "lobby").await, watching(&world, "yard").await];
    world.camera("lobby").part.kill().await;
    only(&prometheus, "MqttVideoCameraDown").await;
    let firing = prometheus.query("ALERTS{alertstate=\"firing\"}").await.expect("alerts");
    let named: Vec<_> = firing.iter().map(|alert| (alert.label("source"), alert.label("profile"))).collect();
    assert_eq!(named, [("lobby", "source")]);
    let cameras = shown(&prometheus, "service", "Cameras").await;
    let cameras: Vec<_> = cameras.iter().map(|camera| (camera.label("source"), camera.value)).collect();
    assert_eq!(cameras, [("lobby", 0.0), ("yard", 1.0)], "the one that is down comes first");
}

#[tokio::test]
async fn a_slow_broker_explains_late_viewers() {
    let world = World::describe().camera("lobby", "silent").broker_wired().start().await;
    let prometheus = Prometheus::watch(&world).await.expect("a Prometheus");
    let _viewer = watching(&world, "lobby").await;
    for worker in ["transcoder0", "transcoder1"] {
        world.broker_wires[worker].lengthen(Duration::from_millis(400));
    }
    let late = vec![report(900, 0); 4];
    meanwhile(viewers(&world, late), only(&prometheus, "MqttVideoBrokerSlow")).await;
    let waits = shown(&prometheus, "broker", "Acknowledgement by worker").await;
    assert!(waits.iter().any(|worker| worker.value > 0.25), "{waits:?}");
}

#[tokio::test]
async fn full_workers_explain_plays_that_fail() {
    let world = World::describe().camera("lobby", "silent").camera("yard", "silent");
    let world = world.transcoders(1, "--max-streams 1").start().await;
    let prometheus = Prometheus::watch(&world).await.expect("a Prometheus");
    let _viewer = watching(&world, "lobby").await;
    let mut turned_away = Viewer::of(&world).await;
    let insist = async {
        let mut turns = interval(Duration::from_millis(200));
        loop {
            turns.tick().await;
            assert_eq!(turned_away.describe("yard").await["code"], "no_capacity");
        }
    };
    meanwhile(insist, only(&prometheus, "MqttVideoWorkersFull")).await;
    let failed = prometheus.query("namespace:mqtt_video_plays_failed:ratio_rate5m > 14.4 * 0.005").await;
    assert_eq!(failed.expect("a ratio").len(), 1, "the symptom is there, and explained");
    let slots = shown(&prometheus, "transcoder-pool", "Slots used").await;
    assert_eq!(slots.iter().map(|used| used.value).collect::<Vec<_>>(), [1.0]);
}

#[tokio::test]
async fn an_ffmpeg_that_is_killed_again_and_again_is_no_camera_that_is_down() {
    let mut world = World::describe().camera("lobby", "silent").transcoders(1, "").start().await;
    let prometheus = Prometheus::watch(&world).await.expect("a Prometheus");
    let _viewer = watching(&world, "lobby").await;
    let kill = async {
        let mut turns = interval(Duration::from_millis(200));
        loop {
            turns.tick().await;
            world.ffmpegs().into_iter().flatten().for_each(|ffmpeg| ffmpeg.kill());
        }
    };
    meanwhile(kill, only(&prometheus, "MqttVideoFfmpegCrashLoop")).await;
    let restarts = shown(&prometheus, "transcoder-pool", "Restarts by reason").await;
    let most = restarts.iter().max_by(|a, b| a.value.total_cmp(&b.value)).expect("reasons");
    assert_eq!(most.label("reason"), "crashed", "{restarts:?}");
}

#[tokio::test]
async fn a_gatekeeper_that_alone_lost_the_broker_is_named() {
    let world = World::describe().camera("lobby", "silent").broker_wired().start().await;
    let prometheus = Prometheus::watch(&world).await.expect("a Prometheus");
    let _viewer = watching(&world, "lobby").await;
    world.broker_wires["gatekeeper"].sever();
    only(&prometheus, "MqttVideoGatekeeperWithoutBroker").await;
    let connected = shown(&prometheus, "service", "Connected to the broker").await;
    assert_eq!(connected.iter().map(|sample| sample.value).collect::<Vec<_>>(), [0.0, 1.0], "none of one");
}

#[tokio::test]
async fn a_broker_that_is_gone_is_one_alert() {
    let mut world = World::describe().camera("lobby", "silent").start().await;
    let prometheus = Prometheus::watch(&world).await.expect("a Prometheus");
    let _viewer = watching(&world, "lobby").await;
    world.broker.part.kill().await;
    only(&prometheus, "MqttVideoBrokerUnreachable").await;
    let connected = shown(&prometheus, "broker", "Connected services").await;
    assert_eq!(connected.iter().map(|sample| sample.value).collect::<Vec<_>>(), [0.0, 0.0, 3.0], "none of three");
}

#[tokio::test]
async fn a_worker_that_is_lost_is_told_while_its_streams_go_on() {
    let mut world = World::describe().camera("lobby", "silent").start().await;
    let prometheus = Prometheus::watch(&world).await.expect("a Prometheus");
    let mut viewer = Viewer::of(&world).await;
    let worker = viewer.play_live("lobby").await["worker"].as_str().expect("a worker").to_owned();
    viewer.until_video(10).await;
    world.part(&worker).expect("it exists").kill().await;
    only(&prometheus, "MqttVideoWorkerLost").await;
    let workers = shown(&prometheus, "transcoder-pool", "Workers").await;
    let lost = workers.iter().filter(|workers| workers.label("state") == "lost");
    assert_eq!(lost.map(|workers| workers.value).collect::<Vec<_>>(), [1.0]);
    viewer.until_video(10).await;
}

#[tokio::test]
async fn one_viewer_on_a_bad_link_alerts_nobody_and_is_seen() {
    let world = World::describe().camera("lobby", "silent").transcoders(1, "").start().await;
    let prometheus = Prometheus::watch(&world).await.expect("a Prometheus");
    let mut reports = vec![report(120, 0); 5];
    reports.push(report(4_000, 8_000));
    let seen = async {
        // More of the budget burns than a page needs, over both windows: it is the number of viewers that speaks against it.
        let burns = "namespace:mqtt_video_latency_missed:ratio_rate5m > 0.144 \
                     and namespace:mqtt_video_latency_missed:ratio_rate1h > 0.144";
        prometheus.until("the bad link counts", burns, |found| !found.is_empty()).await.expect("asked");
        prometheus.evaluated().await.expect("evaluated");
        assert_eq!(prometheus.fired().await.expect("alerts"), [""; 0]);
        // Its next report; the panel looks back for a moment only.
        let [worst, ..] = &expressions("viewer-experience", "Worst viewer")[..] else { panic!("no expression") };
        let worst = prometheus::hastened_expression(&prometheus::substituted(worst));
        prometheus.until("one viewer's picture stands", &worst, |found| found.iter().any(|it| it.value > 0.5)).await
    };
    let worst = meanwhile(viewers(&world, reports), seen).await;
    assert!(worst.is_ok(), "{worst:?}");
    assert_eq!(prometheus.fired().await.expect("alerts"), [""; 0]);
}

/// Plays a source, and goes on to do so while it lives.
async fn watching(world: &World, source: &str) -> Viewer {
    let mut viewer = Viewer::of(world).await;
    viewer.play_live(source).await;
    viewer.until_video(10).await;
    viewer
}

/// Players that report as players do, without end, each the same again and again.
async fn viewers(world: &World, reports: Vec<Value>) {
    let mut client = Client::connect(world.mqtt()).await.expect("connected");
    let mut turns = interval(REPORT_EVERY / u32::try_from(reports.len()).expect("few"));
    for report in reports.iter().cycle() {
        turns.tick().await;
        let publication = Publication::new("video/qoe", report.to_string());
        client.publish(publication).await.expect("published");
    }
}

/// Waits for `claim` while something goes on without end.
async fn meanwhile<T>(something: impl Future, claim: impl Future<Output = T>) -> T {
    tokio::select! {
        _ = something => unreachable!("it goes on without end"),
        result = claim => result,
    }
}

/// Waits until `alert` fires, and for whatever else is pending to turn out to be nothing.
async fn only(prometheus: &Prometheus, alert: &str) {
    let fires = format!("ALERTS{{alertstate=\"firing\", alertname=\"{alert}\"}}");
    let found = prometheus.until(&format!("{alert} fires"), &fires, |found| !found.is_empty()).await;
    if let Err(error) = found {
        panic!("{error:#}; pending: {:?}, fired: {:?}", prometheus.alerts("pending").await, prometheus.fired().await);
    }
    prometheus.evaluated().await.expect("evaluated");
    let others = format!("ALERTS{{alertstate=\"pending\", alertname!=\"{alert}\"}}");
    prometheus.until("nothing else is pending", &others, <[Sample]>::is_empty).await.expect("asked");
    assert_eq!(prometheus.fired().await.expect("alerts"), [alert], "one cause, one alert");
    let listed = shown(prometheus, "service", "Firing alerts").await;
    assert!(listed.iter().any(|row| row.label("alertname") == alert), "{listed:?}");
}

fn expressions(dashboard: &str, title: &str) -> Vec<String> {
    prometheus::panel(&prometheus::dashboard(dashboard).expect("a dashboard"), title).expect("a panel")
}

/// What a panel shows now.
async fn shown(prometheus: &Prometheus, dashboard: &str, title: &str) -> Vec<Sample> {
    let mut all = Vec::new();
    for expression in expressions(dashboard, title) {
        all.extend(prometheus.show(&expression).await.expect("an answer"));
    }
    all
}
