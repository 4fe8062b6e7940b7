//! What the worker tells about itself: its load and every stream, as one value that always holds the latest.
//!
//! Each job writes its own entry whenever it changes; readers see the latest and compare it with what they last saw, so a
//! slow reader misses steps and never the outcome, and nobody waits for anybody. It is also where seats of a source are
//! counted, because a source may run in several profiles.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::watch;

use crate::failure::Code;
use crate::ffmpeg::Plan;
use crate::job::life::State;
use crate::muxer::{Continuation, Media};
use crate::stream::Key;
use crate::viewers::Viewer;

/// The whole worker at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    /// The worker as a whole.
    pub(crate) worker: Worker,
    /// Its streams. Names are shared, as each reader takes a copy of the whole whenever one stream changes.
    pub(crate) streams: BTreeMap<Arc<Key>, Arc<Stream>>,
    /// Streams that failed last, the latest last, with how many had failed by then. They are gone sooner than anybody looks.
    failed: VecDeque<(u64, Key, Code)>,
}

/// Failed streams that are remembered; readers look many times a second.
const FAILED: usize = 64;

/// The worker as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Worker {
    /// Unique in the pool.
    pub(crate) name: String,
    /// Streams that it runs at most.
    pub(crate) slots: usize,
    /// Shutting down.
    pub(crate) draining: bool,
    /// CPU time per wall time, ffmpeg included.
    pub(crate) cpu_cores: f64,
}

/// A stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stream {
    /// Where it is in its life.
    pub(crate) state: State,
    /// Who watches.
    pub(crate) viewers: Vec<Viewer>,
    /// Its tracks, once known.
    pub(crate) media: Option<Media>,
    /// Where its numbering stands.
    pub(crate) continuation: Continuation,
    /// Why the last attempt failed, if it did.
    pub(crate) last_error: Option<Code>,
    /// Runs of ffmpeg after the first.
    pub(crate) restarts: u32,
    /// Measured; zero until known.
    pub(crate) frames_per_second: f64,
    /// As it came with the stream.
    pub(crate) pattern_url: String,
    /// How the source has to be treated, for whoever takes the stream over.
    pub(crate) plan: Plan,
}

/// The difference between two snapshots.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// The worker, if it changed, and how many streams it runs.
    pub(crate) worker: Option<(Worker, usize)>,
    /// Streams that are new or changed.
    pub(crate) streams: Vec<(Key, Arc<Stream>)>,
    /// Streams that ended.
    pub(crate) ended: Vec<Key>,
    /// Streams that ended because their source failed.
    pub(crate) failed: Vec<(Key, Code)>,
}

impl Snapshot {
    /// What changed since `before`; everything, if there was nothing before.
    pub(crate) fn since(&self, before: Option<&Self>) -> Changes {
        let worker = (self.worker.clone(), self.streams.len());
        let unchanged = |key: &Key, stream: &Arc<Stream>| {
            let known = before.and_then(|before| before.streams.get(key));
            known.is_some_and(|known| Arc::ptr_eq(known, stream) || known == stream)
        };
        let streams = self.streams.iter().filter(|(key, stream)| !unchanged(key, stream));
        let ended = before.into_iter().flat_map(|before| before.streams.keys());
        let told = before.map_or(u64::MAX, Self::failures);
        Changes {
            worker: before
                .is_none_or(|before| (&before.worker, before.streams.len()) != (&worker.0, worker.1))
                .then_some(worker),
            streams: streams.map(|(key, stream)| (Key::clone(key), stream.clone())).collect(),
            ended: ended.filter(|key| !self.streams.contains_key(*key)).map(|key| Key::clone(key)).collect(),
            failed: self
                .failed
                .iter()
                .filter(|(nth, ..)| *nth > told)
                .map(|(_, key, code)| (key.clone(), *code))
                .collect(),
        }
    }

    /// How many streams have failed so far.
    fn failures(&self) -> u64 {
        self.failed.back().map_or(0, |(nth, ..)| *nth)
    }

    /// How many watch.
    pub(crate) fn viewers(&self) -> usize {
        self.streams.values().map(|stream| stream.viewers.len()).sum()
    }
}

/// Where the latest snapshot is. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Board(Arc<watch::Sender<Snapshot>>);

impl Board {
    /// A board without streams.
    pub(crate) fn new(worker: Worker) -> Self {
        Self(Arc::new(watch::Sender::new(Snapshot { worker, streams: BTreeMap::new(), failed: VecDeque::new() })))
    }

    /// Follows it.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Snapshot> {
        self.0.subscribe()
    }

    /// Changes what is said of the worker as a whole.
    pub(crate) fn worker(&self, change: impl FnOnce(&mut Worker)) {
        self.0.send_modify(|snapshot| change(&mut snapshot.worker));
    }

    /// Looks at it as it is.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Snapshot) -> T) -> T {
        at(&self.0.borrow())
    }

    /// Room for one stream's entry.
    pub(crate) fn entry(&self, key: Key) -> Entry {
        Entry { board: self.clone(), key: key.into() }
    }
}

/// A stream's entry; goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    board: Board,
    key: Arc<Key>,
}

