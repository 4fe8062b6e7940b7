//! What is refused: with the right code, without an ffmpeg, and without a word on anybody else's topic.

use std::collections::BTreeSet;
use std::io::Write as _;

use e2e::mqtt::{Client, Publication, Qos};
use e2e::{Viewer, World, wait};
use serde_json::{Value, json};

/// Hears everything, and says what is out of place.
struct Observer(Client);

impl Observer {
    async fn of(world: &World) -> Self {
        let mut client = Client::connect(world.mqtt()).await.expect("connected");
        client.subscribe("#", Qos::AtMostOnce).await.expect("subscribed");
        Self(client)
    }

    /// Claims that nothing was published but on these topics and the announcement, no answer but on a reply topic, and
    /// that no camera was dialled.
    async fn claim_quiet(mut self, world: &mut World, expected: &[&str]) {
        self.0.publish(Publication::new("e2e/end", "").at_least_once()).await.expect("published");
        let mut topics = BTreeSet::new();
        loop {
            let message = wait::within("the end", self.0.next()).await.expect("connected");
            if message.topic == "e2e/end" {
                break;
            }
            let answer = message.payload.windows(6).any(|bytes| bytes == b"\"code\"");
            assert!(!answer || message.topic.starts_with("video/reply/"), "an answer on {}", message.topic);
            topics.insert(message.topic);
        }
        let strange: Vec<_> =
            topics.iter().filter(|topic| *topic != "video/sources" && !expected.contains(&topic.as_str())).collect();
        assert!(strange.is_empty(), "published on {strange:?}");
        assert_eq!(world.ffmpeg_count(), 0);
        for camera in world.cameras.values() {
            assert_eq!(camera.connections(), 0, "{} was dialled", camera.camera.name);
        }
    }
}

#[tokio::test]
async fn a_url_that_is_not_exactly_the_allowlisted_one_is_not_allowed() {
    let mut world = World::describe().camera("lobby", "silent").start().await;
    let observer = Observer::of(&world).await;
    let mut viewer = Viewer::of(&world).await;
    let url = world.url("lobby");
    let authority = url.trim_start_matches("rtsp://").trim_end_matches("/lobby").to_owned();
    let port = authority.rsplit(':').next().expect("a port").to_owned();
    let with = |host: &str, path: &str| format!("rtsp://{host}/{path}");
    let tricks = [
        with(&format!("admin@{authority}"), "lobby"),
        with(&format!("admin:secret@{authority}"), "lobby"),
        with(&format!("{authority}@127.0.0.1:{port}"), "lobby"),
        url.replace("rtsp", "RTSP"),
        url.replace("rtsp", "rtsps"),
        url.replace("rtsp", "http"),
        with(&authority, "Lobby"),
        with(&authority, "LOBBY"),
        with(&authority, "./lobby"),
        with(&authority, "x/../lobby"),
        with(&authority, "lobby/."),
        with(&authority, "lobby/"),
        with(&authority, "/lobby"),
        with(&authority, "%6Cobby"),
        with(&authority, "lobby%00"),
        with(&authority, "lobby%2F"),
        with(&authority, "%2e/lobby"),
        with(&authority, "lobby?"),
        with(&authority, "lobby?x=1"),
        with(&authority, "lobby#x"),
        with(&authority, "lobb%79"),
        with(&format!("127.0.0.1:0{port}"), "lobby"),
        with("127.0.0.1:554", "lobby"),
        with("127.0.0.1", "lobby"),
        with(&format!("127.1:{port}"), "lobby"),
        with(&format!("2130706433:{port}"), "lobby"),
        with(&format!("0x7f.0.0.1:{port}"), "lobby"),
        with(&format!("localhost:{port}"), "lobby"),
        with(&format!("127.0.0.1.:{port}"), "lobby"),
        with(&format!("[::ffff:127.0.0.1]:{port}"), "lobby"),
        format!(" {url}"),
        format!("{url} "),
        format!("{url}\n"),
        format!("{url}\t-vf"),
        format!("{url}|file:/etc/passwd"),
        "file:///etc/passwd".to_owned(),
        format!("concat:{url}"),
        "-version".to_owned(),
        "lobby".to_owned(),
        String::new(),
    ];
    for trick in tricks {
        for verb in ["video/describe", "video/play"] {
            viewer.request(verb, json!({"url": trick})).await;
            let answer = viewer.reply().await;
            assert_eq!(answer["code"], "not_allowed", "{verb} {trick:?}: {answer}");
            assert!(!answer.to_string().contains("secret"), "a login is not repeated: {answer}");
        }
    }
    observer.claim_quiet(&mut world, &["video/describe", "video/play", &viewer.reply_topic]).await;
}

