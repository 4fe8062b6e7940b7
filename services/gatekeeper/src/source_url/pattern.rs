//! Patterns of URLs: what they may look like, and what matches them.
//!
//! A pattern is taken apart as URLs are and compared part by part, so a star cannot reach across a boundary that matters.

use url::Host;

use super::{
    PlainUrl, UrlError, authority, default_port, is_url_byte, known_scheme, percent_encoding_is_plain, plain_name,
};

/// An anchored pattern: `*` stands for one or more characters of one host label, path segment or query item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    scheme: &'static str,
    host: String,
    port: u16,
    path: String,
    query: Option<String>,
}

impl Pattern {
    /// Checks what an operator wrote.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Syntax)?;
        let scheme = known_scheme(scheme)?;
        if authority(text).contains('@') {
            return Err(UrlError::Userinfo);
        }
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        if text.contains("**") {
            return Err(UrlError::Stars);
        }
        if !text.bytes().all(is_url_byte) || !percent_encoding_is_plain(text) {
            return Err(UrlError::Form);
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(UrlError::Form);
        }
        let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        let (host, port) = match colon {
            Some(at) => (&authority[..at], authority[at + 1..].parse().map_err(|_| UrlError::Port)?),
            None => (authority, default_port(scheme)),
        };
        let host = if host.starts_with('[') {
            match Host::parse(host) {
                Ok(Host::Ipv6(address)) => format!("[{address}]"),
                _ => return Err(UrlError::Host),
            }
        } else {
            // A star stands for letters, so a letter in its place shows whether the rest is a plain name.
            plain_name(&host.replace('*', "x"))?;
            host.to_ascii_lowercase()
        };
        Ok(Self { scheme, host, port, path: path.to_owned(), query })
    }

    /// Whether all of `url` matches.
    pub(crate) fn matches(&self, url: &PlainUrl) -> bool {
        self.scheme == url.scheme
            && self.port == url.port
            && parts_match(&self.host, &url.host, '.')
            && parts_match(&self.path, &url.path, '/')
            && match (&self.query, &url.query) {
                (Some(pattern), Some(query)) => parts_match(pattern, query, '&'),
                (None, None) => true,
                _ => false,
            }
    }
}

fn parts_match(pattern: &str, text: &str, separator: char) -> bool {
    let (mut patterns, mut texts) = (pattern.split(separator), text.split(separator));
    loop {
        match (patterns.next(), texts.next()) {
            (Some(pattern), Some(text)) if part_matches(pattern, text) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// Leftmost matches suffice: whatever a later choice could reach, the leftmost leaves room for.
fn part_matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        // The star takes at least one character.
        let Some(after_one) = left.get(1..) else { return false };
        if pieces.peek().is_none() {
            return after_one.ends_with(piece);
        }
        let Some(at) = after_one.find(piece) else { return false };
        left = &after_one[at + piece.len()..];
    }
    false
}
