//! Delivery on the shared live topic: the catch-up, and the splice.

use e2e::media::{AUDIO, Track, VIDEO, assert_continuous, spliced};
use e2e::{Camera, Viewer, World};
use serde_json::json;

/// Largest payload of a live message, by default.
const LIMIT: usize = 3900;

#[track_caller]
fn assert_spotless(viewer: &Viewer) {
    let feeds = [("reply topic", &viewer.got.replied), ("video", &viewer.got.video), ("audio", &viewer.got.audio)];
    for (name, feed) in feeds {
        assert_eq!(feed.faults, [""; 0], "{name}");
        assert!(feed.longest <= LIMIT, "{name}: {} bytes", feed.longest);
    }
}

#[tokio::test]
async fn init_segments_come_first_and_fragments_follow_without_a_gap() {
    let world = World::describe().camera("lobby", "aac").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    let described = viewer.play_live("lobby").await;
    viewer.until_video(90).await;
    assert_spotless(&viewer);
    let generation = described["generation"].as_u64().expect("a generation");
    let (catch_up, live) = (&viewer.got.replied, &viewer.got);
    let video = spliced(&catch_up.video(), &live.video.video());
    let audio = spliced(&catch_up.audio(), &live.audio.audio());
    assert!(video[0].sync(), "playing begins with a keyframe");
    let init = &catch_up.video().inits[&generation].tracks;
    assert_eq!((init.len(), init[0].id, init[0].timescale), (1, VIDEO, 90_000));
    assert_eq!(
        (init[0].codec.as_str(), init[0].size),
        (described["tracks"]["video"]["codec"].as_str().unwrap(), Some((640, 360)))
    );
    let sound = &catch_up.audio().inits[&generation].tracks;
    assert_eq!((sound.len(), sound[0].id, sound[0].timescale, sound[0].sound), (1, AUDIO, 48_000, Some((1, 48_000))));
    for (track, fragments) in [(VIDEO, &video), (AUDIO, &audio)] {
        for received in fragments {
            assert_eq!(received.fragment.runs.len(), 1, "one track a fragment");
            assert_eq!(received.fragment.runs[0].track, track);
        }
    }
}

#[tokio::test]
async fn the_open_last_sample_states_half_a_second() {
    let world = World::describe().camera("lobby", "silent").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(30).await;
    for received in viewer.got.video.video().fragments {
        let last = received.fragment.runs[0].samples.last().copied().expect("a sample");
        assert_eq!(last.duration, 45_000, "sequence {}", received.fragment.sequence);
    }
}

#[tokio::test]
async fn every_live_fragment_of_video_says_when_it_was_made() {
    let world = World::describe().camera("lobby", "silent").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(30).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    for received in viewer.got.video.video().fragments {
        let (ntp, media_time) = received.fragment.produced.expect("prft");
        assert_eq!(media_time, received.decode_time());
        // NTP counts from 1900.
        let unix = (ntp >> 32) - 2_208_988_800;
        assert!(unix <= now && now - unix < 60, "{unix} is about {now}");
    }
}

#[tokio::test]
async fn a_picture_that_comes_in_slices_is_one_sample() {
    let world = World::describe().camera("lobby", "slices").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(90).await;
    assert_spotless(&viewer);
    let video = spliced(&viewer.got.replied.video(), &viewer.got.video.video());
    let apart = |pair: &[e2e::media::Received]| pair[1].decode_time() - pair[0].decode_time() > 90 * 10;
    assert!(video.windows(2).all(apart), "30 pictures a second are 33 ms apart");
    let keyframes: Vec<_> =
        video.iter().enumerate().filter(|(_, received)| received.sync()).map(|(at, _)| at).collect();
    assert!(keyframes.len() >= 3, "{keyframes:?}");
    assert!(keyframes.windows(2).all(|pair| pair[1] - pair[0] == 30), "a keyframe a second: {keyframes:?}");
}

