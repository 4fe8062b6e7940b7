//! Reloading the file of sources: a bad file changes nothing but what is said about it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Catalog, FileError, parse};
use crate::follow::{Follower, ReadError};

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It does not say what it must.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong in it.
        source: FileError,
    },
}

/// The file and the list that it last made.
#[derive(Debug)]
pub(crate) struct Reload {
    follower: Follower,
    catalog: Arc<Catalog>,
}

impl Reload {
    /// Reads the file for the first time, when there is no list to keep.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let mut reload = Self { follower: Follower::new(path), catalog: Arc::default() };
        // The follower has seen nothing, so there is news.
        if let Some(first) = reload.look() {
            first?;
        }
        Ok(reload)
    }

    /// The list in effect.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.clone()
    }

    /// Looks at the file. `None` when nothing changed; an error keeps the list in effect.
    pub(crate) fn look(&mut self) -> Option<Result<Arc<Catalog>, Error>> {
        let path = self.follower.path().to_owned();
        let text = match self.follower.look()? {
            Ok(text) => text,
            Err(error) => return Some(Err(error.into())),
        };
        Some(match parse(text, path.parent().unwrap_or(Path::new("."))) {
            Ok(catalog) => {
                self.catalog = Arc::new(catalog);
                Ok(self.catalog())
            }
            Err(source) => Err(Error::File { path, source }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_file_keeps_the_old_list_and_a_good_one_replaces_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("sources.yaml");
        let write = |text: &str| std::fs::write(&path, text).expect("a file");
        write("sources: [{name: lobby, url: 'rtsp://h/a'}]");
        let mut reload = Reload::open(&path).expect("a list");
        assert!(reload.look().is_none());

        for bad in ["sources: [", "sources: [{name: lobby}]", ""] {
            write(bad);
            let error = reload.look().expect("news").expect_err(bad).to_string();
            assert!(error.contains("sources.yaml"), "{error}");
            assert!(reload.look().is_none(), "told once");
            assert!(reload.catalog().by_name("lobby").is_some(), "{bad}");
        }
        std::fs::remove_file(&path).expect("removed");
        assert!(reload.look().expect("news").is_err());
        assert!(reload.catalog().by_name("lobby").is_some());

        write("sources: [{name: yard, url: 'rtsp://h/b'}]");
        let old = reload.catalog();
        let new = reload.look().expect("news").expect("a list");
        assert_eq!(new.changed_since(&old), ["lobby"]);
        assert!(new.by_name("yard").is_some());
    }

    #[test]
    fn without_a_good_file_there_is_no_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let error = Reload::open(&dir.path().join("none.yaml")).expect_err("no file").to_string();
        assert!(error.contains("none.yaml"), "{error}");
    }
}
