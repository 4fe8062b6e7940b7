//! A status as tables of text.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Row, Table};

use super::status::{Failed, Status, Stream, Times, Worker};
use crate::output;

/// Stands for what is not known.
const UNKNOWN: &str = "–";

/// A line on the whole, a table of workers, one of streams, and one of failures if there are any. What matters most is on the
/// left, for terminals that cut the right.
pub(super) fn text(status: &Status) -> String {
    let workers =
        table(&["WORKER", "STATE", "SLOTS", "CPU", "STREAMS", "VIEWERS"], 2..6, status.workers.iter().map(worker));
    let streams = table(
        &["SOURCE", "STATE", "VIEWERS", "FPS", "RESTARTS", "WORKER", "LAST ERROR", "PROFILE", "SIZE", "CODEC"],
        2..5,
        status.streams.iter().map(stream),
    );
    let text = format!("{}\n\n{workers}\n\n{streams}", whole(status));
    if status.failures.is_empty() {
        return text;
    }
    let failed = status.failures.iter().map(|failed| failure(failed, status.time));
    format!("{text}\n\n{}", table(&["FAILED", "ERROR", "AGO", "WORKER", "PROFILE"], 2..3, failed))
}

fn whole(status: &Status) -> String {
    let broker = match status.broker.and_then(|broker| broker.connected) {
        Some(true) => "connected",
        Some(false) => "DISCONNECTED",
        None => UNKNOWN,
    };
    let leads = match status.leader {
        Some(true) => ", leads",
        Some(false) => ", follows",
        None => "",
    };
    let up = status.uptime_s.map_or(UNKNOWN.to_owned(), uptime);
    let line = format!("gatekeeper {}{leads}, up {up}; broker {broker}", known(status.version.as_ref()));
    let Some(viewers) = status.viewers else { return line };
    format!(
        "{line}\n{} viewers; latency {}, first frame {}, pictures stood {}",
        known(viewers.count),
        times(viewers.latency_ms),
        times(viewers.first_frame_ms),
        viewers.rebuffer_ratio.map_or(UNKNOWN.to_owned(), |ratio| format!("{:.1} %", ratio * 100.0)),
    )
}

fn worker(worker: &Worker) -> Vec<String> {
    let Worker { name, state, slots_total, slots_used, cpu_cores, streams, viewers } = worker;
    vec![
        known(name.as_ref()),
        known(state.as_ref()),
        format!("{}/{}", known(*slots_used), known(*slots_total)),
        cpu_cores.map_or(UNKNOWN.to_owned(), |cores| format!("{cores:.1}")),
        known(*streams),
        known(*viewers),
    ]
}

fn stream(stream: &Stream) -> Vec<String> {
    // Zero, as an empty codec, is not known yet.
    let size = stream.width.zip(stream.height).filter(|(width, _)| *width > 0);
    let rate = stream.frames_per_second.filter(|fps| *fps > 0.0);
    vec![
        known(stream.source.as_ref()),
        known(stream.state.as_ref()),
        known(stream.viewers),
        rate.map_or(UNKNOWN.to_owned(), |fps| format!("{fps:.1}")),
        known(stream.restarts),
        known(stream.worker.as_ref()),
        known(stream.last_error.as_ref()),
        known(stream.profile.as_ref()),
        size.map_or(UNKNOWN.to_owned(), |(width, height)| format!("{width}x{height}")),
        known(stream.codec.as_ref()),
    ]
}

fn failure(failed: &Failed, now: Option<u64>) -> Vec<String> {
    let Failed { source, profile, worker, error, time } = failed;
    let ago = now.zip(*time).map(|(now, then)| uptime(now.saturating_sub(then) / 1000));
    vec![known(source.as_ref()), known(error.as_ref()), known(ago), known(worker.as_ref()), known(profile.as_ref())]
}

fn table(header: &[&str], right: std::ops::Range<usize>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec()).add_rows(rows.map(Row::from));
    for column in right {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Foreign text, which may not reach the terminal's controls.
fn known(value: Option<impl ToString>) -> String {
    let value = value.map(|value| value.to_string()).filter(|value| !value.is_empty());
    value.map_or(UNKNOWN.to_owned(), |value| output::clean(&value).replace('\n', " "))
}

fn times(times: Option<Times>) -> String {
    let Some(Times { p50, p95 }) = times else { return UNKNOWN.to_owned() };
    let ms = |time: Option<f64>| time.map_or(UNKNOWN.to_owned(), |time| format!("{time:.0}"));
    format!("{}/{} ms (p50/p95)", ms(p50), ms(p95))
}

fn uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(json: &str) -> String {
        text(&serde_json::from_str(json).expect("a status"))
    }

    #[test]
    fn workers_and_streams_are_tables() {
        insta::assert_snapshot!(check(
            r#"{"version": "0.1.0", "time": 1790000000000, "uptime_s": 3720, "leader": true, "broker": {"connected": true},
                "workers": [
                    {"name": "transcoder-0", "state": "ready", "slots_total": 16, "slots_used": 2, "cpu_cores": 0.31,
                     "streams": 2, "viewers": 3},
                    {"name": "transcoder-1", "state": "draining", "slots_total": 16, "slots_used": 0, "streams": 0}],
                "streams": [
                    {"source": "lobby", "profile": "source", "worker": "transcoder-0", "state": "live", "viewers": 3,
                     "codec": "avc1.42C01E", "width": 640, "height": 360, "frames_per_second": 29.97, "restarts": 0,
                     "last_error": null},
                    {"source": "gate", "profile": "legacy", "worker": "transcoder-0", "state": "restarting", "restarts": 4,
                     "codec": "", "width": 0, "frames_per_second": 0.0,
                     "last_error": "source_unreachable", "of_the_future": 1}],
                "failures": [{"source": "yard", "profile": "source", "worker": "transcoder-0",
                     "error": "source_unauthorized", "time": 1789999978000}],
                "viewers": {"count": 3, "latency_ms": {"p50": 68, "p95": 85}, "first_frame_ms": null, "rebuffer_ratio": 0.0}}"#
        ));
    }

    #[test]
    fn what_is_absent_is_not_known() {
        insta::assert_snapshot!(check(r#"{"workers": null, "streams": [{}]}"#));
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        let text = check(r#"{"streams": [{"source": "a\u001b[2Jb"}]}"#);
        assert!(!text.contains('\u{1b}') && text.contains("a?[2Jb"), "{text}");
    }

    proptest! {
        #[test]
        fn every_stream_has_one_line(names in prop::collection::vec("\\PC{0,60}", 0..20)) {
            let streams: Vec<_> = names.iter().map(|name| serde_json::json!({"source": name})).collect();
            let status: Status = serde_json::from_value(serde_json::json!({"streams": streams})).expect("a status");
            let lines = text(&status).lines().count();
            // The line on the whole, two headers, and a blank before each.
            prop_assert_eq!(lines, 5 + names.len());
        }
    }
}
