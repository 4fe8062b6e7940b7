//! What both services log, as a collector of logs reads it: JSON, with the same names of fields on every line.

use e2e::log::{Channel, Log};
use e2e::services::Service;
use e2e::{Camera, Viewer, World, http, wait};
use serde_json::{Value, json};

/// Every line of a service's log; fails if one of them is no object with the fields that all have.
#[track_caller]
fn lines(log: &Log) -> Vec<Value> {
    let lines = log.lines();
    let errors = lines.iter().filter(|line| line.channel == Channel::Err);
    errors
        .map(|line| {
            let value: Value = serde_json::from_str(&line.text).unwrap_or_else(|why| panic!("{why}: {}", line.text));
            for field in ["timestamp", "level", "target", "message"] {
                assert!(value[field].is_string(), "{field} in {value}");
            }
            value
        })
        .collect()
}

fn of_session(log: &Log, session: &str) -> Vec<Value> {
    lines(log).into_iter().filter(|line| line["session"] == session).collect()
}

fn has<'a>(lines: &'a [Value], message: &str) -> Option<&'a Value> {
    lines.iter().find(|line| line["message"] == message)
}

fn described() -> e2e::Description {
    World::describe().transcoders(1, "--log=json").gatekeeper("--log=json")
}

#[tokio::test]
async fn one_session_is_followed_from_the_request_to_the_picture() {
    let world = described().camera("lobby", "aac").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.request("video/describe", json!({"source": "lobby", "session": "first"})).await;
    let description = viewer.reply().await;
    viewer.follow(&description).await;
    viewer.request("video/play", json!({"source": "lobby", "delivery": "live", "session": "first"})).await;
    viewer.until_video(5).await;
    let mut second = Viewer::of(&world).await;
    second.request("video/play", json!({"source": "lobby", "session": "second"})).await;
    second.until_gops(1).await;

    let (gatekeeper, worker) = (world.gatekeeper.part.log().clone(), world.transcoders[0].part.log().clone());
    let playing = wait::until("the gatekeeper's line", || has(&of_session(&gatekeeper, "first"), "playing").cloned());
    let playing = playing.await;
    assert_eq!((&playing["source"], &playing["profile"]), (&json!("lobby"), &json!("source")));
    assert_eq!((&playing["worker"], &playing["verb"]), (&json!("transcoder0"), &json!("play")));
    let story = ["describe", "stream begins", "ffmpeg started", "generation begins", "viewer joins"];
    for message in story {
        let line = wait::until(message, || has(&of_session(&worker, "first"), message).cloned()).await;
        assert_eq!((&line["source"], &line["profile"]), (&json!("lobby"), &json!("source")), "{line}");
    }
    // A viewer's events are the viewer's, also on a stream that somebody else began.
    assert!(has(&of_session(&worker, "second"), "viewer joins").is_some());
    assert!(has(&of_session(&worker, "second"), "stream begins").is_none());
}

#[tokio::test]
async fn a_request_without_a_session_gets_one() {
    let world = described().camera("lobby", "silent").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_reply("lobby").await;
    let status = viewer.until_status("live").await;
    let session = status["session"].as_str().expect("a session");
    assert!(session.starts_with("gatekeeper-"), "{session}");
    assert!(has(&of_session(world.gatekeeper.part.log(), session), "playing").is_some());
    assert!(has(&of_session(world.transcoders[0].part.log(), session), "stream begins").is_some());
}

#[tokio::test]
async fn a_flood_of_the_same_line_is_held_back_and_counted() {
    let world = described().start().await;
    let mut viewer = Viewer::of(&world).await;
    for number in 0..200 {
        viewer.request("video/describe", json!({"source": "attic", "session": format!("flood-{number}")})).await;
        viewer.reply().await;
    }
    let log = world.gatekeeper.part.log();
    let told = wait::until("the rest is counted", || has(&lines(log), "held back").cloned()).await;
    let refused = lines(log).iter().filter(|line| line["message"] == "refused").count() as u64;
    assert_eq!((&told["event"], &told["by"]), (&json!("refused"), &json!("gatekeeper::handler")));
    // The flood may have lasted longer than one window.
    assert!(
        refused < 200 && told["times"].as_u64().is_some_and(|times| times + refused <= 200),
        "{refused} and {told}"
    );
}

#[tokio::test]
async fn what_is_logged_changes_while_the_services_run() {
    let world = World::describe().camera("lobby", "silent").transcoders(1, "--log=json").gatekeeper("--log=json");
    let mut world = world.start().await;
    for service in [&mut world.gatekeeper, &mut world.transcoders[0]] {
        check_level(service).await;
    }
    let mut viewer = Viewer::of(&world).await;
    viewer.describe("lobby").await;
    let debug = |line: &Value| line["level"] == "DEBUG" && line["message"] == "done";
    wait::until("a line of debug", || lines(world.gatekeeper.part.log()).iter().any(debug).then_some(())).await;
    for noise in ["h2", "hyper", "tonic", "tower"] {
        let from = |line: &Value| line["target"].as_str().is_some_and(|target| target.starts_with(noise));
        assert!(!lines(world.gatekeeper.part.log()).iter().any(from), "{noise} is quiet");
    }
}

async fn check_level(service: &mut Service) {
    let put =
        async |more: &str, body: &str| http::put(service.http, "/log-level", more, body).await.expect("an answer");
    assert_eq!(http::get(service.http, "/log-level").await.expect("an answer").body, "info\n");
    let bad = put("", "loud").await;
    assert_eq!(bad.status, 400);
    assert!(bad.body.contains("`loud` is no level; write a level (error, warn,"), "{}", bad.body);
    let forwarded = put("X-Forwarded-For: 192.0.2.1\r\n", "debug").await;
    assert_eq!(forwarded.status, 403, "{}", forwarded.body);
    assert_eq!(http::get(service.http, "/log-level").await.expect("an answer").body, "info\n");
    let good = put("", "debug\n").await;
    assert_eq!((good.status, good.body.as_str()), (200, "debug\n"));
}

/// ffmpeg complains of a login that is wrong.
#[tokio::test]
async fn what_ffmpeg_says_has_the_session_of_the_request_and_no_login() {
    let camera = Camera::new("lobby", "aac").credentials("operator:hunter-91cc", "digest");
    let world = described().with(camera).start().await;
    std::fs::write(world.dir.path().join("lobby.password"), "wrong-91cc").expect("written");
    let mut viewer = Viewer::of(&world).await;
    viewer.request("video/describe", json!({"source": "lobby", "session": "s"})).await;
    assert_eq!(viewer.reply().await["code"], "source_unauthorized");
    let refused = wait::until("it", || has(&of_session(world.gatekeeper.part.log(), "s"), "refused").cloned()).await;
    assert_eq!((&refused["code"], &refused["source"]), (&json!("source_unauthorized"), &json!("lobby")));
    let worker = of_session(world.transcoders[0].part.log(), "s");
    for message in ["describe", "stream begins", "ffmpeg started", "ffmpeg says", "ffmpeg exited", "source lost"] {
        let line = has(&worker, message).unwrap_or_else(|| panic!("no {message:?} in {worker:?}"));
        assert_eq!((&line["source"], &line["profile"]), (&json!("lobby"), &json!("source")), "{line}");
    }
    assert!(
        has(&worker, "ffmpeg says")
            .is_some_and(|line| line["ffmpeg"].as_str().is_some_and(|said| said.contains("401")))
    );
    assert!(!format!("{:?}", world.transcoders[0].part.log().lines()).contains("91cc"));
}
