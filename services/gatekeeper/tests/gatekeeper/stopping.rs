//! Stopping, keeping alive, and taking away.

use proto::v1::{ErrorCode, stop_request::Target};

use crate::worker::{Call, Worker};
use crate::world::World;

fn stops(calls: &[(&'static str, Call)]) -> Vec<(&'static str, Call)> {
    calls.iter().filter(|(_, call)| matches!(call, Call::Stop(..))).cloned().collect()
}

async fn stopped(world: &World, count: usize) -> Vec<(&'static str, Call)> {
    stops(&world.calls_until(|calls| stops(calls).len() >= count).await)
}

fn player(world: &World, topic: &str) -> &'static str {
    let plays = |call: &Call| matches!(call, Call::Play { reply_topic, .. } if reply_topic == topic);
    world.calls().into_iter().find(|(_, call)| plays(call)).map(|(name, _)| name).unwrap()
}

#[tokio::test]
async fn a_stop_never_overtakes_its_play_and_goes_to_the_worker_that_has_the_viewer() {
    for quiet in [false, true] {
        let mut world = World::start().await;
        if quiet {
            world.workers.iter().for_each(Worker::keep_quiet);
        }
        for _ in 0..20 {
            world.viewer.send("video/play", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
            world.viewer.send("video/stop", r#"{"reply_topic":"video_1"}"#).await;
        }
        world.viewer.heard_nothing().await;
        stopped(&world, 20).await;
        let name = player(&world, "video_1");
        let calls = world.calls();
        assert_eq!(calls.len(), 40, "{calls:?}");
        for pair in calls.chunks(2) {
            assert!(matches!(&pair[0], (at, Call::Play { .. }) if *at == name), "{pair:?}");
            let stop = Call::Stop(Target::ReplyTopic("video_1".to_owned()), ErrorCode::Unspecified.into());
            assert_eq!(pair[1], (name, stop));
        }
    }
}

#[tokio::test]
async fn a_stop_of_an_unknown_viewer_asks_everyone_and_is_not_answered() {
    let mut world = World::start().await;
    world.viewer.send("video/stop", r#"{"reply_topic":"video_1"}"#).await;
    let mut names: Vec<_> = stopped(&world, 2).await.into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["t0", "t1"]);
    world.viewer.heard_nothing().await;
}

#[tokio::test]
async fn a_stop_of_the_first_page_names_a_source_and_only_its_dialect() {
    let mut world = World::start().await;
    world.viewer.send("client/play", r#"{"url":"rtsp://127.0.0.1:8554/lobby","resp_topic":"video_1"}"#).await;
    world.viewer.send("client/stop", r#"{"clientId":"id_0","url":"rtsp://127.0.0.1:8554/lobby"}"#).await;
    let target = Target::ClientDialectSource("lobby".to_owned());
    let (_, call) = stopped(&world, 1).await.remove(0);
    assert_eq!(call, Call::Stop(target, ErrorCode::Unspecified.into()));
    world.viewer.send("client/stop", r#"{"clientId":"id_0","url":"rtsp://127.0.0.1:8554/other"}"#).await;
    world.viewer.send("client/unregister", r#"{"clientId":"id_0"}"#).await;
    world.viewer.heard_nothing().await;
    assert!(
        stops(&world.calls())
            .iter()
            .all(|(_, call)| matches!(call, Call::Stop(Target::ClientDialectSource(s), _) if s == "lobby"))
    );
}

#[tokio::test]
async fn a_keepalive_reaches_the_viewers_worker_and_an_unknown_one_is_told_so() {
    let mut world = World::start().await;
    let refusal = world.viewer.ask("video/keepalive", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    assert_eq!(refusal["code"], "bad_request");
    assert!(refusal["error"].as_str().unwrap().contains("play again"));
    world.viewer.send("video/play", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    world.viewer.send("video/keepalive", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    world.viewer.heard_nothing().await;
    world.calls_until(|calls| calls.iter().any(|(_, call)| *call == Call::Refresh("video_1".to_owned()))).await;
    world.viewer.heard_nothing().await;
}

#[tokio::test]
async fn a_source_that_is_taken_off_the_list_is_stopped_where_it_runs() {
    let mut world = World::start().await;
    for what in [r#""source":"lobby""#, r#""source":"yard""#, r#""url":"rtsp://127.0.0.1:8554/cam-7""#] {
        world.viewer.ask("video/describe", &format!(r#"{{{what},"reply_topic":"video_1"}}"#)).await;
    }
    let camera =
        world.workers.iter().flat_map(Worker::specs).filter_map(|spec| spec.key).find(|key| key.source.contains('~'));
    world.write_sources("sources: [{name: yard, url: 'rtsp://127.0.0.1:8554/yard'}]");
    let mut sources: Vec<_> = stopped(&world, 2)
        .await
        .into_iter()
        .map(|(_, call)| match call {
            Call::Stop(Target::Source(source), reason) if reason == i32::from(ErrorCode::NotAllowed) => source,
            other => panic!("{other:?}"),
        })
        .collect();
    sources.sort();
    assert_eq!(sources, ["lobby".to_owned(), camera.unwrap().source]);
    let reply = world.viewer.ask("video/play", r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    assert_eq!(reply["code"], "not_allowed");
}
