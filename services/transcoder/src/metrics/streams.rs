//! Figures of single streams, under the names of source and profile.
//!
//! A stream is there as long as it runs and leaves nothing behind. Names are those of the allowlist: streams of a pattern
//! entry, of which there may be any number, count together, as badly as the worst of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, Opts};

use super::named;
use crate::stream::Key;

const LABELS: &[&str] = &["source", "profile"];

/// All streams that run. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    running: Arc<Mutex<BTreeMap<Key, Figures>>>,
    up: GaugeVec,
    frame_rate: GaugeVec,
    keyframe_interval: GaugeVec,
}

#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    up: bool,
    frames_per_second: f64,
    keyframe_interval: Duration,
}

impl Streams {
    pub(super) fn new() -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| GaugeVec::new(Opts::new(named(name), help), LABELS);
        Ok(Self {
            running: Arc::default(),
            up: gauge("stream_up", "1 while pictures flow.")?,
            frame_rate: gauge("stream_frame_rate", "Frames per second as they come.")?,
            keyframe_interval: gauge("stream_keyframe_interval_seconds", "Between the last two keyframes.")?,
        })
    }

    pub(super) fn enter(&self, key: &Key) -> StreamFigures {
        lock(&self.running).insert(key.clone(), Figures::default());
        StreamFigures { running: self.running.clone(), key: key.clone() }
    }

    fn all(&self) -> [&GaugeVec; 3] {
        [&self.up, &self.frame_rate, &self.keyframe_interval]
    }
}

impl Collector for Streams {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Held until all is read, so that two who ask at once do not clear each other's answer.
        let running = lock(&self.running);
        let mut named: BTreeMap<[&str; 2], Figures> = BTreeMap::new();
        for (key, figures) in running.iter() {
            let entry = key.source.split_once('~').map_or(key.source.as_str(), |(entry, _)| entry);
            let together = named.entry([entry, key.profile.as_str()]).or_insert(*figures);
            together.up &= figures.up;
            together.frames_per_second = together.frames_per_second.min(figures.frames_per_second);
            together.keyframe_interval = together.keyframe_interval.max(figures.keyframe_interval);
        }
        self.all().into_iter().for_each(GaugeVec::reset);
        for (labels, figures) in named {
            self.up.with_label_values(&labels).set(f64::from(u8::from(figures.up)));
            self.frame_rate.with_label_values(&labels).set(figures.frames_per_second);
            self.keyframe_interval.with_label_values(&labels).set(figures.keyframe_interval.as_secs_f64());
        }
        let families = self.all().into_iter().flat_map(Collector::collect);
        // The text format knows no family without a metric.
        families.filter(|family| !family.get_metric().is_empty()).collect()
    }
}

/// The figures of one stream; go when it is dropped.
#[derive(Debug)]
pub(crate) struct StreamFigures {
    running: Arc<Mutex<BTreeMap<Key, Figures>>>,
    key: Key,
}

impl StreamFigures {
    /// Whether pictures flow.
    pub(crate) fn up(&self, up: bool) {
        self.change(|figures| figures.up = up);
    }

    /// As pictures come now.
    pub(crate) fn frame_rate(&self, frames_per_second: f64) {
        self.change(|figures| figures.frames_per_second = frames_per_second);
    }

    /// Between the last two keyframes.
    pub(crate) fn keyframe_interval(&self, interval: Duration) {
        self.change(|figures| figures.keyframe_interval = interval);
    }

    fn change(&self, change: impl FnOnce(&mut Figures)) {
        lock(&self.running).get_mut(&self.key).map(change);
    }
}

impl Drop for StreamFigures {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.key);
    }
}

fn lock(running: &Mutex<BTreeMap<Key, Figures>>) -> MutexGuard<'_, BTreeMap<Key, Figures>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{Registry, TextEncoder};

    fn key(source: &str) -> Key {
        Key { source: source.to_owned(), profile: "source".to_owned() }
    }

    fn lines(registry: &Registry) -> Vec<String> {
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn a_stream_is_there_while_it_runs_and_under_its_name_alone() {
        let registry = Registry::new();
        let streams = Streams::new().unwrap();
        registry.register(Box::new(streams.clone())).unwrap();
        assert!(lines(&registry).is_empty());
        let lobby = streams.enter(&key("lobby"));
        lobby.up(true);
        lobby.frame_rate(30.0);
        lobby.keyframe_interval(Duration::from_millis(1500));
        assert_eq!(
            lines(&registry),
            [
                r#"mqtt_video_transcoder_stream_frame_rate{profile="source",source="lobby"} 30"#,
                r#"mqtt_video_transcoder_stream_keyframe_interval_seconds{profile="source",source="lobby"} 1.5"#,
                r#"mqtt_video_transcoder_stream_up{profile="source",source="lobby"} 1"#,
            ]
        );
        drop(lobby);
        assert!(lines(&registry).is_empty());
    }

    #[test]
    fn streams_of_a_pattern_count_as_the_worst_of_them_and_no_digest_shows() {
        let registry = Registry::new();
        let streams = Streams::new().unwrap();
        registry.register(Box::new(streams.clone())).unwrap();
        let (well, badly) = (streams.enter(&key("plant~00c0ffee00c0ffee")), streams.enter(&key("plant~1")));
        well.up(true);
        well.frame_rate(30.0);
        badly.frame_rate(2.0);
        let lines = lines(&registry);
        assert!(lines.contains(&r#"mqtt_video_transcoder_stream_up{profile="source",source="plant"} 0"#.to_owned()));
        assert!(lines.iter().any(|line| line.ends_with(" 2")), "{lines:?}");
        assert_eq!(lines.len(), 3, "{lines:?}");
    }
}
