//! Viewer tokens: an optional list of secrets, of which a request must hold one.
//!
//! Tokens are kept and compared as digests, each of them in constant time and always all of them, so that neither
//! memory nor timing tells how close a guess was.

use ring::digest::{Digest, SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

/// The tokens that are valid.
#[derive(Clone, Default)]
pub(crate) struct Tokens(Vec<Digest>);

impl Tokens {
    /// One token a line; empty lines and lines that begin with `#` do not count.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(|line| digest(&SHA256, line.as_bytes())).collect())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `token` is one of them.
    pub(crate) fn admit(&self, token: Option<&SecretString>) -> bool {
        let Some(token) = token else { return false };
        let presented = digest(&SHA256, token.expose_secret().as_bytes());
        let any = self.0.iter().fold(Choice::from(0), |any, valid| any | valid.as_ref().ct_eq(presented.as_ref()));
        any.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_must_be_a_whole_line() {
        let tokens = Tokens::parse("# of the wall in the hall\nalpha\n  beta  \r\n\n#gamma\n");
        assert_eq!(tokens.len(), 2);
        for (token, expected) in
            [("alpha", true), ("beta", true), ("alph", false), ("alpha ", false), ("", false), ("#gamma", false)]
        {
            assert_eq!(tokens.admit(Some(&token.into())), expected, "{token:?}");
        }
        assert!(!tokens.admit(None));
    }

    #[test]
    fn an_empty_list_admits_nobody() {
        assert!(!Tokens::parse("").admit(Some(&"".into())));
    }
}
