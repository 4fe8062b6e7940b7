//! Which transcoder runs a stream, and what happens when none can.

use e2e::{Viewer, World, wait};

#[tokio::test]
async fn two_sources_land_on_two_transcoders() {
    let mut world = World::describe().camera("lobby", "silent").camera("yard", "silent").start().await;
    let mut workers = Vec::new();
    let mut viewers = Vec::new();
    for source in ["lobby", "yard"] {
        let mut viewer = Viewer::of(&world).await;
        workers.push(viewer.play_live(source).await["worker"].clone());
        viewer.until_video(10).await;
        viewers.push(viewer);
    }
    assert_ne!(workers[0], workers[1]);
    let counts: Vec<usize> = world.ffmpegs().iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 1]);
}

#[tokio::test]
async fn the_next_is_asked_when_one_is_full_and_all_full_is_no_capacity() {
    let mut world = World::describe();
    for name in ["a", "b", "c"] {
        world = world.camera(name, "silent");
    }
    let mut world = world.transcoders(2, "--max-streams 1 --linger 0s").start().await;
    let mut viewers = Vec::new();
    for source in ["a", "b"] {
        let mut viewer = Viewer::of(&world).await;
        viewer.play_live(source).await;
        viewer.until_video(5).await;
        viewers.push(viewer);
    }
    let mut third = Viewer::of(&world).await;
    for verb in ["describe", "play"] {
        third.request(&format!("video/{verb}"), serde_json::json!({"source": "c"})).await;
        let error = third.reply().await;
        assert_eq!(error["code"], "no_capacity", "{verb}: {error}");
        assert!(error["retry_after_s"].as_u64().is_some_and(|seconds| seconds > 0), "{error}");
        assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
    }
    assert_eq!(world.ffmpeg_count(), 2);
    // Another viewer of a stream that runs needs no slot.
    let mut fourth = Viewer::of(&world).await;
    fourth.play_live("a").await;
    fourth.until_video(5).await;
    // A place is free again, and found.
    viewers[1].stop().await;
    drop(viewers.pop());
    wait::until("a slot is free", || (world.ffmpeg_count() == 1).then_some(())).await;
    loop {
        let answer = third.describe("c").await;
        if answer.get("code").is_none() {
            break;
        }
        assert_eq!(answer["code"], "no_capacity", "the gatekeeper has not heard of it yet: {answer}");
    }
}

#[tokio::test]
async fn a_second_viewer_joins_where_the_stream_runs() {
    let mut world = World::describe().camera("lobby", "silent").camera("yard", "silent").start().await;
    let mut workers = Vec::new();
    for _ in 0..6 {
        let mut viewer = Viewer::of(&world).await;
        workers.push(viewer.describe("lobby").await["worker"].clone());
    }
    workers.dedup();
    assert_eq!(workers.len(), 1, "{workers:?}");
    world.the_ffmpeg();
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "the time is told, not claimed: it is the machine's as much as ours")]
async fn without_any_transcoder_the_answer_is_no_capacity_at_once() {
    // Nobody listens there.
    let nobody = "--transcoder=http://127.0.0.1:1";
    let world = World::describe().camera("lobby", "silent").transcoders(0, "").gatekeeper(nobody).start().await;
    let mut viewer = Viewer::of(&world).await;
    for verb in ["video/describe", "video/play"] {
        let asked = std::time::Instant::now();
        viewer.request(verb, serde_json::json!({"source": "lobby"})).await;
        let error = viewer.reply().await;
        assert_eq!(error["code"], "no_capacity", "{error}");
        assert!(error["retry_after_s"].as_u64().is_some(), "{error}");
        println!("{verb}: no_capacity after {:?}", asked.elapsed());
    }
}

#[tokio::test]
async fn a_transcoder_that_comes_later_is_found() {
    let mut world = World::describe().camera("lobby", "silent").transcoders(1, "").start().await;
    world.transcoders[0].part.kill().await;
    let mut viewer = Viewer::of(&world).await;
    let error = viewer.describe("lobby").await;
    assert_eq!(error["code"], "no_capacity", "{error}");
    world.restart("transcoder0").await.expect("it starts again");
    world.gatekeeper.counts("workers{state=\"ready\"}", 1.0).await.expect("the gatekeeper finds it");
    viewer.play_live("lobby").await;
    viewer.until_video(5).await;
}