/// One with a camera at `…/cam-1`, and an entry for `…/cam-*`.
async fn world_with_pattern(more: &str) -> World {
    let mut world = World::describe().camera("cam-1", "silent").sources("sources: []").start().await;
    let url = world.url("cam-1");
    let pattern = format!("{}*", url.trim_end_matches('1'));
    let yaml = format!("sources:\n  - name: plant\n    pattern: '{pattern}'\n    {more}\n");
    world.sources.write(&yaml, []).expect("written");
    world.gatekeeper.counts("gatekeeper_sources", 1.0).await.expect("it is in effect");
    world
}

#[tokio::test]
async fn a_pattern_admits_what_is_plainly_written_and_nothing_else() {
    let mut world = world_with_pattern("allowPrivate: true").await;
    let observer = Observer::of(&world).await;
    let mut viewer = Viewer::of(&world).await;
    let url = world.url("cam-1");
    let tricks = [
        format!("{url}/x"),
        format!("{url}/../cam-1"),
        format!("{url}%2Fx"),
        format!("{url}%2e"),
        format!("{url}#x"),
        url.replace("127.0.0.1", "admin@127.0.0.1"),
        url.replace("127.0.0.1", "127.1"),
        url.replace("127.0.0.1", "2130706433"),
        url.replace("rtsp:", "RTSP:"),
        url.replace("cam-1", "Cam-1"),
        url.replace("cam-1", "x/../cam-1"),
    ];
    for trick in tricks {
        viewer.request("video/play", json!({"url": trick})).await;
        let answer = viewer.reply().await;
        assert_eq!(answer["code"], "not_allowed", "{trick:?}: {answer}");
    }
    observer.claim_quiet(&mut world, &["video/play", &viewer.reply_topic]).await;
    viewer.request("video/play", json!({"url": url})).await;
    viewer.until_gops(1).await;
    world.the_ffmpeg();
}

#[tokio::test]
async fn a_pattern_reaches_no_private_address_unless_it_may() {
    let mut world = world_with_pattern("allowPrivate: false").await;
    let observer = Observer::of(&world).await;
    let mut viewer = Viewer::of(&world).await;
    viewer.request("video/play", json!({"url": world.url("cam-1")})).await;
    let answer = viewer.reply().await;
    assert_eq!(answer["code"], "not_allowed", "{answer}");
    observer.claim_quiet(&mut world, &["video/play", &viewer.reply_topic]).await;
}

#[tokio::test]
async fn a_reply_topic_of_another_role_is_never_published_to() {
    let mut world = World::describe().camera("lobby", "silent").start().await;
    let observer = Observer::of(&world).await;
    let mut client = Client::connect(world.mqtt()).await.expect("connected");
    let tricks = [
        json!("#"),
        json!("+"),
        json!("video/reply/#"),
        json!("video/reply/+"),
        json!("video/+/x"),
        json!("$SYS/broker/clients/connected"),
        json!("$share/gatekeeper/video/play"),
        json!("video/live/lobby/source/video"),
        json!("video/live/lobby/source/state"),
        json!("video/sources"),
        json!("video/describe"),
        json!("video/play"),
        json!("client/play"),
        json!("client/unregister"),
        json!("video/reply/x/status"),
        json!("video/reply/"),
        json!("video/reply"),
        json!("video/reply//x"),
        json!("/video/reply/x"),
        json!("video/reply/a b"),
        json!("video/reply/\u{0}"),
        json!("video/reply/\n"),
        json!("video_"),
        json!("video_12x"),
        json!("other/topic"),
        json!(format!("video/reply/{}", "x".repeat(200))),
        json!(""),
        json!(7),
        json!(["video/reply/x"]),
        json!({"topic": "video/reply/x"}),
        Value::Null,
    ];
    for trick in &tricks {
        for verb in ["describe", "play", "keepalive"] {
            let request = json!({"source": "lobby", "reply_topic": trick}).to_string();
            client.publish(Publication::new(format!("video/{verb}"), request).at_least_once()).await.expect("sent");
        }
    }
    for verb in ["describe", "play", "keepalive"] {
        let sample = format!("requests_total{{dialect=\"video\",outcome=\"dropped\",verb=\"{verb}\"}}");
        world.gatekeeper.counts(&sample, tricks.len() as f64).await.expect("each is counted");
    }
    observer.claim_quiet(&mut world, &["video/describe", "video/play", "video/keepalive"]).await;
}

#[tokio::test]
async fn a_response_topic_is_confined_like_a_reply_topic() {
    let mut world = World::describe().camera("lobby", "silent").start().await;
    let observer = Observer::of(&world).await;
    let mut client = Client::connect(world.mqtt()).await.expect("connected");
    let tricks = ["video/live/lobby/source/video", "client/play", "video/sources", "other/topic"];
    for trick in tricks {
        let request = Publication::new("video/play", json!({"source": "lobby"}).to_string());
        client.publish(request.at_least_once().response_topic(trick)).await.expect("sent");
    }
    let sample = "requests_total{dialect=\"video\",outcome=\"dropped\",verb=\"play\"}";
    world.gatekeeper.counts(sample, tricks.len() as f64).await.expect("each is counted");
    // The requests are on `video/play`, and so no answer was published on the other topics.
    observer.claim_quiet(&mut world, &["video/play"]).await;
}

