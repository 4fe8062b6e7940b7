//! The allowlist: which sources there are, in which profiles, and how to log in at them.
//!
//! A [`Catalog`] is immutable; a reload makes a new one and [`Catalog::changed_since`] tells what the old one allowed
//! and the new one does not. Where its entries come from is a matter of the modules below: a file, and
//! custom resources of Kubernetes beside it. It decides nothing: `policy` does.

mod credentials;
mod entry;
mod file;
mod objects;
mod reload;
mod resource;
mod status;

use std::collections::{BTreeMap, HashMap};

pub(crate) use credentials::{Credentials, Login};
pub(crate) use file::{FileError, parse};
pub(crate) use objects::{CONDITION as VIDEO_SOURCES, Judged, Objects, Verdict, follow, merge};
pub(crate) use reload::Reload;
pub(crate) use status::Writer as StatusWriter;

use crate::source_url::{ExactUrl, Pattern};
use crate::stream::{Dialect, SOURCE_PROFILE, Transcode};

/// The profile that the `client/*` dialect plays by default.
pub(crate) const LEGACY_PROFILE: &str = "legacy";

/// One entry of the allowlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// What viewers call it.
    pub(crate) name: String,
    /// Which URLs it covers.
    pub(crate) location: Location,
    /// How to log in.
    pub(crate) credentials: Option<Credentials>,
    /// In which profiles; `None`: in all.
    pub(crate) profiles: Option<Vec<String>>,
    /// Highest number of viewers.
    pub(crate) max_viewers: Option<u32>,
}

/// Which URLs an entry covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// This one, byte for byte.
    Exact(ExactUrl),
    /// Each that matches.
    Pattern {
        /// What must match.
        pattern: Pattern,
        /// The host may resolve to an address that is not public.
        allow_private: bool,
    },
}

/// Which profile a viewer gets that names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// In `<prefix>/*`.
    pub(crate) profile: String,
    /// In `client/*`.
    pub(crate) client_dialect_profile: String,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { profile: SOURCE_PROFILE.to_owned(), client_dialect_profile: LEGACY_PROFILE.to_owned() }
    }
}

/// There is no profile of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such profile")]
pub(crate) struct UnknownProfile;

/// All entries and profiles at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    sources: Vec<Source>,
    by_name: HashMap<String, usize>,
    by_url: HashMap<String, usize>,
    profiles: BTreeMap<String, Transcode>,
    defaults: Defaults,
}

impl Catalog {
    /// Names are unique, profiles and defaults exist: whoever makes one has checked that.
    pub(crate) fn new(sources: Vec<Source>, profiles: BTreeMap<String, Transcode>, defaults: Defaults) -> Self {
        let by_name = sources.iter().enumerate().map(|(at, source)| (source.name.clone(), at)).collect();
        let mut by_url = HashMap::new();
        for (at, source) in sources.iter().enumerate() {
            if let Location::Exact(url) = &source.location {
                // Of two names for one camera, its URL means the first.
                by_url.entry(url.as_str().to_owned()).or_insert(at);
            }
        }
        Self { sources, by_name, by_url, profiles, defaults }
    }

    /// No entry, and the profiles that are always there.
    pub(crate) fn empty() -> Self {
        Self::new(Vec::new(), file::built_in(), Defaults::default())
    }

    /// The same with more entries, of other names, after its own.
    pub(crate) fn with(&self, more: Vec<Source>) -> Self {
        let sources = self.sources.iter().cloned().chain(more).collect();
        Self::new(sources, self.profiles.clone(), self.defaults.clone())
    }

    /// The entry of this name.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Source> {
        self.by_name.get(name).map(|at| &self.sources[*at])
    }

    /// The entry whose URL is exactly this.
    pub(crate) fn by_url(&self, url: &str) -> Option<&Source> {
        self.by_url.get(url).map(|at| &self.sources[*at])
    }

    /// All entries, in order.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter()
    }

    /// What a profile changes; `source` is always there and changes nothing.
    pub(crate) fn profile(&self, name: &str) -> Result<Option<&Transcode>, UnknownProfile> {
        match self.profiles.get(name) {
            Some(transcode) => Ok(Some(transcode)),
            None if name == SOURCE_PROFILE => Ok(None),
            None => Err(UnknownProfile),
        }
    }

    /// Names of all profiles, `source` first.
    pub(crate) fn profile_names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(SOURCE_PROFILE).chain(self.profiles.keys().map(String::as_str))
    }

    /// Names of the profiles of `source`.
    pub(crate) fn profiles_of(&self, source: &Source) -> Vec<String> {
        source.profiles.clone().unwrap_or_else(|| self.profile_names().map(str::to_owned).collect())
    }

    /// The profile of a viewer that names none: the default, or else the first that the source has.
    pub(crate) fn default_profile<'a>(&'a self, source: &'a Source, dialect: Dialect) -> &'a str {
        let default = match dialect {
            Dialect::Video => &self.defaults.profile,
            Dialect::Client => &self.defaults.client_dialect_profile,
        };
        match &source.profiles {
            Some(profiles) if !profiles.contains(default) => profiles.first().map_or(default, |first| first),
            _ => default,
        }
    }

    /// Names of entries that `old` has and this one has not, or not at the same location: whatever runs under such a
    /// name runs without permission.
    pub(crate) fn changed_since(&self, old: &Self) -> Vec<String> {
        old.sources
            .iter()
            .filter(|source| self.by_name(&source.name).is_none_or(|now| now.location != source.location))
            .map(|source| source.name.clone())
            .collect()
    }
}
