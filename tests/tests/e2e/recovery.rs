//! What breaks, and how it goes on.

use std::time::Instant;

use e2e::media::{Track, assert_continuous, assert_numbers_rise};
use e2e::viewer::Got;
use e2e::{Viewer, World, wait};
use nix::sys::signal::Signal;
use serde_json::json;

/// Of a second, in the timescale of video.
const SECOND: u64 = 90_000;

/// Generations of a track's fragments, in their order.
fn generations(track: &Track) -> Vec<u64> {
    let mut generations: Vec<u64> = track.fragments.iter().map(|received| received.generation).collect();
    generations.dedup();
    generations
}

/// Waits until the picture goes on in another generation, and some more.
async fn until_it_goes_on(viewer: &mut Viewer) {
    let now = generations(&viewer.got.video.video()).len();
    let more = |got: &Got| generations(&got.video.video()).len() > now;
    viewer.until("another generation", |got| more(got).then_some(())).await;
    viewer.until_video(30).await;
}

#[tokio::test]
async fn ffmpeg_killed_means_a_new_generation_on_the_same_timeline() {
    let mut world = World::describe().camera("lobby", "aac").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(30).await;
    let killed = world.the_ffmpeg();
    killed.kill();
    until_it_goes_on(&mut viewer).await;
    let mut starts = Vec::new();
    for (track, timescale) in [(viewer.got.video.video(), 90_000.0), (viewer.got.audio.audio(), 48_000.0)] {
        assert_continuous(&track.fragments);
        assert_numbers_rise(&track.fragments);
        let newest = *generations(&track).last().expect("a generation");
        assert!(track.inits.contains_key(&newest), "it begins with an init segment");
        let first = track.fragments.iter().position(|received| received.generation == newest).expect("fragments");
        let (before, after) = (&track.fragments[first - 1], &track.fragments[first]);
        // The timeline goes on where the picture froze: the time of the outage is no gap in it.
        let (before, after) = (before.decode_time() as f64 / timescale, after.decode_time() as f64 / timescale);
        assert!((after - before).abs() < 0.5, "from {before} to {after}");
        starts.push(after);
    }
    assert!((starts[0] - starts[1]).abs() < 0.5, "both tracks begin together: {starts:?}");
    let states: Vec<_> = viewer.got.statuses.iter().filter_map(|status| status["state"].as_str()).collect();
    assert!(states.contains(&"restarting") && states.last() == Some(&"live"), "{states:?}");
    assert!(world.the_ffmpeg() != killed);
}

#[tokio::test]
async fn ffmpeg_killed_means_another_init_segment_for_reply_viewers() {
    let mut world = World::describe().camera("lobby", "aac").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_reply("lobby").await;
    viewer.until_gops(2).await;
    world.the_ffmpeg().kill();
    viewer.until("another generation", |got| (got.replied.video().inits.len() == 2).then_some(())).await;
    viewer.until_gops(2).await;
    let track = viewer.got.replied.video();
    assert_continuous(&track.fragments);
    assert!(track.fragments.iter().all(e2e::media::Received::sync));
    assert_eq!(viewer.got.replied.faults, [""; 0]);
}

#[tokio::test]
async fn another_resolution_is_a_new_generation_with_its_own_init_segment() {
    let mut world = World::describe().camera("lobby", "aac").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(30).await;
    world.camera("lobby").part.stop().await;
    world.camera("lobby").camera.size = Some("320x240".to_owned());
    world.restart("camera:lobby").await.expect("it comes back");
    let of = |got: &Got, size| got.video.video().inits.values().any(|init| init.tracks[0].size == Some(size));
    viewer.until("an init segment of the new size", |got| of(got, (320, 240)).then_some(())).await;
    viewer.until_video(30).await;
    assert_continuous(&viewer.got.video.video().fragments);
    assert_continuous(&viewer.got.audio.audio().fragments);
}

#[tokio::test]
async fn a_camera_that_comes_back_is_seen_within_five_seconds() {
    let mut world = World::describe().camera("lobby", "silent").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(10).await;
    world.camera("lobby").part.kill().await;
    viewer.until_status("restarting").await;
    // The tick goes on once a second while the camera is away: ten of them are the ten seconds.
    let ticks = viewer.got.ticks.len() + 10;
    viewer.until("ten ticks", |got| (got.ticks.len() >= ticks).then_some(())).await;
    world.restart("camera:lobby").await.expect("it comes back");
    let back = Instant::now();
    viewer.until_video(1).await;
    assert!(back.elapsed().as_secs_f64() < 5.0, "the picture is back after {:?}", back.elapsed());
    viewer.until_video(10).await;
    assert_continuous(&viewer.got.video.video().fragments);
    assert_numbers_rise(&viewer.got.video.video().fragments);
}

#[tokio::test]
async fn a_camera_that_hangs_is_lost_and_comes_back() {
    let mut world = World::describe()
        .camera("lobby", "silent")
        .transcoders(1, "--stall-timeout 2s --source-timeout 2s")
        .start()
        .await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(10).await;
    world.camera("lobby").part.signal(Signal::SIGSTOP);
    viewer.until_status("restarting").await;
    world.camera("lobby").part.signal(Signal::SIGCONT);
    viewer.until_status("live").await;
    viewer.until_video(10).await;
    assert_continuous(&viewer.got.video.video().fragments);
}