impl Entry {
    /// The stream as it is now.
    pub(crate) fn post(&self, stream: Stream) {
        self.board.0.send_if_modified(|snapshot| {
            if snapshot.streams.get(&self.key).is_some_and(|known| **known == stream) {
                return false;
            }
            snapshot.streams.insert(self.key.clone(), Arc::new(stream));
            true
        });
    }

    /// The stream ends because its source failed.
    pub(crate) fn fail(&self, code: Code) {
        self.board.0.send_modify(|snapshot| {
            let nth = snapshot.failures() + 1;
            if snapshot.failed.len() >= FAILED {
                snapshot.failed.pop_front();
            }
            snapshot.failed.push_back((nth, Key::clone(&self.key), code));
        });
    }

    /// Takes a seat for a viewer, unless `max` others (zero: any number) have one at the same source, in whatever profile.
    /// Checked and taken at once, so two who come together do not get the same last seat.
    pub(crate) fn take_seat(&self, viewer: &Viewer, max: u32) -> bool {
        let mut taken = false;
        self.board.0.send_if_modified(|snapshot| {
            let of_source = snapshot.streams.iter().filter(|(key, _)| key.source == self.key.source);
            let others = of_source.flat_map(|(_, stream)| &stream.viewers);
            let others = others.filter(|other| other.reply_topic != viewer.reply_topic).count();
            taken = max == 0 || others < max as usize;
            if let Some(stream) = snapshot.streams.get_mut(&self.key).filter(|_| taken) {
                let stream = Arc::make_mut(stream);
                stream.viewers.retain(|other| other.reply_topic != viewer.reply_topic);
                stream.viewers.push(viewer.clone());
            }
            taken
        });
        taken
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.board.0.send_if_modified(|snapshot| snapshot.streams.remove(&self.key).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewers::{Delivery, Dialect};

    fn board() -> Board {
        Board::new(Worker { name: "w".to_owned(), slots: 4, draining: false, cpu_cores: 0.0 })
    }

    fn key(profile: &str) -> Key {
        Key { source: "lobby".to_owned(), profile: profile.to_owned() }
    }

    fn stream() -> Stream {
        Stream {
            state: State::Starting,
            viewers: Vec::new(),
            media: None,
            continuation: Continuation { generation: 0, sequence_number: 0, decode_time: 0 },
            last_error: None,
            restarts: 0,
            frames_per_second: 0.0,
            pattern_url: String::new(),
            plan: Plan::default(),
        }
    }

    fn viewer(reply_topic: &str) -> Viewer {
        Viewer {
            reply_topic: reply_topic.to_owned(),
            delivery: Delivery::Live,
            dialect: Dialect::Video,
            session: String::new(),
            video_only: false,
        }
    }

    #[test]
    fn a_reader_sees_what_changed_and_nothing_else() {
        let board = board();
        let first = board.entry(key("source"));
        first.post(stream());
        let before = board.look(Clone::clone);
        assert_eq!(before.since(None).streams.len(), 1);
        assert!(before.since(None).worker.is_some());

        first.post(stream());
        let second = board.entry(key("legacy"));
        second.post(stream());
        let now = board.look(Clone::clone);
        let changes = now.since(Some(&before));
        assert_eq!(changes.streams.len(), 1);
        assert_eq!(changes.streams[0].0, key("legacy"));
        assert_eq!(changes.worker.map(|(_, used)| used), Some(2));

        drop(second);
        let changes = board.look(Clone::clone).since(Some(&now));
        assert_eq!(changes.ended, [key("legacy")]);
        assert!(changes.streams.is_empty());
        assert!(now.since(Some(&now)).worker.is_none());
    }

    #[test]
    fn a_failure_is_told_once_although_the_stream_is_gone_by_then() {
        let board = board();
        let before = board.look(Clone::clone);
        for _ in 0..2 {
            let entry = board.entry(key("source"));
            entry.post(stream());
            entry.fail(Code::SourceUnauthorized);
        }
        let now = board.look(Clone::clone);
        let told = vec![(key("source"), Code::SourceUnauthorized); 2];
        assert_eq!(now.since(Some(&before)).failed, told);
        assert_eq!(now.since(Some(&now)).failed, []);
        assert_eq!(now.since(None).failed, [], "what was before is no news");
        for _ in 0..FAILED {
            board.entry(key("legacy")).fail(Code::SourceUnreachable);
        }
        assert_eq!(board.look(Clone::clone).since(Some(&now)).failed.len(), FAILED);
    }

    #[test]
    fn seats_are_counted_over_all_profiles_of_a_source() {
        let board = board();
        let (source, legacy) = (board.entry(key("source")), board.entry(key("legacy")));
        source.post(stream());
        legacy.post(stream());
        assert!(source.take_seat(&viewer("a"), 2));
        assert!(legacy.take_seat(&viewer("b"), 2));
        assert!(!source.take_seat(&viewer("c"), 2));
        assert!(source.take_seat(&viewer("a"), 2), "one who has a seat keeps it");
        assert!(source.take_seat(&viewer("c"), 0));
        assert_eq!(board.look(Snapshot::viewers), 3);
    }
}
