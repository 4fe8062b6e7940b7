//! Streams of workers that are lost or on their way out go to others.

use proto::v1::{ErrorCode, StreamKey, stop_request::Target};

use crate::worker::{Call, Mood, Worker};
use crate::world::World;

/// A world with a viewer of the lobby, the worker that plays it, and the other one.
async fn watched() -> (World, Worker, Worker) {
    let mut world = World::start().await;
    let (worker, other) = play(&mut world, r#"{"source":"lobby","reply_topic":"video_1"}"#).await;
    (world, worker, other)
}

async fn play(world: &mut World, request: &str) -> (Worker, Worker) {
    let before = world.calls().len();
    world.viewer.send("video/play", request).await;
    world.calls_until(|calls| calls.len() > before).await;
    let player = world.workers.iter().position(|worker| matches!(worker.calls().last(), Some(Call::Play { .. })));
    let (player, other) = if player == Some(0) { (0, 1) } else { (1, 0) };
    (world.workers[player].clone(), world.workers[other].clone())
}

fn adopted(source: &str, reply_topics: &[&str]) -> Call {
    let reply_topics = reply_topics.iter().map(|topic| (*topic).to_owned()).collect();
    Call::Adopt { source: source.to_owned(), reply_topics }
}

/// Waits until so many attempts, or more, had this outcome.
async fn counted(world: &World, cause: &str, outcome: &str, count: u32) {
    let name = format!("moves_total{{cause=\"{cause}\",outcome=\"{outcome}\"}} ");
    let counted = |text: &str| text.split_once(&name)?.1.lines().next()?.parse().ok();
    world.until("/metrics", |text| counted(text).is_some_and(|counted: u32| counted >= count)).await;
}

#[tokio::test]
async fn a_lost_workers_streams_are_adopted_with_their_viewers() {
    let (world, worker, other) = watched().await;
    worker.hang_up();
    let calls = world.calls_until(|calls| calls.iter().any(|(_, call)| matches!(call, Call::Adopt { .. }))).await;
    assert_eq!(calls.last(), Some(&(other.name, adopted("lobby", &["video_1"]))));
    counted(&world, "lost", "done", 1).await;
    let spec = other.specs().pop().unwrap();
    assert_eq!(spec.live_topic, "video/live/lobby/source");
}

#[tokio::test]
async fn a_draining_worker_is_told_to_let_go_once_another_one_has_the_stream() {
    let (world, worker, other) = watched().await;
    worker.drain();
    counted(&world, "draining", "done", 1).await;
    assert_eq!(other.calls(), [adopted("lobby", &["video_1"])]);
    let key = StreamKey { source: "lobby".to_owned(), profile: "source".to_owned() };
    let let_go = Call::Stop(Target::Stream(key), ErrorCode::Draining.into());
    assert_eq!(worker.calls().last(), Some(&let_go));
}

#[tokio::test]
async fn while_nobody_has_room_a_draining_worker_keeps_its_streams() {
    let (world, worker, other) = watched().await;
    other.set(Mood::Full);
    worker.drain();
    counted(&world, "draining", "failed", 1).await;
    assert!(!worker.calls().iter().any(|call| matches!(call, Call::Stop(..))), "it publishes on");
    other.set(Mood::Willing);
    counted(&world, "draining", "done", 1).await;
    assert_eq!(other.calls().last(), Some(&adopted("lobby", &["video_1"])));
}

#[tokio::test]
async fn a_camera_that_refuses_a_second_client_is_let_go_first_and_that_is_remembered() {
    let (world, worker, other) = watched().await;
    other.set(Mood::NoCamera);
    worker.drain();
    world.calls_until(|calls| calls.iter().any(|(_, call)| matches!(call, Call::Stop(..)))).await;
    other.set(Mood::Willing);
    counted(&world, "draining", "done", 1).await;

    // Back the same way: nobody asks the camera for two.
    worker.set(Mood::Willing);
    let (adoptions, stops) = (worker.calls().len(), other.calls().len());
    other.drain();
    counted(&world, "draining", "done", 2).await;
    assert_eq!(worker.calls()[adoptions..], [adopted("lobby", &["video_1"])]);
    assert!(matches!(other.calls()[stops..], [Call::Stop(..)]));
}

#[tokio::test]
async fn what_is_not_allowed_any_more_is_not_moved() {
    let (world, worker, other) = watched().await;
    other.set(Mood::Full);
    worker.hang_up();
    counted(&world, "lost", "failed", 1).await;
    world.write_sources("sources: [{name: yard, url: 'rtsp://127.0.0.1:8554/yard'}]");
    counted(&world, "lost", "refused", 1).await;
    assert!(!other.calls().iter().any(|call| matches!(call, Call::Stop(..))), "it never had the stream");
}