#[tokio::test]
async fn a_late_joiner_plays_at_once_in_the_middle_of_a_gop() {
    let world = World::describe().camera("lobby", "gop4").transcoders(1, "").start().await;
    let mut first = Viewer::of(&world).await;
    first.play_live("lobby").await;
    // A keyframe has just passed, and 15 more frames: three seconds and a half are left of this GOP.
    let behind_keyframe = |track: &Track| {
        let fragments = &track.fragments;
        fragments.len() > 15 && fragments[fragments.len() - 16].sync()
    };
    first.until("the middle of a GOP", |got| behind_keyframe(&got.video.video()).then_some(())).await;
    let mut late = Viewer::of(&world).await;
    late.play_live("lobby").await;
    late.until_video(10).await;
    assert_spotless(&late);
    assert!(!late.got.video.video().fragments.iter().any(e2e::media::Received::sync), "no keyframe came since");
    let played = spliced(&late.got.replied.video(), &late.got.video.video());
    assert!(played[0].sync() && played.len() > 15, "the catch-up is the whole GOP so far");
}

#[tokio::test]
async fn a_muted_viewer_gets_no_audio_in_its_catch_up() {
    let world = World::describe().camera("lobby", "aac").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    let described = viewer.describe("lobby").await;
    viewer.follow(&described).await;
    viewer.request("video/play", json!({"source": "lobby", "delivery": "live", "tracks": ["video"]})).await;
    viewer.until_video(30).await;
    assert_eq!(viewer.got.replied.fragments(AUDIO), 0);
    assert!(viewer.got.replied.audio().inits.is_empty());
    assert!(!viewer.got.replied.video().inits.is_empty());
}

#[tokio::test]
async fn playing_again_brings_another_catch_up() {
    let world = World::describe().camera("lobby", "silent").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(10).await;
    let before = viewer.got.replied.fragments(VIDEO);
    viewer.request("video/play", json!({"source": "lobby", "delivery": "live"})).await;
    viewer.until("a second burst", |got| (got.replied.fragments(VIDEO) > before).then_some(())).await;
    viewer.until_video(10).await;
    assert_continuous(&viewer.got.video.video().fragments);
    assert_eq!(viewer.got.replied.faults, [""; 0]);
}

#[tokio::test]
async fn large_frames_come_in_parts_that_fit_the_broker() {
    let mut camera = Camera::new("lobby", "silent").size("1280x720");
    camera.bitrate = Some(2500);
    let world = World::describe().with(camera).transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(90).await;
    assert_spotless(&viewer);
    let played = spliced(&viewer.got.replied.video(), &viewer.got.video.video());
    assert!(played.iter().any(|received| received.fragment.bytes.len() > LIMIT), "some were cut");
}

#[tokio::test]
async fn larger_messages_are_one_setting() {
    let world = World::describe().camera("lobby", "silent").transcoders(1, "--max-message-bytes 1000000").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.until_video(60).await;
    let played = spliced(&viewer.got.replied.video(), &viewer.got.video.video());
    assert!(viewer.got.video.longest > LIMIT, "{} bytes", viewer.got.video.longest);
    assert!(played.len() > 30);
}

#[tokio::test]
async fn live_media_expires_and_the_tick_tells_how_the_stream_is() {
    let world = World::describe().camera("lobby", "aac").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    let running = |tick: &&serde_json::Value| tick["fps"].as_f64().is_some_and(|fps| fps > 20.0);
    let tick = viewer.until("a tick with a rate", |got| got.ticks.iter().find(running).cloned()).await;
    assert_eq!((&tick["state"], &tick["worker"], &tick["viewers"]), (&json!("live"), &json!("transcoder0"), &json!(1)));
    assert_eq!(tick["restarts"], 0);
    assert!(tick["bitrate"].as_f64().is_some_and(|rate| (100e3..10e6).contains(&rate)), "{tick}");
    let topic = format!("{}/video", viewer.live_topic.clone().expect("a live topic"));
    let message = loop {
        let message = viewer.client.next().await.expect("media flows");
        if message.topic == topic {
            break message;
        }
    };
    assert!(message.expiry.is_some_and(|seconds| seconds <= 5), "{:?}", message.expiry);
}
