//! The table of docs/metrics.md is what the processes expose, name by name, and label by label.

use std::collections::{BTreeMap, BTreeSet};

use std::path::{Path, PathBuf};

use e2e::binaries::repository;
use e2e::{Description, Viewer, World};
use serde_json::json;

/// Type and labels of a metric.
type Form = (String, BTreeSet<String>);

#[tokio::test]
async fn the_documented_metrics_are_those_that_the_processes_expose() {
    let description = World::describe().camera("lobby", "silent").transcoders(1, "");
    let mut world = Description { mosquitto: "sys_interval 1\n".to_owned(), ..description }.start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    viewer.request("video/qoe", json!({"first_frame_ms": 149, "watched_ms": 10_000})).await;
    // The broker tells each second what it has to tell, and all of it at once.
    world.gatekeeper.counts("mqtt_video_broker_uptime_seconds", 1.0).await.expect("the leader hears the broker");
    world.gatekeeper.counts("player_reports_total{outcome=\"ok\"}", 1.0).await.expect("a report counts");
    let up = "stream_up{profile=\"source\",source=\"lobby\"}";
    world.transcoders[0].counts(up, 1.0).await.expect("the stream is up");

    let pages =
        [world.gatekeeper.metrics().await.expect("a page"), world.transcoders[0].metrics().await.expect("a page")];
    let exposed: BTreeMap<String, Form> = pages.iter().flat_map(|page| forms(page)).collect();
    let documented = documented();
    let names = |forms: &BTreeMap<String, Form>| forms.keys().cloned().collect::<BTreeSet<_>>();
    let undocumented: Vec<_> = names(&exposed).difference(&names(&documented)).cloned().collect();
    assert!(undocumented.is_empty(), "not in docs/metrics.md: {undocumented:?}");
    let absent: Vec<_> = names(&documented).difference(&names(&exposed)).cloned().collect();
    assert!(absent.is_empty(), "in docs/metrics.md only: {absent:?}");
    for (name, form) in &documented {
        assert_eq!(form, &exposed[name], "{name}");
    }
    assert!(pages.iter().all(|page| page.contains("process_cpu_seconds_total")));
}

#[tokio::test]
async fn a_worker_names_no_source_in_its_metrics_if_told_so() {
    let mut world = World::describe().camera("lobby", "silent").transcoders(1, "--metrics-sources=false").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    world.transcoders[0].counts("jobs{state=\"live\"}", 1.0).await.expect("the stream is live");
    let page = world.transcoders[0].metrics().await.expect("a page");
    assert!(!page.contains("lobby") && !page.contains("transcoder_stream_"), "{page}");
}

#[tokio::test]
async fn faults_are_counted_for_what_they_are() {
    let mut world = World::describe().camera("lobby", "silent").transcoders(1, "").start().await;
    let mut viewer = Viewer::of(&world).await;
    viewer.play_live("lobby").await;
    let transcoder = &mut world.transcoders[0];
    transcoder.counts("ffmpeg_processes", 1.0).await.expect("ffmpeg is counted");
    transcoder.counts("ffmpeg_cpu_seconds_total", 0.01).await.expect("its CPU time is counted");
    transcoder.counts("publish_delay_seconds_count", 1.0).await.expect("a keyframe went out");
    transcoder.counts("publish_ack_seconds_count", 1.0).await.expect("the broker acknowledged");
    transcoder
        .counts("stream_keyframe_interval_seconds{profile=\"source\",source=\"lobby\"}", 0.5)
        .await
        .expect("two keyframes");
    world.the_ffmpeg().kill();
    let transcoder = &mut world.transcoders[0];
    transcoder.counts("ffmpeg_restarts_total{reason=\"crashed\"}", 1.0).await.expect("a crash is a crash");
    transcoder.counts("jobs{state=\"live\"}", 1.0).await.expect("it is back");
    assert!(transcoder.count("startup_seconds_count").await.expect("counted") < 1.5, "a restart is no start");
}

#[test]
fn documents_name_no_metric_that_is_not_there() {
    let documented = documented();
    let known = |name: &str| {
        let series = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        // A prefix of several, as in `mqtt_video_player_*`.
        name.ends_with('_') || documented.contains_key(name) || documented.contains_key(series)
    };
    let mut files = vec![repository().join("README.md")];
    for folder in ["docs", "helm", "services/gatekeeper", "services/transcoder"] {
        texts(&repository().join(folder), &mut files);
    }
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("text");
        let words = text.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_' && c != ':');
        for name in words.filter(|word| word.starts_with("mqtt_video_")) {
            assert!(name.contains(':') || known(name), "{name} in {}", file.display());
        }
    }
}

/// Files below a folder that people or Prometheus read.
fn texts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let kind = entry.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        if entry.is_dir() {
            texts(&entry, found);
        } else if ["md", "json", "yaml", "tpl"].contains(&kind) {
            found.push(entry);
        }
    }
}

/// Metrics of ours on a page of Prometheus' text format.
fn forms(page: &str) -> BTreeMap<String, Form> {
    let typed = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let ours = typed.filter(|(name, _)| name.starts_with("mqtt_video_"));
    ours.map(|(name, kind)| {
        let samples = page.lines().filter(|line| {
            let series = line.split(['{', ' ']).next().unwrap_or_default();
            let of_histogram = kind == "histogram"
                && series.strip_prefix(name).is_some_and(|end| ["_bucket", "_sum", "_count"].contains(&end));
            series == name || of_histogram
        });
        let labels = samples.filter_map(|line| line.split_once('{')?.1.split_once('}')).flat_map(|(labels, _)| {
            labels.split("\",").filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect::<Vec<_>>()
        });
        (name.to_owned(), (kind.to_owned(), labels.filter(|label| label != "le").collect()))
    })
    .collect()
}

/// The rows of the tables of docs/metrics.md.
fn documented() -> BTreeMap<String, Form> {
    let text = std::fs::read_to_string(repository().join("docs/metrics.md")).expect("docs/metrics.md");
    let rows = text.lines().filter(|line| line.starts_with("| `mqtt_video_"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, name, kind, labels, ..] = cells.as_slice() else { panic!("{row}") };
        let labels = labels.split(',').map(|label| label.trim().trim_matches('`').to_owned());
        (name.trim_matches('`').to_owned(), ((*kind).to_owned(), labels.filter(|label| !label.is_empty()).collect()))
    })
    .collect()
}
