//! Nobody has to say goodbye: whatever way a viewer goes, its ffmpeg ends.

use std::time::{Duration, Instant};

use e2e::mqtt::{Client, Connect, Qos, Version, Will};
use e2e::services::Service;
use e2e::wire::Wire;
use e2e::{Viewer, World, processes, wait};
use serde_json::json;

const FLAGS: &str = "--linger 1s --viewer-grace 2s";
/// Linger and grace as in `FLAGS`, the 5 s between two looks at a viewer that takes live delivery, and a slow machine.
const SOON: Duration = Duration::from_secs(3 + 5 + 7);

#[derive(Debug, Clone, Copy)]
enum Way {
    Stop,
    Disconnect,
    Close,
    Reset,
    Cut,
}

async fn check(live: bool, way: Way) {
    let mut world = World::describe().camera("lobby", "silent").transcoders(2, FLAGS).start().await;
    let wire = Wire::to(world.mqtt()).await.expect("a wire");
    // With a Keep Alive, because that is how a broker notices a host that is silent.
    let connect = Connect { keep_alive: u16::from(matches!(way, Way::Cut)), ..Connect::new(Version::V5) };
    let mut viewer = Viewer::at(wire.address, connect, "video/reply/leaving").await;
    if live {
        viewer.play_live("lobby").await;
        viewer.until_video(5).await;
    } else {
        viewer.play_reply("lobby").await;
        viewer.until_gops(1).await;
    }
    let ffmpeg = world.the_ffmpeg();
    let gone = Instant::now();
    let mut kept = None;
    match way {
        Way::Stop => {
            viewer.stop().await;
            viewer.until_status("ended").await;
            // It stays connected and subscribed to its own topic, as a page with a Stop button does.
            if let Some(topic) = viewer.live_topic.clone() {
                for name in ["video", "audio", "tick"] {
                    viewer.client.unsubscribe(&format!("{topic}/{name}")).await.expect("unsubscribed");
                }
            }
            kept = Some(viewer);
        }
        Way::Disconnect => viewer.client.disconnect().await.expect("disconnected"),
        Way::Close => drop(viewer),
        Way::Reset => viewer.client.reset().await.expect("reset"),
        Way::Cut => {
            wire.freeze();
            kept = Some(viewer);
        }
    }
    wait::until("ffmpeg ends", || (!ffmpeg.alive()).then_some(())).await;
    assert!(gone.elapsed() < SOON, "{way:?}: it took {:?}", gone.elapsed());
    world.idle().await;
    drop(kept);
}

#[tokio::test]
async fn a_live_viewer_stops() {
    check(true, Way::Stop).await;
}

#[tokio::test]
async fn a_live_viewer_disconnects() {
    check(true, Way::Disconnect).await;
}

#[tokio::test]
async fn a_live_viewer_is_killed() {
    check(true, Way::Close).await;
}

#[tokio::test]
async fn a_live_viewers_socket_is_reset() {
    check(true, Way::Reset).await;
}

#[tokio::test]
async fn a_live_viewers_connection_is_cut() {
    check(true, Way::Cut).await;
}

#[tokio::test]
async fn a_reply_viewer_stops() {
    check(false, Way::Stop).await;
}

#[tokio::test]
async fn a_reply_viewer_disconnects() {
    check(false, Way::Disconnect).await;
}

#[tokio::test]
async fn a_reply_viewer_is_killed() {
    check(false, Way::Close).await;
}

#[tokio::test]
async fn a_reply_viewers_socket_is_reset() {
    check(false, Way::Reset).await;
}

#[tokio::test]
async fn a_reply_viewers_connection_is_cut() {
    check(false, Way::Cut).await;
}

#[tokio::test]
async fn one_of_two_viewers_leaves_and_the_other_does_not_notice() {
    let mut world = World::describe().camera("lobby", "silent").transcoders(1, FLAGS).start().await;
    let (mut stays, mut leaves) = (Viewer::of(&world).await, Viewer::of(&world).await);
    stays.play_live("lobby").await;
    leaves.play_live("lobby").await;
    leaves.until_video(5).await;
    leaves.client.reset().await.expect("reset");
    let alone = |tick: &serde_json::Value| tick["viewers"] == 1;
    stays.until("two viewers", |got| got.ticks.iter().any(|tick| tick["viewers"] == 2).then_some(())).await;
    stays.until("one viewer", |got| got.ticks.last().is_some_and(alone).then_some(())).await;
    e2e::media::assert_continuous(&stays.got.video.video().fragments);
    world.the_ffmpeg();
}

#[tokio::test]
async fn stop_requests_are_idempotent() {
    let mut world = World::describe().camera("lobby", "silent").transcoders(1, FLAGS).start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.stop().await;
    viewer.play_reply("lobby").await;
    viewer.until_gops(1).await;
    viewer.stop().await;
    viewer.stop().await;
    let ended = viewer.until_status("ended").await;
    assert!(ended.get("code").is_none(), "it asked for it: {ended}");
    world.idle().await;
    viewer.stop().await;
    assert!(viewer.look().replies.is_empty(), "stop has no answer");
}

