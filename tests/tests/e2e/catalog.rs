//! The sources file, while everything runs.

use e2e::mqtt::{Client, Qos};
use e2e::{Viewer, World, wait};
use serde_json::{Value, json};

/// What is announced on `video/sources`.
struct Announcements(Client);

impl Announcements {
    async fn of(world: &World) -> Self {
        let mut client = Client::connect(world.mqtt()).await.expect("connected");
        client.subscribe("video/sources", Qos::AtLeastOnce).await.expect("subscribed");
        Self(client)
    }

    /// Waits until exactly these names are announced.
    async fn until(&mut self, names: &[&str]) {
        let announced = async {
            loop {
                let message = self.0.next().await.expect("connected");
                let value: Value = serde_json::from_slice(&message.payload).expect("JSON");
                let sources = value["sources"].as_array().expect("a list").clone();
                assert!(!value.to_string().contains("rtsp"), "no URL is announced: {value}");
                if sources.iter().map(|source| source["name"].as_str().expect("a name")).eq(names.iter().copied()) {
                    break;
                }
            }
        };
        wait::within("the sources are announced", announced).await;
    }
}

fn entry(name: &str) -> String {
    format!("  - name: {name}\n    url: '{{{name}}}'\n")
}

#[tokio::test]
async fn a_changed_file_takes_effect_without_a_restart() {
    let yaml = format!("sources:\n{}", entry("lobby"));
    let mut world = World::describe().camera("lobby", "silent").camera("yard", "silent").sources(&yaml).start().await;
    let mut announcements = Announcements::of(&world).await;
    announcements.until(&["lobby"]).await;
    let (mut first, mut second) = (Viewer::of(&world).await, Viewer::of(&world).await);
    first.play_live("lobby").await;
    first.until_video(5).await;
    assert_eq!(second.describe("yard").await["code"], "not_allowed");
    world.sources.write(&format!("{yaml}{}", entry("yard")), world.cameras.values()).expect("written");
    announcements.until(&["lobby", "yard"]).await;
    second.play_live("yard").await;
    second.until_video(5).await;
    first.until_video(30).await;
    assert_eq!(first.got.video.faults, [""; 0], "who watches does not notice");
    // What is taken off the list ends, and says why.
    world.sources.write(&format!("sources:\n{}", entry("yard")), world.cameras.values()).expect("written");
    announcements.until(&["yard"]).await;
    let ended = first.until_status("ended").await;
    assert_eq!(ended["code"], "not_allowed", "{ended}");
    assert_eq!(first.describe("lobby").await["code"], "not_allowed");
    wait::until_equal("only the other's ffmpeg runs", 1, || world.ffmpeg_count()).await;
    second.until_video(30).await;
}

#[tokio::test]
async fn a_bad_file_keeps_the_old_list_and_says_so() {
    let mut world = World::describe().camera("lobby", "silent").start().await;
    for bad in ["sources: [", "sources:\n  - name: lobby\n    url: http://x/\n", "sources:\n  - nme: x\n", ""] {
        let before = world.gatekeeper.count("sources_reloads_total{outcome=\"error\"}").await.expect("counted");
        world.sources.write(bad, []).expect("written");
        world.gatekeeper.counts("sources_reloads_total{outcome=\"error\"}", before + 1.0).await.expect("noticed");
        assert_eq!(world.gatekeeper.count("sources_stale").await.expect("counted") as u32, 1);
        let mut viewer = Viewer::of(&world).await;
        assert!(viewer.describe("lobby").await["mimeCodec"].is_string(), "{bad:?}");
    }
    world.sources.write_cameras(world.cameras.values()).expect("written");
    world.gatekeeper.counts("sources_reloads_total{outcome=\"ok\"}", 2.0).await.expect("noticed");
    assert_eq!(world.gatekeeper.count("sources_stale").await.expect("counted") as u32, 0);
}

#[tokio::test]
async fn a_profile_of_the_operators_own_is_played() {
    let yaml = "sources:\n  - {name: lobby, url: '{lobby}', profiles: [source, tiny]}\n\
                profiles:\n  tiny: {width: 160, height: 120, videoBitrate: 64k, gop: 500ms}\n\
                defaults: {profile: tiny}\n";
    let world = World::describe().camera("lobby", "aac").sources(yaml).transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    let described = viewer.describe("lobby").await;
    assert_eq!(described["profile"], "tiny", "{described}");
    let video = &described["tracks"]["video"];
    assert_eq!((&video["width"], &video["height"]), (&json!(160), &json!(120)));
    viewer.play_live("lobby").await;
    viewer.until_video(60).await;
    let fragments = viewer.got.video.video().fragments;
    let keyframes: Vec<u64> =
        fragments.iter().filter(|received| received.sync()).map(e2e::media::Received::decode_time).collect();
    // 500 ms are 45,000; a slow machine's camera leaves frames out.
    assert!(keyframes.windows(2).all(|pair| pair[1] - pair[0] < 68_000), "{keyframes:?}");
    assert!(keyframes.len() >= 3);
}
