//! Where results go: one JSON object or text on standard output, words for people on standard error, media into a sink.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::exit::Failure;

/// Writes to standard output. A reader that went away has what it wanted.
pub(crate) fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes one JSON object to standard output.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_vec(value).map_err(|error| Failure::Internal(error.to_string()))?;
    text.push(b'\n');
    print(&text)
}

/// Tells people; nobody is there when standard error is closed.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", clean(text));
}

/// Text with foreign words in it, which may not reach a terminal's controls.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}

/// Takes media.
pub(crate) struct Sink {
    writer: Option<Box<dyn AsyncWrite + Unpin + Send>>,
    path: PathBuf,
    written: u64,
}

impl Sink {
    /// A file, `-` for standard output, or nothing.
    pub(crate) async fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let path = path.unwrap_or(Path::new("")).to_owned();
        let writer: Option<Box<dyn AsyncWrite + Unpin + Send>> = match path.to_str() {
            Some("") => None,
            Some("-") => Some(Box::new(tokio::io::stdout())),
            _ => Some(Box::new(File::create(&path).await.map_err(|error| failure(&path, &error))?)),
        };
        Ok(Self { writer, path, written: 0 })
    }

    /// Whether anything is kept.
    pub(crate) fn takes(&self) -> bool {
        self.writer.is_some()
    }

    /// Takes nothing more.
    pub(crate) fn abandon(&mut self) {
        self.writer = None;
    }

    /// Bytes that were taken.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Writes and flushes; false when the reader of a pipe went away.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        let Some(writer) = &mut self.writer else { return Ok(true) };
        let result = async {
            writer.write_all(bytes).await?;
            writer.flush().await
        };
        match result.await {
            Ok(()) => {
                self.written += bytes.len() as u64;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(failure(&self.path, &error)),
        }
    }
}

fn failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Internal(format!("cannot write {}: {error}", path.display()))
}
