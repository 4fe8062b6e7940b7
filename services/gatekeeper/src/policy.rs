//! Who may see what: default deny.
//!
//! A viewer's request goes in; an [`AllowedSource`] or a [`Denial`] comes out. Nothing else can make an
//! [`AllowedSource`], and nothing but an [`AllowedSource`] can start a stream. For an exact entry it holds *our* URL,
//! never the viewer's. For a pattern entry there is a second step between: the host has to be resolved, which is I/O
//! and so the caller's business, and [`Unresolved::with_addresses`] then judges the addresses.
//!
//! Pure: no I/O and no clock. It does not look at tokens or reply topics.

mod address;

use std::net::IpAddr;

use ring::digest;

use crate::refusal::{Code, Refusal};
use crate::source_url::{PlainUrl, UrlError};
use crate::sources::{Catalog, Credentials, Location, Source};
use crate::stream::{Dialect, StreamKey, Transcode};

/// What a viewer asks for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Which source.
    pub(crate) selector: Selector,
    /// In which profile; `None`: the default.
    pub(crate) profile: Option<String>,
}

/// How a viewer names a source. No `Debug`: a URL may hold a login.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    /// By its name.
    Name(String),
    /// By its URL.
    Url(String),
}

/// A source that may be started, in a profile that it may be delivered in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedSource {
    key: StreamKey,
    url: String,
    credentials: Option<Credentials>,
    transcode: Option<Transcode>,
    max_viewers: Option<u32>,
    pattern_url: Option<String>,
}

impl AllowedSource {
    /// Which stream it is.
    pub(crate) fn key(&self) -> &StreamKey {
        &self.key
    }

    /// What ffmpeg opens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where the login is kept.
    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// What the profile changes; `None`: nothing.
    pub(crate) fn transcode(&self) -> Option<&Transcode> {
        self.transcode.as_ref()
    }

    /// Highest number of viewers.
    pub(crate) fn max_viewers(&self) -> Option<u32> {
        self.max_viewers
    }

    /// The URL that was asked for, before its host was resolved, if it matched a pattern; what [`readmit`] takes.
    pub(crate) fn pattern_url(&self) -> Option<&str> {
        self.pattern_url.as_deref()
    }
}

/// What the list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It may be started.
    Allowed(AllowedSource),
    /// It may, if the addresses of its host may.
    Resolve(Unresolved),
}

/// A source under a pattern whose host is still a name.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Unresolved {
    url: PlainUrl,
    allow_private: bool,
    allowed: AllowedSource,
}

impl std::fmt::Debug for Unresolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unresolved({})", self.allowed.key)
    }
}

impl Unresolved {
    /// What has to be resolved.
    pub(crate) fn host(&self) -> (&str, u16) {
        (self.url.host(), self.url.port())
    }

    /// Judges all addresses of the host: one bad one among them denies, because the next resolution may pick it.
    ///
    /// Without TLS the first address takes the name's place, so that what was checked is what is opened. With TLS the
    /// name stays, for the certificate's sake, and is resolved once more by the worker.
    pub(crate) fn with_addresses(self, addresses: &[IpAddr]) -> Result<AllowedSource, Denial> {
        if addresses.is_empty() {
            return Err(Denial::unresolvable());
        }
        if addresses.iter().any(|address| !address::is_allowed(*address, self.allow_private)) {
            return Err(Denial::new(Rule::Address, "the camera's address is in a range that is not allowed here"));
        }
        let mut allowed = self.allowed;
        if !self.url.is_tls() {
            // The lowest, so that a name with many addresses yields the same URL each time.
            allowed.url = match addresses.iter().min() {
                Some(IpAddr::V4(v4)) => self.url.with_host(&v4.to_string()),
                Some(IpAddr::V6(v6)) => self.url.with_host(&format!("[{v6}]")),
                None => return Err(Denial::unresolvable()),
            };
        }
        Ok(allowed)
    }
}

/// The rule that denies; a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    /// No source of that name.
    Name,
    /// No entry covers that URL.
    Url,
    /// The URL is not plainly written, so no pattern may match it.
    Form,
    /// The host resolves to an address that is not allowed.
    Address,
    /// The host does not resolve.
    Resolve,
    /// The profile does not exist, or not for this source.
    Profile,
}

impl Rule {
    /// As metrics spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Url => "url",
            Self::Form => "form",
            Self::Address => "address",
            Self::Resolve => "resolve",
            Self::Profile => "profile",
        }
    }
}

/// What is answered, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denial {
    /// By which rule.
    pub(crate) rule: Rule,
    /// What the viewer reads.
    pub(crate) refusal: Refusal,
}

impl Denial {
    fn new(rule: Rule, text: impl Into<String>) -> Self {
        Self { rule, refusal: Refusal::new(Code::NotAllowed, text) }
    }

    /// The host of a pattern URL has no address.
    pub(crate) fn unresolvable() -> Self {
        let text = "the camera's host name has no address; check its spelling";
        Self { rule: Rule::Resolve, refusal: Refusal::new(Code::SourceUnreachable, text) }
    }
}

