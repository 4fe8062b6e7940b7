//! Cameras that are read without ffmpeg, and those that cannot be.

use std::collections::BTreeSet;

use e2e::media::{assert_continuous, spliced};
use e2e::{Camera, Viewer, World, wait};
use serde_json::Value;

/// A world with one such camera.
async fn world(camera: Camera) -> World {
    World::describe().with(camera).transcoders(1, "--reader direct").start().await
}

/// Watches for a while, and returns what the stream is made of.
async fn watched(world: &World, viewer: &mut Viewer) -> Value {
    let described = viewer.play_live("lobby").await;
    viewer.until_video(90).await;
    let video = spliced(&viewer.got.replied.video(), &viewer.got.video.video());
    assert_continuous(&video);
    assert!(video[0].sync(), "playing begins with a keyframe");
    assert_eq!(viewer.got.video.faults, [""; 0]);
    assert_eq!(world.transcoders.len(), 1);
    described
}

#[tokio::test]
async fn what_browsers_can_play_takes_no_ffmpeg() {
    for (kind, audio) in [("silent", false), ("aac", true), ("slices", false), ("gop4", false)] {
        let mut world = world(Camera::new("lobby", kind)).await;
        let mut viewer = Viewer::of(&world).await;
        let described = watched(&world, &mut viewer).await;
        assert_eq!(described["tracks"].get("audio").is_some(), audio, "{kind}: {described}");
        assert_eq!(world.ffmpeg_count(), 0, "{kind}");
        if audio {
            viewer.until("audio", |got| (got.audio.fragments(e2e::media::AUDIO) > 100).then_some(())).await;
            assert_continuous(&spliced(&viewer.got.replied.audio(), &viewer.got.audio.audio()));
        }
        assert_eq!(
            world.transcoders[0].count("ffmpeg_restarts_total{reason=\"learnt\"}").await.expect("counted") as u32,
            0
        );
    }
}

#[tokio::test]
async fn what_has_to_be_changed_is_left_to_ffmpeg() {
    for kind in ["g711", "h265", "bframes"] {
        let mut world = world(Camera::new("lobby", kind)).await;
        let mut viewer = Viewer::of(&world).await;
        viewer.play_live("lobby").await;
        wait::until_equal("ffmpeg reads it", 1, || world.ffmpeg_count()).await;
        viewer.until_video(60).await;
        assert_eq!(viewer.got.video.faults, [""; 0], "{kind}");
    }
}

#[tokio::test]
async fn a_camera_that_comes_back_is_read_again_on_the_same_timeline() {
    let mut world = world(Camera::new("lobby", "silent")).await;
    let mut viewer = Viewer::of(&world).await;
    watched(&world, &mut viewer).await;
    world.camera("lobby").part.kill().await;
    viewer.until_status("restarting").await;
    world.restart("camera:lobby").await.expect("the camera is back");
    viewer.until_status("live").await;
    viewer.until_video(60).await;
    let generations: BTreeSet<_> = viewer.got.ticks.iter().filter_map(|tick| tick["generation"].as_u64()).collect();
    assert!(generations.len() > 1, "{generations:?}");
    assert_eq!(world.ffmpeg_count(), 0);
}

#[tokio::test]
async fn a_login_is_shown_to_the_camera_and_a_wrong_one_is_told_as_such() {
    for auth in ["basic", "digest"] {
        let mut world = world(Camera::new("lobby", "silent").credentials("operator:s3cret-pass", auth)).await;
        let mut viewer = Viewer::of(&world).await;
        watched(&world, &mut viewer).await;
        assert_eq!(world.ffmpeg_count(), 0, "{auth}");
        let told: Vec<_> = world.log().into_iter().filter(|(_, line)| line.text.contains("s3cret-pass")).collect();
        assert!(told.is_empty(), "{told:?}");
    }
}

#[tokio::test]
async fn a_camera_of_one_client_is_let_go_before_it_is_asked_again() {
    let mut world = world(Camera::new("lobby", "silent").single()).await;
    for _ in 0..3 {
        let mut viewer = Viewer::of(&world).await;
        watched(&world, &mut viewer).await;
        viewer.stop().await;
        viewer.until_status("ended").await;
        drop(viewer);
        world.idle().await;
    }
    assert_eq!(world.ffmpeg_count(), 0);
}
