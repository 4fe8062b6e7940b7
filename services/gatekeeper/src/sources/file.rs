//! The YAML file of sources, turned into a [`Catalog`] or an error that names the line.
//!
//! Errors never quote the file: a URL that somebody wrote a login into must not reach a log, so snippets are off and
//! no message repeats a value other than a name.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::credentials::{Credentials, Place};
use super::entry::{self, Field, Wanted, is_name, unknown_profile};
use super::{Catalog, Defaults, LEGACY_PROFILE, Source};
use crate::stream::{SOURCE_PROFILE, Transcode};

/// Why a file of sources cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileError {
    /// Not the YAML that we expect.
    #[error("{0}")]
    Yaml(String),
    /// YAML as expected with a value that cannot be.
    #[error("line {line}: {why}")]
    Value {
        /// Where, from 1.
        line: u64,
        /// What is wrong and what to do.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    sources: Vec<Entry>,
    #[serde(default)]
    profiles: BTreeMap<String, Spanned<Parameters>>,
    #[serde(default)]
    defaults: DefaultNames,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    url: Option<Spanned<String>>,
    pattern: Option<Spanned<String>>,
    #[serde(default)]
    allow_private: Option<bool>,
    credentials: Option<Spanned<Places>>,
    profiles: Option<Spanned<Vec<String>>>,
    max_viewers: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Places {
    username_file: Option<String>,
    username_env: Option<String>,
    password_file: Option<String>,
    password_env: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Parameters {
    width: Option<u32>,
    height: Option<u32>,
    video_bitrate: Option<Spanned<String>>,
    gop: Option<Spanned<String>>,
    h264_profile: Option<String>,
    h264_level: Option<String>,
    max_frame_rate: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DefaultNames {
    profile: Option<Spanned<String>>,
    client_dialect_profile: Option<Spanned<String>>,
}

/// Reads `text`; file names in it are relative to `directory`.
pub(crate) fn parse(text: &str, directory: &Path) -> Result<Catalog, FileError> {
    let options = serde_saphyr::options! { with_snippet: false };
    let file: Option<File> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| FileError::Yaml(error.to_string()))?;
    let file =
        file.ok_or_else(|| FileError::Yaml("the file is empty; write `sources: []` to allow nothing".to_owned()))?;

    let mut profiles = built_in();
    for (name, profile) in file.profiles {
        profiles.insert(name.clone(), transcode(&name, &profile)?);
    }
    let known = |name: &str| name == SOURCE_PROFILE || profiles.contains_key(name);

    let mut lines: HashMap<String, u64> = HashMap::new();
    let mut sources = Vec::with_capacity(file.sources.len());
    for entry in file.sources {
        let source = source(&entry, directory, known)?;
        if let Some(first) = lines.insert(source.name.clone(), line(&entry.name)) {
            let why = format!("the name `{}` is taken already, on line {first}; names are unique", source.name);
            return Err(at(&entry.name, why));
        }
        sources.push(source);
    }

    let mut defaults = Defaults::default();
    for (chosen, default) in [
        (file.defaults.profile, &mut defaults.profile),
        (file.defaults.client_dialect_profile, &mut defaults.client_dialect_profile),
    ] {
        if let Some(name) = chosen {
            if !known(&name.value) {
                return Err(at(&name, unknown_profile(&name.value)));
            }
            *default = name.value;
        }
    }
    Ok(Catalog::new(sources, profiles, defaults))
}

/// The profiles that are there without anybody's doing.
pub(super) fn built_in() -> BTreeMap<String, Transcode> {
    BTreeMap::from([(LEGACY_PROFILE.to_owned(), legacy())])
}

/// What the first page's viewers got: it decodes on anything, and moves on any line.
fn legacy() -> Transcode {
    Transcode {
        width: Some(320),
        height: Some(240),
        video_bits_per_second: Some(192_000),
        gop: Some(Duration::from_secs(1)),
        h264_profile: Some("baseline".to_owned()),
        h264_level: Some("3.0".to_owned()),
        max_frame_rate: None,
    }
}

fn source(entry: &Entry, directory: &Path, known: impl Fn(&str) -> bool) -> Result<Source, FileError> {
    let Entry { name, url, pattern, allow_private, credentials: places, profiles, max_viewers } = entry;
    let wanted = Wanted {
        name: &name.value,
        url: url.as_ref().map(|url| url.value.as_str()),
        pattern: pattern.as_ref().map(|pattern| pattern.value.as_str()),
        allow_private: *allow_private,
        credentials: places.as_ref().map(|places| credentials(places, directory)).transpose()?,
        profiles: profiles.as_ref().map(|names| names.value.as_slice()),
        max_viewers: max_viewers.as_ref().map(|limit| limit.value),
    };
    entry::source(wanted, known).map_err(|wrong| {
        let line = match wrong.field {
            Field::Name => None,
            Field::Url => url.as_ref().map(line),
            Field::Pattern => pattern.as_ref().map(line),
            Field::Profiles => profiles.as_ref().map(line),
            Field::MaxViewers => max_viewers.as_ref().map(line),
        };
        FileError::Value { line: line.unwrap_or_else(|| self::line(name)), why: wrong.why }
    })
}

fn credentials(places: &Spanned<Places>, directory: &Path) -> Result<Credentials, FileError> {
    let one = |file: &Option<String>, env: &Option<String>, what: &str| match (file, env) {
        (Some(file), None) => Ok(Place::File(directory.join(file))),
        (None, Some(name)) => Ok(Place::Env(name.clone())),
        _ => Err(at(places, format!("credentials need either {what}File or {what}Env"))),
    };
    let Places { username_file, username_env, password_file, password_env } = &places.value;
    Ok(Credentials::Places {
        username: one(username_file, username_env, "username")?,
        password: one(password_file, password_env, "password")?,
    })
}

fn transcode(name: &str, profile: &Spanned<Parameters>) -> Result<Transcode, FileError> {
    if name == SOURCE_PROFILE {
        return Err(at(profile, "`source` is the profile that changes nothing; give yours another name"));
    }
    if !is_name(name) {
        return Err(at(profile, "a profile's name is 1 to 63 of a-z, 0-9, `.`, `_` and `-`"));
    }
    let values = &profile.value;
    for (what, size) in [("width", values.width), ("height", values.height)] {
        if size.is_some_and(|size| !(16..=8192).contains(&size) || size % 2 != 0) {
            return Err(at(profile, format!("{what} must be an even number from 16 to 8192")));
        }
    }
    if values.max_frame_rate.is_some_and(|rate| rate == 0 || rate > 240) {
        return Err(at(profile, "maxFrameRate must be from 1 to 240"));
    }
    let h264_profile = values.h264_profile.clone();
    if h264_profile.as_ref().is_some_and(|name| !["baseline", "main", "high"].contains(&name.as_str())) {
        return Err(at(profile, "h264Profile must be baseline, main or high"));
    }
    if values.h264_level.as_ref().is_some_and(|level| !is_level(level)) {
        return Err(at(profile, "h264Level must be like \"3.0\" or \"4.1\", in quotes"));
    }
    let video_bits_per_second = match &values.video_bitrate {
        Some(rate) => {
            Some(bitrate(&rate.value).ok_or_else(|| at(rate, "videoBitrate must be like 192k, 2.5M or 192000"))?)
        }
        None => None,
    };
    let gop = match &values.gop {
        Some(gop) => {
            Some(duration(&gop.value).ok_or_else(|| at(gop, "gop must be like 1s or 500ms, from 100ms to 60s"))?)
        }
        None => None,
    };
    Ok(Transcode {
        width: values.width,
        height: values.height,
        video_bits_per_second,
        gop,
        h264_profile,
        h264_level: values.h264_level.clone(),
        max_frame_rate: values.max_frame_rate,
    })
}

fn is_level(level: &str) -> bool {
    matches!(level.as_bytes(), [b'1'..=b'6'] | [b'1'..=b'6', b'.', b'0'..=b'3'])
}

fn bitrate(text: &str) -> Option<u32> {
    let (number, unit) = match text.strip_suffix(['k', 'M']) {
        Some(number) => (number, if text.ends_with('k') { 1e3 } else { 1e6 }),
        None => (text, 1.0),
    };
    let bits = number.parse::<f64>().ok()? * unit;
    (8_000.0..=200e6).contains(&bits).then_some(bits.round() as u32)
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    (0.1..=60.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

fn line<T>(value: &Spanned<T>) -> u64 {
    value.referenced.line()
}

fn at<T>(value: &Spanned<T>, why: impl Into<String>) -> FileError {
    FileError::Value { line: line(value), why: why.into() }
}

#[cfg(test)]
mod tests;
