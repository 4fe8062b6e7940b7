//! URLs of sources: as an operator configures them, as a viewer asks for them, and the pattern between the two.
//!
//! An exact URL is compared byte for byte and nothing about it is interpreted, so no trick of spelling can make two
//! URLs equal. A URL that is to match a pattern has to be interpreted; it is accepted only if it is written as the
//! parser itself would write it. What the parser would repair, drop or decode is refused instead.

use std::fmt;

use url::{Host, Url};

/// Longest URL that is looked at, in bytes.
const LONGEST: usize = 2048;

/// What is wrong with a URL. The text never repeats it: it may hold a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    /// Longer than [`LONGEST`].
    #[error("the URL is longer than 2048 bytes")]
    TooLong,
    /// No URL.
    #[error("this is not a URL; expected rtsp://host/path")]
    Syntax,
    /// Not RTSP.
    #[error("only rtsp:// and rtsps:// URLs are allowed")]
    Scheme,
    /// A login in the URL.
    #[error(
        "a login does not belong in the URL; use `credentials` with usernameFile and passwordFile, or usernameEnv and passwordEnv"
    )]
    Userinfo,
    /// A fragment.
    #[error("a URL of a source has no fragment (`#`)")]
    Fragment,
    /// No host, or one that is not written plainly.
    #[error("the host must be a plain name or address")]
    Host,
    /// Not a port.
    #[error("the port must be a number")]
    Port,
    /// Dot segments, encoded separators and whatever else a parser would repair.
    #[error("the URL must be written plainly: no dot segments, no encoded slashes, dots or control characters")]
    Form,
    /// More than one `*` in a row.
    #[error("`*` stands for a part of one label or path segment; `**` means nothing")]
    Stars,
}

/// A configured URL, kept byte for byte.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ExactUrl(String);

impl ExactUrl {
    /// Checks what an operator wrote.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > LONGEST {
            return Err(UrlError::TooLong);
        }
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(UrlError::Form);
        }
        let url = Url::parse(text).map_err(|_| UrlError::Syntax)?;
        if !matches!(url.scheme(), "rtsp" | "rtsps") {
            return Err(UrlError::Scheme);
        }
        if authority(text).contains('@') {
            return Err(UrlError::Userinfo);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(UrlError::Host);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ExactUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExactUrl(…)")
    }
}

/// A viewer's URL in parts, plainly written; the host in lower case, the port filled in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PlainUrl {
    scheme: &'static str,
    host: String,
    port: u16,
    path: String,
    query: Option<String>,
}

impl PlainUrl {
    /// Takes a viewer's URL apart, or refuses it.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > LONGEST {
            return Err(UrlError::TooLong);
        }
        if !text.bytes().all(is_url_byte) {
            return Err(UrlError::Form);
        }
        let url = Url::parse(text).map_err(|_| UrlError::Syntax)?;
        let scheme = known_scheme(url.scheme())?;
        if authority(text).contains('@') {
            return Err(UrlError::Userinfo);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        if url.as_str() != text || !percent_encoding_is_plain(text) {
            return Err(UrlError::Form);
        }
        let host = match url.host().ok_or(UrlError::Host)? {
            Host::Domain(name) => plain_name(name)?,
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => format!("[{address}]"),
        };
        Ok(Self {
            scheme,
            host,
            port: url.port().unwrap_or(default_port(scheme)),
            path: url.path().to_owned(),
            query: url.query().map(str::to_owned),
        })
    }

    /// Host as a resolver takes it: no brackets.
    pub(crate) fn host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }

    /// Port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection is encrypted, so that the certificate is checked against the host's name.
    pub(crate) fn is_tls(&self) -> bool {
        self.scheme == "rtsps"
    }

    /// The one spelling of this URL.
    pub(crate) fn canonical(&self) -> String {
        self.with_host(&self.host)
    }

    /// The same with another host; an IPv6 address comes in brackets.
    pub(crate) fn with_host(&self, host: &str) -> String {
        let port = if self.port == default_port(self.scheme) { String::new() } else { format!(":{}", self.port) };
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}://{host}{port}{}{query}", self.scheme, self.path)
    }
}

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

fn known_scheme(scheme: &str) -> Result<&'static str, UrlError> {
    match scheme {
        "rtsp" => Ok("rtsp"),
        "rtsps" => Ok("rtsps"),
        _ => Err(UrlError::Scheme),
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "rtsps" { 322 } else { 554 }
}

fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    // A parser may take a backslash for a slash; for finding userinfo neither may hide it.
    rest.split(['/', '?', '#', '\\']).next().unwrap_or_default()
}

/// Unreserved, reserved and `%`: what RFC 3986 lets a URL be made of.
fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// Every `%` begins two hex digits that stand for neither a separator, a dot, `%` nor a control character.
fn percent_encoding_is_plain(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        byte.is_some_and(|byte| !byte.is_ascii_control() && !b"/\\.%".contains(&byte)) && !after.starts_with('+')
    })
}

/// A host name or dotted address: labels of letters, digits and inner hyphens.
fn plain_name(name: &str) -> Result<String, UrlError> {
    let plain = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if name.len() <= 253 && name.split('.').all(plain) { Ok(name.to_ascii_lowercase()) } else { Err(UrlError::Host) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(pattern: &str, url: &str, expected: bool) {
        let parsed = Pattern::parse(pattern).expect(pattern);
        assert_eq!(PlainUrl::parse(url).is_ok_and(|url| parsed.matches(&url)), expected, "{pattern} {url}");
    }

    #[test]
    fn a_star_stays_within_one_label_or_segment() {
        let pattern = "rtsp://cam-*.plant.example/*";
        for (url, expected) in [
            ("rtsp://cam-7.plant.example/main", true),
            ("rtsp://cam-7.plant.example:554/main", true),
            ("rtsp://CAM-7.plant.example/main", true),
            ("rtsp://cam-7.plant.example/a%20b", true),
            ("rtsp://cam-.plant.example/main", false),
            ("rtsp://cam-7.evil.plant.example/main", false),
            ("rtsp://cam-7.plant.example.evil/main", false),
            ("rtsp://cam-7.plant.example/main/sub", false),
            ("rtsp://cam-7.plant.example/", false),
            ("rtsp://cam-7.plant.example", false),
            ("rtsp://cam-7.plant.example:555/main", false),
            ("rtsps://cam-7.plant.example/main", false),
            ("rtsp://cam-7.plant.example/main?x=1", false),
            ("rtsp://xcam-7.plant.example/main", false),
        ] {
            check(pattern, url, expected);
        }
    }

    #[test]
    fn tricks_with_the_spelling_match_no_pattern() {
        for url in [
            "rtsp://user:pass@cam-7.plant.example/main",
            "rtsp://@cam-7.plant.example/main",
            "rtsp://cam-7.plant.example@evil.example/main",
            "rtsp://evil.example\\@cam-7.plant.example/main",
            "rtsp://cam-7.plant.example/../main",
            "rtsp://cam-7.plant.example/./main",
            "rtsp://cam-7.plant.example/..",
            "rtsp://cam-7.plant.example/%2e%2e",
            "rtsp://cam-7.plant.example/.%2E",
            "rtsp://cam-7.plant.example/a%2fb",
            "rtsp://cam-7.plant.example/a%2Fb",
            "rtsp://cam-7.plant.example/a%5cb",
            "rtsp://cam-7.plant.example/a%00b",
            "rtsp://cam-7.plant.example/a%0ab",
            "rtsp://cam-7.plant.example/a%252fb",
            "rtsp://cam-7.plant.example/a%zz",
            "rtsp://cam-7.plant.example/a%+1",
            "rtsp://cam-7.plant.example/a%",
            "rtsp://cam-7.plant.example/a\\b",
            "rtsp://cam-7.plant.example/a b",
            "rtsp://cam-7.plant.example/a\tb",
            "rtsp://cam-7.plant.example/a\0b",
            " rtsp://cam-7.plant.example/main",
            "rtsp://cam-7.plant.example/main\n",
            "rtsp://cam-7.plant.example/main#frag",
            "rtsp://cam-7.plant.example/main#",
            "RTSP://cam-7.plant.example/main",
            "rtsp:cam-7.plant.example/main",
            "rtsp:/cam-7.plant.example/main",
            "rtsp:///cam-7.plant.example/main",
            "rtsp://cam-7.plant.example./main",
            "rtsp://cam-7%2eplant.example/main",
            "rtsp://cam-%37.plant.example/main",
            "rtsp://cam-7.plant.example:0554/main",
            "rtsp://cam-7.plant.example:/main",
            "rtsp://cam-7。plant.example/main",
            "rtsp://cаm-7.plant.example/main", // a Cyrillic а
            "http://cam-7.plant.example/main",
            "file:///etc/passwd",
            "concat:rtsp://cam-7.plant.example/main",
        ] {
            check("rtsp://cam-*.plant.example/*", url, false);
        }
    }

    #[test]
    fn queries_match_item_by_item() {
        let pattern = "rtsp://10.1.2.*/cam/realmonitor?channel=*&subtype=0";
        check(pattern, "rtsp://10.1.2.3/cam/realmonitor?channel=4&subtype=0", true);
        check(pattern, "rtsp://10.1.2.3/cam/realmonitor?channel=4&subtype=1", false);
        check(pattern, "rtsp://10.1.2.3/cam/realmonitor?channel=4&x=1&subtype=0", false);
        check(pattern, "rtsp://10.1.2.3/cam/realmonitor", false);
        check("rtsp://[2001:db8::1]:8554/*", "rtsp://[2001:db8::1]:8554/main", true);
        check("rtsp://[2001:db8::1]:8554/*", "rtsp://[2001:db8::2]:8554/main", false);
    }

    #[test]
    fn patterns_that_cannot_be_meant_are_refused() {
        for (pattern, why) in [
            ("cam-*.plant.example", UrlError::Syntax),
            ("http://cam/*", UrlError::Scheme),
            ("rtsp://user:pw@cam/*", UrlError::Userinfo),
            ("rtsp://*@cam/*", UrlError::Userinfo),
            ("rtsp://cam/**", UrlError::Stars),
            ("rtsp://cam/*#x", UrlError::Fragment),
            ("rtsp://cam:*/x", UrlError::Port),
            ("rtsp:///x", UrlError::Host),
            ("rtsp://[::*]/x", UrlError::Host),
            ("rtsp://cam/../x", UrlError::Form),
            ("rtsp://cam/%2e/x", UrlError::Form),
            ("rtsp://cam /x", UrlError::Form),
        ] {
            assert_eq!(Pattern::parse(pattern), Err(why), "{pattern}");
        }
    }

    #[test]
    fn a_configured_url_is_kept_and_a_login_in_it_refused() {
        let text = "rtsp://Cam.Example:554/A/../b?x=%2F";
        assert_eq!(ExactUrl::parse(text).expect(text).as_str(), text);
        for (text, why) in [
            ("rtsp://admin:secret@cam/x", UrlError::Userinfo),
            ("rtsp://admin@cam/x", UrlError::Userinfo),
            ("rtsp://@cam/x", UrlError::Userinfo),
            ("http://cam/x", UrlError::Scheme),
            ("/dev/video0", UrlError::Syntax),
            ("rtsp://cam/x\n", UrlError::Form),
            ("rtsp:///x", UrlError::Host),
            ("rtsp://cam/x#y", UrlError::Fragment),
        ] {
            let error = ExactUrl::parse(text).expect_err(text);
            assert_eq!(error, why, "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn one_url_has_one_canonical_spelling() {
        let canonical = |text: &str| PlainUrl::parse(text).expect(text).canonical();
        assert_eq!(canonical("rtsp://CAM.example:554/a?b=1"), "rtsp://cam.example/a?b=1");
        assert_eq!(canonical("rtsps://cam.example:554/a"), "rtsps://cam.example:554/a");
        assert_eq!(canonical("rtsp://[2001:db8::1]/a"), "rtsp://[2001:db8::1]/a");
    }

    proptest! {
        #[test]
        fn what_is_parsed_reads_back_as_itself(text in "rtsps?://[a-zA-Z0-9.:@\\[\\]-]{1,20}/[ -~]{0,20}") {
            if let Ok(url) = PlainUrl::parse(&text) {
                let canonical = url.canonical();
                prop_assert!(PlainUrl::parse(&canonical).expect("canonical") == url);
                prop_assert!(!canonical.contains('@') || canonical.find('@') > canonical[8..].find('/').map(|at| at + 8));
            }
        }

        #[test]
        fn nothing_panics_on_any_text(text in "\\PC{0,60}") {
            let _ = PlainUrl::parse(&text);
            let _ = Pattern::parse(&text);
            let _ = ExactUrl::parse(&text);
        }

        #[test]
        fn filling_the_stars_within_their_parts_always_matches(a in "[a-z0-9]{1,8}", b in "[a-zA-Z0-9_.~-]{1,8}[a-z]") {
            let pattern = Pattern::parse("rtsp://c*.x.example/p*/q").expect("a pattern");
            let url = PlainUrl::parse(&format!("rtsp://c{a}.x.example/p{b}/q")).expect("a URL");
            prop_assert!(pattern.matches(&url));
        }
    }
}
