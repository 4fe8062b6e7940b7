//! What operators look at: every expression of dashboards and rules, asked of a Prometheus that scrapes a running world.

use std::collections::BTreeSet;

use e2e::prometheus::{self, Prometheus};
use e2e::{Viewer, World, wait};
use serde_json::{Value, json};
use tokio::time::Instant;

const DASHBOARDS: [&str; 4] = ["service", "transcoder-pool", "viewer-experience", "broker"];

/// Shows nothing while all is well; `alerts.rs` looks at it when something is not.
const EMPTY_WHEN_WELL: &str = "Firing alerts";

#[tokio::test]
async fn every_panel_shows_something_and_every_rule_speaks_of_what_is_there() {
    let world = World::describe().camera("lobby", "silent").mosquitto("sys_interval 1\n").start().await;
    let prometheus = Prometheus::watch(&world).await.expect("a Prometheus");
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;

    let rules = prometheus.rules().await.expect("rules");
    assert!(rules.len() > 30, "{rules:?}");
    let mut wanted: Vec<(String, String)> = Vec::new();
    for name in DASHBOARDS {
        let panels = prometheus::panels(&prometheus::dashboard(name).expect("a dashboard"));
        assert!(panels.len() > 8, "{name}: {panels:?}");
        for (title, expressions) in panels.into_iter().filter(|(title, _)| title != EMPTY_WHEN_WELL) {
            wanted.extend(expressions.into_iter().map(|expression| (format!("{name}, {title}"), expression)));
        }
    }
    for rule in &rules {
        let name = text(&rule["name"]);
        if rule["type"] == "recording" {
            wanted.push(("recorded".to_owned(), name));
        } else {
            // Its result is to be empty, but for lack of trouble and not of series.
            let selectors = selectors(&text(&rule["query"]));
            wanted.extend(selectors.into_iter().map(|selector| (name.clone(), selector)));
        }
    }

    // Rates need that something happens while they look.
    let deadline = Instant::now() + wait::BACKSTOP;
    while !wanted.is_empty() {
        assert!(Instant::now() < deadline, "without data: {wanted:#?}");
        viewer.describe("lobby").await;
        viewer.request("video/qoe", report(120, 0)).await;
        let mut missing = Vec::new();
        for (whose, expression) in wanted {
            let found = prometheus.show(&expression).await.unwrap_or_else(|error| panic!("{whose}: {error:#}"));
            if found.is_empty() {
                missing.push((whose, expression));
            }
        }
        wanted = missing;
    }
    prometheus.evaluated().await.expect("evaluated");
    for rule in prometheus.rules().await.expect("rules") {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    assert_eq!(prometheus.fired().await.expect("alerts"), [""; 0], "a healthy world fires nothing");
}

#[test]
fn dashboards_can_be_imported_by_hand_and_say_what_is_good() {
    let mut ids = BTreeSet::new();
    for name in DASHBOARDS {
        let dashboard = prometheus::dashboard(name).expect("a dashboard");
        assert!(ids.insert(text(&dashboard["uid"])), "{name}: its uid is another's");
        assert_eq!(dashboard["uid"], format!("mqtt-video-{name}"), "links and bookmarks stay");
        assert!(dashboard.get("__inputs").is_none() && dashboard["id"].is_null(), "{name}");
        let variables = dashboard["templating"]["list"].as_array().expect("variables");
        assert_eq!(
            variables.iter().map(|variable| text(&variable["name"])).collect::<Vec<_>>(),
            ["datasource", "namespace"]
        );
        assert_eq!(variables[1]["allValue"], ".*", "All is also where no namespace is");
        assert_eq!(dashboard["links"][0]["tags"], dashboard["tags"], "{name} links the others");
        for panel in dashboard["panels"].as_array().expect("panels").iter().filter(|panel| panel["type"] != "row") {
            let title = text(&panel["title"]);
            assert!(text(&panel["description"]).len() > 40, "{name}, {title}: what is good, and what to do");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}, {title}");
            for target in panel["targets"].as_array().expect("targets") {
                let expression = text(&target["expr"]);
                assert!(expression.contains("namespace=~\"$namespace\""), "{name}, {title}: {expression}");
            }
        }
    }
}

#[test]
fn selectors_are_found() {
    let found =
        selectors(r#"sum by (a) (rate(mqtt_video_x{b="}", c=~"d|e"}[5m])) / ns:mqtt_video_y:rate5m > ALERTS{f="g"}"#);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [r#"mqtt_video_x{b="}", c=~"d|e"}"#, "ns:mqtt_video_y:rate5m"]);
}

/// A player's report: 95th percentile of latency, and how much of its 10 s the picture stood.
pub(crate) fn report(latency_ms: u32, rebuffer_ms: u32) -> Value {
    json!({
        "first_frame_ms": 400, "latency_ms": {"p50": latency_ms / 2, "p95": latency_ms}, "watched_ms": 10_000,
        "stalls": u32::from(rebuffer_ms > 0), "rebuffer_ms": rebuffer_ms, "dropped_frames": 1, "decoded_frames": 299,
        "reconnects": 0, "decoder_errors": 0,
    })
}

/// The selectors of our metrics in an expression, without ranges.
fn selectors(expression: &str) -> BTreeSet<String> {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = BTreeSet::new();
    let mut rest = expression;
    while let Some(at) = rest.find("mqtt_video_") {
        // The name may begin before, at the level of a recorded one.
        let begin = rest[..at].rfind(|c| !part_of_name(c)).map_or(0, |before| before + 1);
        let tail = &rest[begin..];
        let mut end = tail.find(|c| !part_of_name(c)).unwrap_or(tail.len());
        if tail[end..].starts_with('{') {
            let mut quoted = false;
            end += 1 + tail[end..]
                .find(|c| {
                    quoted ^= c == '"';
                    c == '}' && !quoted
                })
                .expect("a closing brace");
        }
        found.insert(tail[..end].to_owned());
        rest = &tail[end..];
    }
    found
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
