//! However many watch, a stream runs once.

use e2e::media::{VIDEO, assert_continuous, spliced};
use e2e::mqtt::{Client, Qos};
use e2e::{Camera, Viewer, World};
use serde_json::json;

#[tokio::test]
async fn ten_viewers_share_one_ffmpeg_one_rtsp_connection_and_each_message() {
    let mut world = World::describe().camera("lobby", "aac").transcoders(2, "").start().await;
    let mut viewers = Vec::new();
    for _ in 0..10 {
        let mut viewer = Viewer::of(&world).await;
        viewer.play_live("lobby").await;
        viewers.push(viewer);
    }
    for viewer in &mut viewers {
        viewer.until_video(60).await;
        // A message published twice would carry its number twice, which is a fault of the feed.
        assert_eq!(viewer.got.video.faults, [""; 0]);
        assert_continuous(&viewer.got.video.video().fragments);
        assert!(spliced(&viewer.got.replied.video(), &viewer.got.video.video())[0].sync());
    }
    world.the_ffmpeg();
    assert_eq!((world.camera("lobby").clients(), world.camera("lobby").connections()), (1, 1));
    let ten = |tick: &serde_json::Value| tick["viewers"] == 10;
    viewers[0].until("ten viewers in the tick", |got| got.ticks.iter().any(ten).then_some(())).await;
}

#[tokio::test]
async fn both_deliveries_and_both_dialects_share_one_ffmpeg() {
    let mut world = World::describe().camera("lobby", "aac").transcoders(2, "").start().await;
    let (mut live, mut reply) = (Viewer::of(&world).await, Viewer::of(&world).await);
    live.play_live("lobby").await;
    reply.play_reply("lobby").await;
    reply.until_gops(2).await;
    live.until_video(30).await;
    let mut old = Viewer::of(&world).await;
    let topic = old.reply_topic.clone();
    old.send("client/play", json!({"url": world.url("lobby"), "profile": "source", "resp_topic": topic}).to_string())
        .await;
    old.until_gops(2).await;
    world.the_ffmpeg();
    assert_eq!(world.camera("lobby").connections(), 1);
}

#[tokio::test]
async fn another_profile_is_another_stream_of_the_same_source() {
    let mut world = World::describe().camera("lobby", "silent").transcoders(1, "").start().await;
    let (mut source, mut legacy) = (Viewer::of(&world).await, Viewer::of(&world).await);
    source.play_live("lobby").await;
    legacy.request("video/play", json!({"source": "lobby", "profile": "legacy"})).await;
    legacy.until_gops(2).await;
    source.until_video(30).await;
    assert_eq!(world.ffmpeg_count(), 2);
    source.stop().await;
    source.until_status("ended").await;
    legacy.until_gops(1).await;
    assert_eq!(legacy.got.replied.video().inits.len(), 1, "the other one goes on");
}

#[tokio::test]
async fn a_source_takes_as_many_viewers_as_it_allows() {
    let camera = Camera::new("lobby", "silent").max_viewers(1);
    let world = World::describe().with(camera).transcoders(2, "").start().await;
    let (mut first, mut second) = (Viewer::of(&world).await, Viewer::of(&world).await);
    first.play_live("lobby").await;
    first.until_video(10).await;
    second.play_reply("lobby").await;
    let error = second.error().await;
    assert_eq!(error["code"], "no_capacity", "{error}");
    assert!(error["retry_after_s"].as_u64().is_some(), "{error}");
    first.until_video(30).await;
}

#[tokio::test]
async fn someone_who_only_subscribes_keeps_a_stream_alive() {
    let mut world =
        World::describe().camera("lobby", "silent").transcoders(1, "--linger 1s --viewer-grace 2s").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    let mut passive = Client::connect(world.mqtt()).await.expect("connected");
    passive.subscribe("video/live/lobby/source/#", Qos::AtLeastOnce).await.expect("subscribed");
    viewer.stop().await;
    viewer.until_status("ended").await;
    let mut ticks = 0;
    while ticks < 6 {
        let message = e2e::wait::within("ticks go on", passive.next()).await.expect("connected");
        ticks += u32::from(message.topic.ends_with("/tick"));
    }
    world.the_ffmpeg();
    passive.disconnect().await.expect("disconnected");
    drop(viewer);
    world.idle().await;
}

#[tokio::test]
async fn a_stream_leaves_its_state_retained_and_clears_it() {
    let mut world = World::describe().camera("lobby", "aac").transcoders(1, "--linger 1s").start().await;
    let mut viewer = Viewer::of(&world).await;
    let described = viewer.play_live("lobby").await;
    viewer.until_video(VIDEO as usize).await;
    let mut late = Client::connect(world.mqtt()).await.expect("connected");
    late.subscribe("video/live/lobby/source/state", Qos::AtLeastOnce).await.expect("subscribed");
    let state = e2e::wait::within("the retained state", late.next()).await.expect("connected");
    assert!(state.retain, "{state:?}");
    let value: serde_json::Value = serde_json::from_slice(&state.payload).expect("JSON");
    for field in ["mimeCodec", "generation", "tracks", "worker"] {
        assert_eq!(value[field], described[field], "{field}");
    }
    assert_eq!(value["state"], "live");
    viewer.stop().await;
    drop(viewer);
    let cleared = async { while !late.next().await.expect("connected").payload.is_empty() {} };
    e2e::wait::within("the state is cleared", cleared).await;
    world.idle().await;
}
