//! One trace from the browser's play to its first frame, as a real OTLP receiver gets it.

use e2e::collector::{Collector, Span};
use e2e::{Viewer, World};
use serde_json::json;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const ROOT: &str = "00f067aa0ba902b7";

async fn collector() -> Collector {
    let mut collector = Collector::new().expect("a collector");
    collector.begin().await.expect("it listens");
    collector
}

/// Spans are exported every tenth of a second instead of every five.
fn world(collector: &Collector, more: &str) -> e2e::Description {
    let flags = format!("--otlp-endpoint=http://{} {more}", collector.otlp);
    let description = World::describe().camera("lobby", "aac").transcoders(1, &flags).gatekeeper(&flags);
    description.environment("OTEL_BSP_SCHEDULE_DELAY", "100")
}

async fn play(world: &World, traceparent: &str) -> Viewer {
    let mut viewer = Viewer::of(world).await;
    viewer.traceparent = Some(traceparent.to_owned());
    viewer.request("video/describe", json!({"source": "lobby", "session": "s-1"})).await;
    let described = viewer.reply().await;
    viewer.follow(&described).await;
    viewer.request("video/play", json!({"source": "lobby", "delivery": "live", "session": "s-1"})).await;
    viewer.until_video(5).await;
    let report = json!({"session": "s-1", "source": "lobby", "first_frame_ms": 400, "first_media_ms": 300, "since_play_ms": 500});
    viewer.send("video/qoe", report.to_string()).await;
    viewer
}

#[track_caller]
fn assert_within(inner: &Span, outer: &Span) {
    assert!(outer.time.0 <= inner.time.0 && inner.time.1 <= outer.time.1, "{inner:#?} is within {outer:#?}");
}

#[tokio::test]
async fn one_trace_goes_from_the_browser_to_ffmpeg_and_back() {
    let collector = collector().await;
    let world = world(&collector, "").start().await;
    let _viewer = play(&world, &format!("00-{TRACE}-{ROOT}-01")).await;

    let (gatekeeper, transcoder, player) = ("mqtt-video-gatekeeper", "mqtt-video-transcoder", "mqtt-video-player");
    let span = async |service: &str, name: &str, parent: &Span| {
        let is = |span: &Span| span.service == service && span.name == name && span.parent == parent.id;
        let span = collector.span(&format!("{name} in {}", parent.name), is).await;
        assert_eq!(span.trace, TRACE);
        assert!(!span.failed, "{span:#?}");
        span
    };
    let root = collector.span("the browser's play", |span| span.id == ROOT).await;
    assert_eq!((root.service.as_str(), root.name.as_str(), root.parent.as_str()), (player, "play", ""));
    assert_eq!((root.trace.as_str(), root.time.1 - root.time.0), (TRACE, 400_000_000));
    let frame = span(player, "first frame", &root).await;
    assert_eq!((frame.time.1, frame.time.1 - frame.time.0), (root.time.1, 100_000_000));

    let describe = span(gatekeeper, "request describe", &root).await;
    assert_eq!(describe.attributes["session"], "s-1");
    assert_eq!(describe.attributes["source"], "lobby");
    let placement = span(gatekeeper, "placement", &describe).await;
    assert_eq!(placement.attributes["worker"], "transcoder0");
    assert_within(&placement, &describe);
    let call = span(transcoder, "describe", &placement).await;
    assert_eq!((&call.attributes["source"], &call.attributes["session"]), (&"lobby".to_owned(), &"s-1".to_owned()));
    assert_eq!(call.resource["service.instance.id"], "transcoder0");
    assert_eq!(call.resource["service.version"], root.resource["service.version"]);
    assert_within(&call, &placement);
    let start = span(transcoder, "start", &call).await;
    let ffmpeg = span(transcoder, "ffmpeg start", &start).await;
    let keyframe = span(transcoder, "first keyframe", &start).await;
    assert_within(&ffmpeg, &start);
    assert_within(&keyframe, &start);
    assert!(ffmpeg.time.1 <= keyframe.time.1);

    let request = span(gatekeeper, "request play", &root).await;
    let placement = span(gatekeeper, "placement", &request).await;
    span(transcoder, "play", &placement).await;
    // Whatever is in the trace belongs there.
    let all = collector.spans();
    for span in all.iter().filter(|span| span.trace == TRACE) {
        assert!(span.id == ROOT || all.iter().any(|parent| parent.id == span.parent), "an orphan: {span:#?}");
    }
}

#[tokio::test]
async fn a_request_without_a_trace_begins_one() {
    let collector = collector().await;
    let world = world(&collector, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    for bad in ["00-zz-1-01", "", &format!("00-{}-{ROOT}-01", "0".repeat(32))] {
        viewer.traceparent = Some(bad.to_owned());
        viewer.describe("lobby").await;
    }
    let root = collector.span("a request", |span| span.name == "request describe").await;
    let start = collector.span("the start", |span| span.name == "start").await;
    assert_eq!((root.parent.as_str(), start.trace), ("", root.trace));
}

#[tokio::test]
async fn a_refusal_marks_its_spans_as_failed() {
    let collector = collector().await;
    let world = world(&collector, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.describe("attic").await;
    let refused = collector.span("a refusal", |span| span.name == "request describe").await;
    assert!(refused.failed, "{refused:#?}");
}

/// The stranger's flag says yes, and the ratio no.
#[tokio::test]
async fn what_a_stranger_wants_sampled_is_not_more_than_the_ratio() {
    let collector = collector().await;
    let mut world = world(&collector, "--trace-sample-ratio=0").start().await;
    let mut viewer = play(&world, &format!("00-{TRACE}-{ROOT}-01")).await;
    // A worker that nobody watches ends at once.
    viewer.stop().await;
    // Their ends export what there is.
    world.gatekeeper.part.stop().await;
    world.transcoders[0].part.stop().await;
    assert!(collector.spans().is_empty(), "{:#?}", collector.spans());
}

#[tokio::test]
async fn the_last_spans_are_exported_at_the_end() {
    let collector = collector().await;
    let description = world(&collector, "").environment("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let mut world = description.start().await;
    let viewer = play(&world, &format!("00-{TRACE}-{ROOT}-01")).await;
    drop(viewer);
    world.gatekeeper.part.stop().await;
    let names: Vec<_> = collector.spans().into_iter().map(|span| span.name).collect();
    for name in ["play", "first frame", "request describe", "request play", "placement"] {
        assert!(names.iter().any(|found| found == name), "{name} is among {names:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_is_away_costs_a_line_and_nothing_else() {
    let mut collector = Collector::new().expect("a collector");
    let mut world = world(&collector, "").start().await;
    let away =
        |log: &e2e::log::Log| log.lines().iter().filter(|line| line.text.contains("traces cannot be exported")).count();
    let mut viewer = play(&world, &format!("00-{TRACE}-{ROOT}-01")).await;
    e2e::wait::until("the outage is told", || (away(world.gatekeeper.part.log()) > 0).then_some(())).await;
    for _ in 0..5 {
        viewer.describe("lobby").await;
    }
    viewer.until_video(30).await;
    collector.begin().await.expect("it listens");
    viewer.describe("lobby").await;
    collector.span("a later request", |span| span.name == "request describe").await;
    let back = |line: &e2e::log::Line| line.text.contains("traces are exported again");
    e2e::wait::until("it is told", || world.gatekeeper.part.log().lines().iter().any(back).then_some(())).await;
    // The gatekeeper exports its own spans and those of players.
    assert!(away(world.gatekeeper.part.log()) <= 2);
    assert!(world.gatekeeper.part.running());
}
