//! Streams that go from one transcoder to another, with their viewers, who do not ask again.

use std::collections::BTreeSet;

use e2e::media::{Received, VIDEO, assert_continuous};
use e2e::viewer::Got;
use e2e::{Camera, Viewer, World, wait};

/// A second, and a GOP of the cameras, in the unit of the timeline.
const SECOND: u64 = 90_000;

/// A viewer that has played `source` for a while, and the worker that it plays from.
async fn playing(world: &World, source: &str) -> (Viewer, String) {
    let mut viewer = Viewer::of(world).await;
    let described = viewer.play_live(source).await;
    viewer.until_video(10).await;
    (viewer, described["worker"].as_str().expect("a worker").to_owned())
}

fn generations(fragments: &[Received]) -> Vec<u64> {
    fragments.iter().map(|received| received.generation).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether a GOP of a second generation is complete.
fn went_on(fragments: &[Received]) -> bool {
    let Some(last) = generations(fragments).get(1).copied() else { return false };
    fragments.iter().filter(|received| received.generation == last && received.sync()).count() > 1
}

/// How far the first picture of the second generation is from where the last one of the first ended.
fn hole(fragments: &[Received]) -> u64 {
    let seam = fragments.windows(2).find(|pair| pair[0].generation != pair[1].generation).expect("two generations");
    seam[1].decode_time().saturating_sub(seam[0].decode_time())
}

async fn until_moved(viewer: &mut Viewer) -> Vec<Received> {
    viewer.until("the stream from the other worker", |got| went_on(&got.video.video().fragments).then_some(())).await;
    let fragments = viewer.got.video.video().fragments;
    assert_continuous(&fragments);
    assert_eq!(generations(&fragments).len(), 2, "one change");
    fragments
}

#[track_caller]
fn assert_never_ended(got: &Got) {
    assert!(got.statuses.iter().all(|status| status["state"] != "ended"), "{:?}", got.statuses);
    assert!(got.replies.len() <= 1, "it asked once, or not at all: {:?}", got.replies);
}

#[tokio::test]
async fn a_killed_transcoders_streams_are_adopted_with_their_viewers() {
    let mut world = World::describe().camera("lobby", "aac").start().await;
    let (mut live, victim) = playing(&world, "lobby").await;
    let mut reply = Viewer::of(&world).await;
    reply.play_reply("lobby").await;
    reply.until_gops(2).await;
    world.part(&victim).expect("it exists").kill().await;

    until_moved(&mut live).await;
    let from_other = |got: &Got| (generations(&got.replied.video().fragments).len() == 2).then_some(());
    reply.until("GOPs of the other worker", from_other).await;
    reply.until_gops(2).await;
    let gops = reply.got.replied.video();
    assert_eq!(gops.inits.len(), 2, "an init segment for each generation");
    assert!(gops.fragments.iter().all(Received::sync), "each message begins with a keyframe");
    for viewer in [&mut live, &mut reply] {
        assert_never_ended(viewer.look());
    }
    world.the_ffmpeg();
    let status = live.until_status("live").await;
    assert_ne!(status["worker"], victim.as_str(), "{status}");
    // They are the other's viewers, counted in and out.
    for viewer in [&mut live, &mut reply] {
        viewer.stop().await;
        viewer.until_status("ended").await;
    }
    drop((live, reply));
    world.idle().await;
}

#[tokio::test]
async fn what_a_transcoder_found_out_about_a_camera_goes_with_its_stream() {
    let mut world = World::describe().camera("gate", "g711").start().await;
    let (mut viewer, first) = playing(&world, "gate").await;
    let second = if first == "transcoder0" { "transcoder1" } else { "transcoder0" };
    let learnt = |world: &mut World, worker: &str| {
        let lines = world.part(worker).expect("it exists").log().lines();
        lines.iter().filter(|line| line.text.contains("learnt about the source")).count()
    };
    assert_eq!(learnt(&mut world, &first), 1, "its sound has to be transcoded");
    world.part(&first).expect("it exists").kill().await;
    until_moved(&mut viewer).await;
    assert_eq!(learnt(&mut world, second), 0, "the other one knew");
}

#[tokio::test]
async fn a_draining_transcoders_streams_move_while_they_play() {
    let mut world = World::describe()
        .camera("lobby", "aac")
        .camera("yard", "silent")
        .transcoders(2, "--drain-timeout 60s")
        .start()
        .await;
    let (mut lobby, first) = playing(&world, "lobby").await;
    let (mut yard, second) = playing(&world, "yard").await;
    assert_ne!(first, second, "one each");
    // The backstop is shorter than the deadline of draining: it ends because nothing is left to do.
    let status = world.part(&first).expect("it exists").stop().await.expect("it ran");
    assert!(status.success(), "{status}");

    let fragments = until_moved(&mut lobby).await;
    assert!(hole(&fragments) <= SECOND, "not more than a GOP is missing: {}", hole(&fragments));
    let status = lobby.until_status("live").await;
    assert_eq!(status["worker"], second.as_str(), "{status}");
    let restarted = |status: &&serde_json::Value| status["state"] != "live" && status["state"] != "starting";
    assert_eq!(lobby.got.statuses.iter().find(restarted), None, "viewers are told of nothing");
    yard.until_video(10).await;
    assert_eq!(generations(&yard.got.video.video().fragments).len(), 1, "what was elsewhere stays there");
    world.gatekeeper.counts("moves_total{cause=\"draining\",outcome=\"done\"}", 1.0).await.expect("counted");
}

#[tokio::test]
async fn a_camera_that_serves_one_client_is_moved_after_a_break() {
    let mut world = World::describe()
        .with(Camera::new("lobby", "aac").single())
        .transcoders(2, "--drain-timeout 60s")
        .start()
        .await;
    let (mut viewer, first) = playing(&world, "lobby").await;
    let status = world.part(&first).expect("it exists").stop().await.expect("it ran");
    assert!(status.success(), "{status}");
    until_moved(&mut viewer).await;
    assert_never_ended(viewer.look());
    let refused = world.camera("lobby").part.log().lines();
    assert!(refused.iter().any(|line| line.text.contains("client refused")), "it was asked for two at a time");
    world.the_ffmpeg();
}

#[tokio::test]
async fn a_transcoder_that_the_gatekeeper_cannot_reach_gives_its_streams_up() {
    let mut world = World::describe().camera("lobby", "silent").wired().start().await;
    let (mut viewer, cut_off) = playing(&world, "lobby").await;
    let number = usize::from(cut_off == "transcoder1");
    let ffmpeg = world.the_ffmpeg();
    world.wires[number].freeze();

    let fragments = until_moved(&mut viewer).await;
    wait::until("its ffmpeg is gone", || (!ffmpeg.alive()).then_some(())).await;
    assert!(hole(&fragments) <= SECOND, "it played until the other did: {}", hole(&fragments));
    let overlap = viewer.look().video.stale;
    assert!(overlap <= 30, "both published for less than a GOP: {overlap} messages");
    assert_never_ended(viewer.look());
    // The retained state is the other's, and the one that yielded has not cleared it.
    let state = format!("{}/state", viewer.live_topic.clone().expect("a live topic"));
    viewer.client.subscribe(&state, e2e::mqtt::Qos::AtLeastOnce).await.expect("subscribed");
    let retained = viewer.until("the retained state", |got| got.states.first().cloned()).await;
    assert_ne!(retained["worker"], cut_off.as_str(), "{retained}");
    assert!(viewer.got.video.fragments(VIDEO) > 0);
    world.the_ffmpeg();
}
