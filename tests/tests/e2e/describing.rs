//! What a stream is made of is read from the stream.

use e2e::{Viewer, World};
use serde_json::json;

/// Whatever the camera sends, browsers get H.264 and AAC, or silence.
async fn check(kind: &str, codec_begins: &str, audio: Option<(&str, u32)>) {
    let world = World::describe().camera("lobby", kind).transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    let described = viewer.describe("lobby").await;
    let video = &described["tracks"]["video"];
    let codec = video["codec"].as_str().unwrap_or_else(|| panic!("{described}"));
    assert!(codec.starts_with(codec_begins), "{described}");
    assert_eq!(video["mimeCodec"], format!("video/mp4; codecs=\"{codec}\""));
    assert_eq!((&video["width"], &video["height"]), (&json!(640), &json!(360)));
    let sound = &described["tracks"]["audio"];
    let muxed = match audio {
        None => {
            assert!(sound.is_null(), "{described}");
            codec.to_owned()
        }
        Some((name, rate)) => {
            assert_eq!(sound["mimeCodec"], format!("audio/mp4; codecs=\"{name}\""));
            assert_eq!((&sound["codec"], &sound["sample_rate"]), (&json!(name), &json!(rate)));
            assert_eq!(sound["channels"], 1);
            format!("{codec}, {name}")
        }
    };
    assert_eq!(described["mimeCodec"], format!("video/mp4; codecs=\"{muxed}\""));
    assert_eq!((&described["source"], &described["profile"]), (&json!("lobby"), &json!("source")));
    assert_eq!(described["live_topic"], "video/live/lobby/source");
    assert_eq!(described["worker"], "transcoder0");
    assert_eq!(described["delivery"], json!(["reply", "live"]));
    assert!(described["generation"].as_u64().is_some_and(|generation| generation > 1_700_000_000_000), "{described}");
}

#[tokio::test]
async fn h264_with_aac_is_copied() {
    check("aac", "avc1.42C0", Some(("mp4a.40.2", 48_000))).await;
}

#[tokio::test]
async fn a_silent_camera_has_no_audio_codec() {
    check("silent", "avc1.42C0", None).await;
}

#[tokio::test]
async fn g711_becomes_aac() {
    check("g711", "avc1.42C0", Some(("mp4a.40.2", 48_000))).await;
}

#[tokio::test]
async fn h265_becomes_h264() {
    check("h265", "avc1.", None).await;
}

#[tokio::test]
async fn b_frames_are_copied() {
    check("bframes", "avc1.4D", None).await;
}

#[tokio::test]
async fn motion_jpeg_becomes_h264() {
    check("mjpeg", "avc1.", None).await;
}

#[tokio::test]
async fn long_gops_are_copied() {
    check("gop4", "avc1.42C0", None).await;
}

#[tokio::test]
async fn a_camera_without_video_is_no_source() {
    let mut world = World::describe().camera("hall", "audio").start().await;
    let mut viewer = Viewer::of(&world).await;
    let answer = viewer.describe("hall").await;
    assert_eq!(answer["code"], "unsupported_codec", "{answer}");
    world.idle().await;
}

#[tokio::test]
async fn a_camera_that_is_off_is_unreachable() {
    let mut world = World::describe().with(e2e::Camera::new("lobby", "aac").off()).start().await;
    let mut viewer = Viewer::of(&world).await;
    let answer = viewer.describe("lobby").await;
    assert_eq!(answer["code"], "source_unreachable", "{answer}");
    world.idle().await;
}

#[tokio::test]
async fn a_described_stream_lingers_and_ends() {
    let mut world = World::describe().camera("lobby", "aac").transcoders(1, "--linger 1s").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.describe("lobby").await;
    let ffmpeg = world.the_ffmpeg();
    viewer.describe("lobby").await;
    assert!(ffmpeg.alive(), "the second describe finds it warm");
    world.idle().await;
}

#[tokio::test]
async fn the_legacy_profile_is_what_the_first_page_decoded() {
    let world = World::describe().camera("lobby", "aac").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.request("video/describe", json!({"url": world.url("lobby"), "profile": "legacy"})).await;
    let described = viewer.reply().await;
    let video = &described["tracks"]["video"];
    assert_eq!(video["codec"], "avc1.42C01E", "{described}");
    assert_eq!((&video["width"], &video["height"]), (&json!(320), &json!(240)));
    assert_eq!(described["live_topic"], "video/live/lobby/legacy");
}

#[tokio::test]
async fn correlation_data_comes_back() {
    let world = World::describe().camera("lobby", "silent").start().await;
    let mut viewer = Viewer::of(&world).await;
    let request = e2e::mqtt::Publication::new("video/describe", json!({"source": "lobby"}).to_string());
    let request = request.at_least_once().response_topic(&viewer.reply_topic).correlation("turn 7");
    viewer.client.publish(request).await.expect("published");
    let answer = viewer.client.next().await.expect("an answer");
    assert_eq!(answer.topic, viewer.reply_topic);
    assert_eq!(answer.correlation.as_deref(), Some(&b"turn 7"[..]));
    assert_eq!(answer.content_type.as_deref(), Some("application/json"));
}