/// The first page's tabs share a client id; its will is retained and names nobody; its stop names a URL and no viewer.
#[tokio::test]
async fn the_first_dialects_stop_and_will_harm_no_one_else() {
    let mut world = World::describe().camera("lobby", "silent").transcoders(1, FLAGS).start().await;
    let mut ours = Viewer::of(&world).await;
    ours.request("video/play", json!({"source": "lobby", "profile": "legacy"})).await;
    ours.until_gops(1).await;
    let will = Will { topic: "client/unregister".to_owned(), payload: r#"{"clientId":"id_0"}"#.into(), retain: true };
    let connect = Connect { client_id: "id_0".to_owned(), will: Some(will), ..Connect::new(Version::V3) };
    let url = world.url("lobby");
    let play = |topic: &str| json!({"clientId": "id_0", "url": url, "resp_topic": topic}).to_string();
    let mut first = Viewer::at(world.mqtt(), connect.clone(), "client/describe/response/1").await;
    first.send("client/play", play("client/describe/response/1")).await;
    let mut second = Viewer::at(world.mqtt(), connect, "client/describe/response/2").await;
    wait::within("the broker drops the first", async { while first.client.next().await.is_ok() {} }).await;
    second.send("client/play", play("client/describe/response/2")).await;
    // MQTT 3.1.1 brings no numbers; the payload is enough.
    wait::within("media", async {
        while !e2e::mp4::is_media(&second.client.next().await.expect("it stays connected").payload) {}
    })
    .await;
    second.send("client/stop", json!({"clientId": "id_0", "url": url}).to_string()).await;
    ours.until_gops(4).await;
    assert_eq!(ours.got.replied.faults, [""; 0]);
    assert!(ours.got.statuses.iter().all(|status| status["state"] != "ended"), "{:?}", ours.got.statuses);
    ours.stop().await;
    world.idle().await;
}

#[tokio::test]
async fn the_first_dialects_stop_ends_its_ffmpeg() {
    let mut world = World::describe().camera("lobby", "silent").transcoders(1, FLAGS).start().await;
    let connect = Connect::new(Version::V5);
    let mut viewer = Viewer::at(world.mqtt(), connect, "video_123").await;
    let url = world.url("lobby");
    viewer.send("client/play", json!({"url": url, "resp_topic": "video_123"}).to_string()).await;
    viewer.until_gops(1).await;
    viewer.send("client/stop", json!({"url": url}).to_string()).await;
    viewer.until_status("ended").await;
    world.idle().await;
}

/// What a service holds that must not grow.
#[derive(Debug)]
struct Holdings {
    files: usize,
    threads: usize,
    resident_kib: u64,
}

impl Holdings {
    fn of(service: &Service) -> Self {
        let id = service.part.id();
        Self {
            files: processes::open_files(id).expect("it runs"),
            threads: processes::threads(id).expect("it runs"),
            resident_kib: processes::resident_kib(id).expect("it runs"),
        }
    }
}

#[tokio::test]
async fn two_hundred_rounds_leave_nothing() {
    let mut world = World::describe().camera("lobby", "silent").camera("yard", "silent");
    world = world.camera("gate", "silent").camera("roof", "silent");
    let mut world = world.transcoders(1, "--linger 100ms --viewer-grace 2s").start().await;
    // Allocators, connections and thread pools reach their size.
    rounds(&world, 10).await;
    world.idle().await;
    let services = |world: &World| [Holdings::of(&world.transcoders[0]), Holdings::of(&world.gatekeeper)];
    let before = services(&world);
    rounds(&world, 50).await;
    world.idle().await;
    let after = services(&world);
    for (before, after) in before.iter().zip(&after) {
        let told = format!("{before:?} → {after:?}");
        assert!(after.files <= before.files + 4, "files: {told}");
        assert!(after.threads <= before.threads + 4, "threads: {told}");
        assert!(after.resident_kib <= before.resident_kib + 8 * 1024, "memory: {told}");
    }
    assert_eq!(processes::zombies(world.transcoders[0].part.id()), 0);
    assert_eq!(retained_topics(&world).await, ["video/sources"]);
}

/// On all cameras at once, `number` times: every other time until media flows, else until it is asked to. Each round ends
/// all ffmpegs.
async fn rounds(world: &World, number: usize) {
    let mut viewers = Vec::new();
    for source in world.cameras.keys() {
        viewers.push((source, Viewer::of(world).await));
    }
    for round in 0..number {
        for (source, viewer) in &mut viewers {
            viewer.play_reply(source).await;
        }
        for (_, viewer) in &mut viewers {
            if round % 2 == 0 {
                viewer.until_gops(1).await;
            } else {
                viewer.until_status("starting").await;
            }
        }
        for (_, viewer) in &mut viewers {
            viewer.stop().await;
            viewer.until_status("ended").await;
        }
        let worker = world.transcoders[0].part.id();
        wait::until("no ffmpeg", || processes::ffmpegs(worker).is_empty().then_some(())).await;
    }
}

async fn retained_topics(world: &World) -> Vec<String> {
    let mut client = Client::connect(world.mqtt()).await.expect("connected");
    client.subscribe("#", Qos::AtLeastOnce).await.expect("subscribed");
    // Retained messages precede whatever is published later, such as this.
    let mark = e2e::mqtt::Publication::new("e2e/mark", "").at_least_once();
    client.publish(mark).await.expect("published");
    let mut topics = Vec::new();
    loop {
        let message = wait::within("the mark", client.next()).await.expect("connected");
        if message.topic == "e2e/mark" {
            return topics;
        }
        if message.retain {
            topics.push(message.topic);
        }
    }
}