#[tokio::test]
async fn one_frame_in_fifty_lost_leaves_a_continuous_stream() {
    let camera = e2e::Camera::new("lobby", "aac").loss(50);
    let world = World::describe().with(camera).transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(300).await;
    let fragments = viewer.got.video.video().fragments;
    assert_continuous(&fragments);
    let steps = fragments.windows(2).map(|pair| pair[1].decode_time() - pair[0].decode_time());
    let largest = steps.max().expect("steps");
    assert!(largest > SECOND / 30 + SECOND / 60, "a frame is missing at times: {largest}");
    // Twice the duration that the last sample states is what Chromium bears.
    assert!(largest < SECOND, "{largest}");
    assert_eq!(generations(&viewer.got.video.video()).len(), 1, "nothing restarted");
}

#[tokio::test]
async fn a_gatekeeper_restart_is_not_noticed_by_viewers() {
    let mut world =
        World::describe().camera("lobby", "aac").transcoders(1, "--linger 1s --viewer-grace 2s").start().await;
    let (mut live, mut reply) = (Viewer::of(&world).await, Viewer::of(&world).await);
    live.play_live("lobby").await;
    reply.play_reply("lobby").await;
    live.until_video(30).await;
    let ffmpeg = world.the_ffmpeg();
    world.gatekeeper.part.kill().await;
    live.until_video(60).await;
    world.restart("gatekeeper").await.expect("it starts again");
    live.until_video(60).await;
    reply.until_gops(2).await;
    assert_eq!((&live.got.video.faults, &reply.got.replied.faults), (&Vec::new(), &Vec::new()));
    assert_continuous(&live.got.video.video().fragments);
    assert!(ffmpeg.alive());
    // And the new one knows who watches what.
    live.stop().await;
    reply.stop().await;
    live.until_status("ended").await;
    reply.until_status("ended").await;
}

#[tokio::test]
async fn a_gatekeeper_that_stops_leaves_the_streams_alone() {
    let mut world = World::describe().camera("lobby", "silent").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(5).await;
    let status = world.gatekeeper.part.stop().await.expect("it ran");
    assert!(status.success(), "{status}");
    viewer.until_video(60).await;
    assert_eq!(generations(&viewer.got.video.video()).len(), 1);
}

#[tokio::test]
async fn a_transcoder_killed_leaves_no_ffmpeg_and_another_one_takes_over() {
    let mut world = World::describe().camera("lobby", "silent").camera("yard", "g711").start().await;
    let mut viewers = [Viewer::of(&world).await, Viewer::of(&world).await];
    let mut workers = Vec::new();
    for (viewer, source) in viewers.iter_mut().zip(["lobby", "yard"]) {
        workers.push(viewer.play_live(source).await["worker"].as_str().expect("a worker").to_owned());
        viewer.until_video(5).await;
    }
    let victim = workers[0].clone();
    let number = usize::from(victim == "transcoder1");
    let orphans = world.ffmpegs()[number].clone();
    assert_eq!(orphans.len(), 1);
    world.part(&victim).expect("it exists").kill().await;
    let gone = || orphans.iter().all(|orphan| !orphan.alive()).then_some(());
    wait::until("its ffmpeg is gone", gone).await;
    // The viewer asks again, as players do when the ticks stop.
    let described = loop {
        let described = viewers[0].describe("lobby").await;
        if described.get("code").is_none() {
            break described;
        }
        assert_eq!(described["code"], "no_capacity", "{described}");
    };
    assert_ne!(described["worker"], json!(victim));
    viewers[0].request("video/play", json!({"source": "lobby", "delivery": "live"})).await;
    viewers[0].until_video(10).await;
    assert_continuous(&viewers[0].got.video.video().fragments);
}

#[tokio::test]
async fn sigterm_drains() {
    let mut world = World::describe().camera("lobby", "aac").transcoders(1, "--drain-timeout 1s").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(10).await;
    let ffmpeg = world.the_ffmpeg();
    let status = world.transcoders[0].part.stop().await.expect("it ran");
    assert!(status.success(), "{status}");
    assert!(!ffmpeg.alive());
    let ended = viewer.until_status("ended").await;
    assert_eq!(ended["code"], "draining", "{ended}");
    let state = format!("{}/state", viewer.live_topic.clone().expect("a live topic"));
    viewer.client.subscribe(&state, e2e::mqtt::Qos::AtLeastOnce).await.expect("subscribed");
    // What was retained would come with the subscription, before this.
    let answer = viewer.describe("lobby").await;
    assert_eq!(answer["code"], "no_capacity", "{answer}");
    assert!(viewer.look().states.is_empty(), "the retained state is cleared");
}

#[tokio::test]
async fn sigterm_without_viewers_is_quick() {
    let mut world = World::describe().camera("lobby", "aac").transcoders(1, "--drain-timeout 60s").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.describe("lobby").await;
    let ffmpeg = world.the_ffmpeg();
    // The backstop is shorter than the deadline of draining.
    let status = world.transcoders[0].part.stop().await.expect("it ran");
    assert!(status.success() && !ffmpeg.alive(), "{status}");
}

#[tokio::test]
async fn a_broker_restart_is_survived() {
    let mut world = World::describe().camera("lobby", "aac").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(10).await;
    world.broker.part.kill().await;
    // A gatekeeper stays ready without the broker; what it counts tells when it is back.
    let unconnected = async {
        while world.gatekeeper.count("broker_connected").await.expect("counted") > 0.0 {
            tokio::task::yield_now().await;
        }
    };
    wait::within("the gatekeeper notices that the broker is gone", unconnected).await;
    world.restart("mosquitto").await.expect("it starts again");
    world.gatekeeper.counts("broker_connected", 1.0).await.expect("the gatekeeper is back");
    world.transcoders[0].ready().await.expect("the transcoder is back");
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(30).await;
    assert_continuous(&viewer.got.video.video().fragments);
    world.the_ffmpeg();
}
