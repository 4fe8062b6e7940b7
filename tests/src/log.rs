//! What a process printed, line by line, with the time at which each line came.
//!
//! A log outlives its process, and goes on with the next one of the same part, so that a failure can tell the whole story.

use std::fmt::{self, Display};
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The common zero of all times, so that the logs of a world can be merged.
static ZERO: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Which stream a line came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// The harness, about the process.
    Note,
}

/// A line that a process printed.
#[derive(Debug, Clone)]
pub struct Line {
    /// When it came, since the first log of this test run.
    pub at: Duration,
    /// Where it came.
    pub channel: Channel,
    /// The line without its end.
    pub text: String,
}

impl Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.channel {
            Channel::Out => '>',
            Channel::Err => '|',
            Channel::Note => '#',
        };
        write!(f, "{:>9.3} {mark} {}", self.at.as_secs_f64(), self.text)
    }
}

/// The lines of one part; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Line>>>);

impl Log {
    /// Adds a remark of the harness.
    pub fn note(&self, text: impl Into<String>) {
        self.push(Channel::Note, text.into());
    }

    /// Number of lines so far: the place from which on a later look is interested.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing was printed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<Line> {
        self.lock().clone()
    }

    /// The newest text from line number `from` on for which `pick` finds something.
    pub fn last<T>(&self, from: usize, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.lock().iter().skip(from).rev().find_map(|line| pick(&line.text))
    }

    /// Follows a stream to its end. A thread rather than a task: it must go on while the test's own thread blocks.
    pub(crate) fn follow(&self, channel: Channel, stream: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut bytes = Vec::new();
            while matches!(reader.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
                let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                log.push(channel, text);
                bytes.clear();
            }
        });
    }

    fn push(&self, channel: Channel, text: String) {
        let at = ZERO.elapsed();
        self.lock().push(Line { at, channel, text });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