/// Decides about `target`.
pub(crate) fn decide(catalog: &Catalog, dialect: Dialect, target: &Target) -> Result<Decision, Denial> {
    let found = find(catalog, &target.selector)?;
    let profile = match &target.profile {
        Some(name) => name,
        None => catalog.default_profile(found.source, dialect),
    };
    let Ok(transcode) = catalog.profile(profile) else {
        let names = catalog.profiles_of(found.source).join(", ");
        let refusal = Refusal::bad_request(format!("there is no such profile; use one of: {names}"));
        return Err(Denial { rule: Rule::Profile, refusal });
    };
    let offered = catalog.profiles_of(found.source);
    if !offered.iter().any(|name| name == profile) {
        let text = format!("this source is not offered in profile {profile}; use one of: {}", offered.join(", "));
        return Err(Denial::new(Rule::Profile, text));
    }
    let allowed = |name: String, url: String, pattern_url: Option<String>| AllowedSource {
        key: StreamKey { source: name, profile: profile.to_owned() },
        url,
        pattern_url,
        credentials: found.source.credentials.clone(),
        transcode: transcode.cloned(),
        max_viewers: found.source.max_viewers,
    };
    match (&found.source.location, found.url) {
        (Location::Exact(url), _) => {
            Ok(Decision::Allowed(allowed(found.source.name.clone(), url.as_str().to_owned(), None)))
        }
        (Location::Pattern { allow_private, .. }, Some(url)) => Ok(Decision::Resolve(Unresolved {
            allow_private: *allow_private,
            allowed: allowed(stream_name(&found.source.name, &url), url.canonical(), Some(url.canonical())),
            url,
        })),
        (Location::Pattern { .. }, None) => {
            Err(Denial::new(Rule::Name, "this name stands for a pattern of URLs; ask for a camera by its `url`"))
        }
    }
}

/// Decides anew about a stream that runs already. `pattern_url` is that of [`AllowedSource::pattern_url`], or empty.
pub(crate) fn readmit(catalog: &Catalog, key: &StreamKey, pattern_url: &str) -> Result<Decision, Denial> {
    let selector = match pattern_url {
        "" => Selector::Name(key.source.clone()),
        url => Selector::Url(url.to_owned()),
    };
    let decision = decide(catalog, Dialect::Video, &Target { selector, profile: Some(key.profile.clone()) })?;
    let (Decision::Allowed(allowed) | Decision::Resolve(Unresolved { allowed, .. })) = &decision;
    if allowed.key != *key {
        return Err(Denial::new(Rule::Name, "this URL belongs to another entry of the allowlist now"));
    }
    Ok(decision)
}

/// Name of the source that `selector` means, as streams and workers know it; the rest of the rules do not matter for
/// stopping.
pub(crate) fn name_of(catalog: &Catalog, selector: &Selector) -> Result<String, Denial> {
    let found = find(catalog, selector)?;
    Ok(match &found.url {
        Some(url) => stream_name(&found.source.name, url),
        None => found.source.name.clone(),
    })
}

/// Whether a stream of this name comes from one of `entries`: by name, or as one of a pattern entry's URLs.
pub(crate) fn comes_from(stream: &str, entries: &[String]) -> bool {
    entries.iter().any(|name| name == entry_of(stream))
}

/// Name of the entry that a stream of this name comes from.
pub(crate) fn entry_of(stream: &str) -> &str {
    stream.split_once('~').map_or(stream, |(entry, _)| entry)
}

struct Found<'a> {
    source: &'a Source,
    /// The viewer's URL, if it matched a pattern.
    url: Option<PlainUrl>,
}

fn find<'a>(catalog: &'a Catalog, selector: &Selector) -> Result<Found<'a>, Denial> {
    let url = match selector {
        Selector::Name(name) => {
            let missing =
                || Denial::new(Rule::Name, "there is no source of this name; the names are on the sources topic");
            return catalog.by_name(name).map(|source| Found { source, url: None }).ok_or_else(missing);
        }
        Selector::Url(url) => url,
    };
    if let Some(source) = catalog.by_url(url) {
        return Ok(Found { source, url: None });
    }
    let text = "this URL is not on the allowlist; it must be exactly as the operator wrote it, or ask by `source` name";
    let plain = PlainUrl::parse(url).map_err(|error| match error {
        UrlError::Userinfo => Denial::new(
            Rule::Form,
            "leave the login out of the URL; the operator keeps it, and only allowlisted URLs are played",
        ),
        _ => Denial::new(Rule::Form, text),
    })?;
    let matching =
        |source: &&Source| matches!(&source.location, Location::Pattern { pattern, .. } if pattern.matches(&plain));
    match catalog.sources().find(matching) {
        Some(source) => Ok(Found { source, url: Some(plain) }),
        None => Err(Denial::new(Rule::Url, text)),
    }
}

/// Entry and digest. 64 bits, so that nobody finds a second URL under the same pattern whose stream others would then
/// get instead of theirs.
fn stream_name(entry: &str, url: &PlainUrl) -> String {
    let digest = digest::digest(&digest::SHA256, url.canonical().as_bytes());
    let (digest, _) = digest.as_ref().split_first_chunk().unwrap_or((&[0; 8], &[]));
    format!("{entry}~{:016x}", u64::from_be_bytes(*digest))
}

#[cfg(test)]
mod tests;
