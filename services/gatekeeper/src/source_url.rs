//! URLs of sources: as an operator configures them, as a viewer asks for them, and (below) the pattern between the two.
//!
//! An exact URL is compared byte for byte and nothing about it is interpreted, so no trick of spelling can make two
//! URLs equal. A URL that is to match a pattern has to be interpreted; it is accepted only if it is written as the
//! parser itself would write it. What the parser would repair, drop or decode is refused instead.

mod pattern;

use std::fmt;

use url::{Host, Url};

pub(crate) use pattern::Pattern;

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

#[cfg(test)]
mod tests;
