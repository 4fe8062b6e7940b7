//! Delivery on the reply topic: whole GOPs, both tracks in one fragment, as the first page wants them.

use e2e::media::{AUDIO, Received, VIDEO};
use e2e::mqtt::{Connect, Version};
use e2e::{Viewer, World};
use serde_json::json;

/// Claims that each message is a whole GOP, and that one follows the other on each track.
#[track_caller]
fn assert_whole_gops(gops: &[Received], tracks: &[u32]) {
    for received in gops {
        let runs = &received.fragment.runs;
        assert_eq!(runs.iter().map(|run| run.track).collect::<Vec<_>>(), tracks);
        let video = &runs[0].samples;
        assert!(video[0].sync && video[1..].iter().all(|sample| !sample.sync), "one keyframe, at the front");
    }
    for pair in gops.windows(2) {
        let (before, after) = (&pair[0].fragment, &pair[1].fragment);
        assert_eq!(before.sequence + 1, after.sequence);
        for (run, next) in before.runs.iter().zip(&after.runs) {
            let duration: u64 = run.samples.iter().map(|sample| u64::from(sample.duration)).sum();
            assert_eq!(run.decode_time + duration, next.decode_time, "durations are true, track {}", run.track);
        }
    }
}

#[tokio::test]
async fn every_message_is_a_whole_gop_with_both_tracks() {
    let world = World::describe().camera("lobby", "aac").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_reply("lobby").await;
    viewer.until_gops(5).await;
    assert_eq!(viewer.got.replied.faults, [""; 0]);
    let track = viewer.got.replied.video();
    assert_whole_gops(&track.fragments, &[VIDEO, AUDIO]);
    assert_eq!(track.inits.len(), 1, "one init segment, in front of the first GOP");
    let ids: Vec<u32> = track.inits.values().flat_map(|init| &init.tracks).map(|track| track.id).collect();
    assert_eq!(ids, [VIDEO, AUDIO]);
    assert_eq!(viewer.got.replied.messages, track.fragments.len(), "init and first GOP are one message");
}

#[tokio::test]
async fn a_silent_camera_comes_with_one_track() {
    let world = World::describe().camera("lobby", "silent").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_reply("lobby").await;
    viewer.until_gops(3).await;
    assert_whole_gops(&viewer.got.replied.video().fragments, &[VIDEO]);
}

#[tokio::test]
async fn a_viewer_that_joins_a_warm_stream_gets_the_last_gop_at_once() {
    let world = World::describe().camera("lobby", "gop4").transcoders(1, "").start().await;
    let mut first = Viewer::of(&world).await;
    first.play_reply("lobby").await;
    first.until_gops(1).await;
    let mut late = Viewer::of(&world).await;
    late.play_reply("lobby").await;
    late.until_gops(1).await;
    let newest = first.look().replied.video().fragments.last().cloned().expect("a GOP");
    let got = &late.got.replied.video().fragments[0];
    assert_eq!(got.fragment.runs, newest.fragment.runs, "it did not wait for the next");
}

#[tokio::test]
async fn a_viewer_of_mqtt_3_1_1_plays() {
    let world = World::describe().camera("lobby", "aac").transcoders(1, "").start().await;
    let mut viewer = Viewer::open(&world, Connect::new(Version::V3)).await;
    let described = viewer.describe("lobby").await;
    assert!(described["mimeCodec"].is_string(), "{described}");
    viewer.play_reply("lobby").await;
    let payloads = async {
        loop {
            let message = viewer.client.next().await.expect("the broker serves on");
            if message.topic == viewer.reply_topic && e2e::mp4::is_media(&message.payload) {
                break message;
            }
        }
    };
    let message = e2e::wait::within("a GOP", payloads).await;
    let segments = e2e::mp4::read(&message.payload).expect("fragmented MP4");
    assert_eq!(segments.len(), 2, "an init segment and a GOP");
}

#[tokio::test]
async fn the_first_dialect_gets_the_legacy_profile() {
    let world = World::describe().camera("lobby", "aac").transcoders(1, "").start().await;
    let connect = Connect::new(Version::V5);
    let mut viewer = Viewer::at(world.mqtt(), connect, "client/describe/response/7").await;
    let topic = viewer.reply_topic.clone();
    let request = json!({"url": world.url("lobby"), "resp_topic": topic, "clientId": "id_0"}).to_string();
    viewer.send("client/describe", request.clone()).await;
    let described = viewer.reply().await;
    assert_eq!(described["profile"], "legacy", "{described}");
    viewer.send("client/play", request).await;
    viewer.until_gops(3).await;
    let track = viewer.got.replied.video();
    assert_whole_gops(&track.fragments, &[VIDEO, AUDIO]);
    let init = track.inits.values().next().expect("an init segment");
    assert_eq!(init.tracks[0].size, Some((320, 240)));
}
