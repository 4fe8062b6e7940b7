//! Follows a small file that may change at any time, also by a symlink swap as Kubernetes does for a `ConfigMap`.
//!
//! It reads the whole file each time and compares: path resolution goes through whatever links there are now, and a
//! change cannot hide behind an equal size or time stamp. The caller decides when to look and what a change means.

use std::path::{Path, PathBuf};

/// More than any list of sources or tokens; a larger file is a mistake, or not a file.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Why the file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// The system says no.
    #[error("cannot read {path}: {why}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Larger than [`LARGEST`].
    #[error("{path} is larger than 4 MiB")]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// Not text.
    #[error("{path} is not UTF-8 text")]
    NotText {
        /// Which file.
        path: PathBuf,
    },
}

/// A file and what was last seen in it.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    seen: Option<Result<String, ReadError>>,
}

impl Follower {
    /// Has seen nothing yet.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), seen: None }
    }

    /// Which file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file. `None` when it is as it was the last time, be that good or bad.
    pub(crate) fn look(&mut self) -> Option<Result<&str, ReadError>> {
        let now = read(&self.path);
        if self.seen.as_ref() == Some(&now) {
            return None;
        }
        match self.seen.insert(now) {
            Ok(text) => Some(Ok(text.as_str())),
            Err(error) => Some(Err(error.clone())),
        }
    }
}

fn read(path: &Path) -> Result<String, ReadError> {
    let io = |error: std::io::Error| ReadError::Io { path: path.to_owned(), why: error.to_string() };
    if std::fs::metadata(path).map_err(io)?.len() > LARGEST {
        return Err(ReadError::TooLarge { path: path.to_owned() });
    }
    String::from_utf8(std::fs::read(path).map_err(io)?).map_err(|_| ReadError::NotText { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_configmap_symlink_swap_is_seen() {
        // Kubernetes: sources.yaml → ..data/sources.yaml, ..data → ..2026_01; an update renames a new ..data over it.
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        for (version, text) in [("..one", "first"), ("..two", "other")] {
            std::fs::create_dir(at(version)).expect("a version");
            std::fs::write(at(version).join("sources.yaml"), text).expect("its file");
        }
        symlink("..one", at("..data")).expect("a link");
        symlink("..data/sources.yaml", at("sources.yaml")).expect("a link");

        let mut follower = Follower::new(at("sources.yaml"));
        assert_eq!(follower.look(), Some(Ok("first")));
        assert_eq!(follower.look(), None);
        symlink("..two", at("..data_tmp")).expect("a link");
        std::fs::rename(at("..data_tmp"), at("..data")).expect("the swap");
        assert_eq!(follower.look(), Some(Ok("other")));
        assert_eq!(follower.look(), None);
    }

    #[test]
    fn a_file_that_goes_is_told_once_and_its_return_too() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("tokens");
        std::fs::write(&path, "a").expect("a file");
        let mut follower = Follower::new(&path);
        assert_eq!(follower.look(), Some(Ok("a")));
        std::fs::remove_file(&path).expect("removed");
        assert!(matches!(follower.look(), Some(Err(ReadError::Io { .. }))));
        assert_eq!(follower.look(), None);
        std::fs::write(&path, "a").expect("a file");
        assert_eq!(follower.look(), Some(Ok("a")));
    }

    #[test]
    fn what_is_no_text_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("sources.yaml");
        std::fs::write(&path, [0xff, 0xfe]).expect("a file");
        assert_eq!(Follower::new(&path).look(), Some(Err(ReadError::NotText { path: path.clone() })));
        assert!(Follower::new(dir.path()).look().is_some_and(|seen| seen.is_err()));
    }
}
