//! The rules that every entry of the allowlist obeys, wherever it was written.
//!
//! What is wrong is told with the field that it is wrong in, for the caller to say where that stands; no text repeats a
//! value other than a name.

use super::{Credentials, Location, Source};
use crate::source_url::{ExactUrl, Pattern};

/// An entry as somebody wrote it.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) url: Option<&'a str>,
    pub(super) pattern: Option<&'a str>,
    pub(super) allow_private: Option<bool>,
    pub(super) credentials: Option<Credentials>,
    pub(super) profiles: Option<&'a [String]>,
    pub(super) max_viewers: Option<u32>,
}

/// Where a mistake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Name,
    Url,
    Pattern,
    Profiles,
    MaxViewers,
}

/// A mistake.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) field: Field,
    /// What is wrong and what to do.
    pub(super) why: String,
}

/// Judges an entry; `known` tells which profiles there are.
pub(super) fn source(wanted: Wanted<'_>, known: impl Fn(&str) -> bool) -> Result<Source, Wrong> {
    let wrong = |field, why: &str| Wrong { field, why: why.to_owned() };
    if !is_name(wanted.name) {
        return Err(wrong(Field::Name, "a name is 1 to 63 of a-z, 0-9, `.`, `_` and `-`"));
    }
    let location = match (wanted.url, wanted.pattern) {
        (Some(url), None) => {
            if wanted.allow_private.is_some() {
                return Err(wrong(Field::Url, "allowPrivate belongs to a pattern; an exact url may be anywhere"));
            }
            Location::Exact(ExactUrl::parse(url).map_err(|error| wrong(Field::Url, &error.to_string()))?)
        }
        (None, Some(pattern)) => Location::Pattern {
            pattern: Pattern::parse(pattern).map_err(|error| wrong(Field::Pattern, &error.to_string()))?,
            allow_private: wanted.allow_private.unwrap_or(false),
        },
        _ => return Err(wrong(Field::Name, "a source has either `url` or `pattern`")),
    };
    if wanted.max_viewers == Some(0) {
        let why = "maxViewers of 0 would make the source unplayable; leave it out for no limit";
        return Err(wrong(Field::MaxViewers, why));
    }
    if let Some(names) = wanted.profiles {
        if names.is_empty() {
            let why = "no profile at all would make the source unplayable; leave `profiles` out for all";
            return Err(wrong(Field::Profiles, why));
        }
        if let Some(unknown) = names.iter().find(|name| !known(name)) {
            return Err(Wrong { field: Field::Profiles, why: unknown_profile(unknown) });
        }
    }
    Ok(Source {
        name: wanted.name.to_owned(),
        location,
        credentials: wanted.credentials,
        profiles: wanted.profiles.map(<[String]>::to_vec),
        max_viewers: wanted.max_viewers,
    })
}

/// What is said of a name that no profile has.
pub(super) fn unknown_profile(name: &str) -> String {
    // A name that is none could be anything, a secret included.
    let shown = if is_name(name) { name } else { "?" };
    format!("there is no profile `{shown}`; add it below `profiles`")
}

/// Names become levels of topics and parts of URLs.
pub(super) fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
}