#[tokio::test]
async fn malformed_requests_are_bad_requests() {
    let mut world = World::describe().camera("lobby", "silent").start().await;
    let observer = Observer::of(&world).await;
    let mut viewer = Viewer::of(&world).await;
    let topic = viewer.reply_topic.clone();
    let nested = format!("{{\"source\":{}{}}}", "[".repeat(4000), "]".repeat(4000));
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("9 KB", json!({"source": "lobby", "reply_topic": topic, "x": "x".repeat(9000)}).to_string().into()),
        ("no JSON", b"play the lobby".to_vec()),
        ("half of JSON", b"{\"source\": \"lobby\"".to_vec()),
        ("nothing", Vec::new()),
        ("not UTF-8", b"{\"source\": \"\xff\xfe\"}".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a string", b"\"lobby\"".to_vec()),
        ("null", b"null".to_vec()),
        ("depth", nested.into()),
        ("source is a number", json!({"source": 7}).to_string().into()),
        ("source is a list", json!({"source": ["lobby"]}).to_string().into()),
        ("url is an object", json!({"url": {}}).to_string().into()),
        ("neither", json!({}).to_string().into()),
        ("both", json!({"source": "lobby", "url": "rtsp://x/y"}).to_string().into()),
        ("delivery", json!({"source": "lobby", "delivery": "carrier pigeon"}).to_string().into()),
        ("delivery is a number", json!({"source": "lobby", "delivery": 1}).to_string().into()),
        ("tracks", json!({"source": "lobby", "tracks": ["smell"]}).to_string().into()),
        ("tracks is a string", json!({"source": "lobby", "tracks": "video"}).to_string().into()),
        ("profile is a number", json!({"source": "lobby", "profile": 1}).to_string().into()),
        ("profile is unknown", json!({"source": "lobby", "profile": "imax"}).to_string().into()),
        ("session", json!({"source": "lobby", "session": "a\nb"}).to_string().into()),
        ("token is a number", json!({"source": "lobby", "token": 1}).to_string().into()),
        ("url of 3 KB", json!({"url": format!("rtsp://x/{}", "y".repeat(3000))}).to_string().into()),
    ];
    for (name, payload) in rows {
        let request = Publication::new("video/play", payload).at_least_once().response_topic(&topic);
        viewer.client.publish(request).await.expect("sent");
        let answer = viewer.reply().await;
        assert_eq!(answer["code"], "bad_request", "{name}: {answer}");
    }
    for verb in ["video/dance", "client/dance", "video/PLAY"] {
        let request = Publication::new(verb, "{}").at_least_once().response_topic(&topic);
        viewer.client.publish(request).await.expect("sent");
        let answer = viewer.reply().await;
        assert_eq!(answer["code"], "bad_request", "{verb}: {answer}");
    }
    let known = ["video/play", "video/dance", "client/dance", "video/PLAY", &topic];
    observer.claim_quiet(&mut world, &known).await;
}

#[tokio::test]
async fn retained_requests_are_ignored() {
    let mut world = World::describe().camera("lobby", "silent").start().await;
    let mut viewer = Viewer::of(&world).await;
    let request = json!({"source": "lobby", "reply_topic": viewer.reply_topic}).to_string();
    world.gatekeeper.part.stop().await;
    let retained = Publication::new("video/play", request).at_least_once().retained();
    viewer.client.publish(retained).await.expect("sent");
    world.restart("gatekeeper").await.expect("it starts again");
    // Whatever it makes of it comes before the answer to this.
    let answer = viewer.describe("nobody").await;
    assert_eq!(answer["code"], "not_allowed");
    assert!(viewer.look().statuses.is_empty());
    assert_eq!(world.ffmpeg_count(), 0);
}

#[tokio::test]
async fn a_token_is_needed_where_the_operator_says_so() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "first-token\nsecond-token").expect("written");
    let arg = format!("--viewer-token-file={}", file.path().display());
    let mut world = World::describe().camera("lobby", "silent").gatekeeper(&arg).start().await;
    let observer = Observer::of(&world).await;
    let mut viewer = Viewer::of(&world).await;
    for token in [Value::Null, json!(""), json!("first-toke"), json!("FIRST-TOKEN"), json!("first-token\nsecond-token")]
    {
        viewer.request("video/describe", json!({"source": "lobby", "token": token})).await;
        let answer = viewer.reply().await;
        assert_eq!(answer["code"], "unauthorized", "{token}: {answer}");
    }
    observer.claim_quiet(&mut world, &["video/describe", &viewer.reply_topic]).await;
    viewer.request("video/describe", json!({"source": "lobby", "token": "second-token"})).await;
    let answer = viewer.reply().await;
    assert!(answer["mimeCodec"].is_string(), "{answer}");
}
