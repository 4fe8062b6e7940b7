//! Confinement of reply topics: what a viewer names as its own topic is input, and we publish to it.
//!
//! Only [`Confinement::admit`] makes a [`ReplyTopic`], and only a [`ReplyTopic`] is ever published to on a viewer's
//! behalf. The configured shapes say what is allowed; beyond them, whatever another role owns is refused even if an
//! operator's shape would cover it.

use std::fmt;
use std::str::FromStr;

/// Longest topic that is accepted, in bytes; the page that needs more has not been written.
const LONGEST: usize = 200;

/// A topic that a viewer may be answered on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ReplyTopic(String);

impl ReplyTopic {
    /// The topic.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a topic is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// Longer than [`LONGEST`].
    #[error("it is longer than 200 bytes")]
    TooLong,
    /// Has a wildcard, `$`, a control character, white space or an empty level.
    #[error("it has a wildcard, `$`, white space, a control character or an empty level")]
    Character,
    /// Belongs to another role.
    #[error("it belongs to another part of the system")]
    Reserved,
    /// Matches no configured shape.
    #[error("it matches none of the allowed forms")]
    Shape,
}

/// Which topics viewers may name.
#[derive(Debug, Clone)]
pub(crate) struct Confinement {
    shapes: Vec<Shape>,
    prefix: String,
}

impl Confinement {
    /// Allows `shapes`, in which `<prefix>` stands for `prefix`.
    pub(crate) fn new(shapes: &[Shape], prefix: &str) -> Self {
        let shapes = shapes.iter().map(|shape| shape.with_prefix(prefix)).collect();
        Self { shapes, prefix: prefix.to_owned() }
    }

    /// Makes a reply topic of what a viewer sent.
    pub(crate) fn admit(&self, topic: &str) -> Result<ReplyTopic, Refused> {
        if topic.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        let forbidden = |c: char| matches!(c, '+' | '#' | '$') || c.is_control() || c.is_whitespace();
        if topic.contains(forbidden) || topic.split('/').any(str::is_empty) {
            return Err(Refused::Character);
        }
        if self.is_reserved(topic) {
            return Err(Refused::Reserved);
        }
        if !self.shapes.iter().any(|shape| shape.matches(topic)) {
            return Err(Refused::Shape);
        }
        Ok(ReplyTopic(topic.to_owned()))
    }

    /// Requests, announcements and reports are one level below the prefix or `client`; media is below `live`; a
    /// viewer's status is its worker's.
    fn is_reserved(&self, topic: &str) -> bool {
        let one_level_below = |parent: &str| {
            topic.strip_prefix(parent).and_then(|rest| rest.strip_prefix('/')).is_some_and(|rest| !rest.contains('/'))
        };
        let owned = ["live", "pump", "sources", "qoe"];
        let within = |role: &str| {
            topic
                .strip_prefix(&self.prefix)
                .and_then(|rest| rest.strip_prefix('/'))
                .and_then(|rest| rest.strip_prefix(role))
                .is_some_and(|rest| rest.starts_with('/'))
        };
        one_level_below(&self.prefix)
            || one_level_below("client")
            || owned.into_iter().any(within)
            || topic.ends_with("/status")
    }
}

/// One allowed form of reply topics: literal text with `<digits>` for one or more digits and, at the end, `…` or `...`
/// for one or more characters of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Prefix,
    Digits,
    Rest,
}

impl Shape {
    fn with_prefix(&self, prefix: &str) -> Self {
        let parts = self.parts.iter().map(|part| match part {
            Part::Prefix => Part::Text(prefix.to_owned()),
            other => other.clone(),
        });
        Self { parts: parts.collect() }
    }

    fn matches(&self, topic: &str) -> bool {
        let mut rest = topic;
        for part in &self.parts {
            let taken = match part {
                Part::Text(text) if rest.starts_with(text.as_str()) => text.len(),
                Part::Digits => rest.bytes().take_while(u8::is_ascii_digit).count(),
                Part::Rest => rest.len(),
                Part::Text(_) | Part::Prefix => 0,
            };
            if taken == 0 {
                return false;
            }
            rest = &rest[taken..];
        }
        rest.is_empty()
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (body, open) = match text.strip_suffix('…').or_else(|| text.strip_suffix("...")) {
            Some(body) => (body, true),
            None => (text, false),
        };
        let mut parts = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("<prefix>") {
                parts.push(Part::Prefix);
                rest = after;
            } else if let Some(after) = rest.strip_prefix("<digits>") {
                parts.push(Part::Digits);
                rest = after;
            } else {
                let end = rest.char_indices().skip(1).find(|(_, c)| *c == '<').map_or(rest.len(), |(at, _)| at);
                parts.push(Part::Text(rest[..end].to_owned()));
                rest = &rest[end..];
            }
        }
        if open {
            parts.push(Part::Rest);
        }
        let literal = |part: &Part| matches!(part, Part::Text(text) if text.contains(['+', '#', '$', '<', '>', '…']));
        if parts.iter().any(literal) {
            return Err("write text with <digits>, <prefix> and, at the end, … only".to_owned());
        }
        if !matches!(parts.first(), Some(Part::Text(_) | Part::Prefix)) {
            return Err("must begin with text, or every topic of the broker would be a reply topic".to_owned());
        }
        Ok(Self { parts })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Prefix => f.write_str("<prefix>"),
            Part::Digits => f.write_str("<digits>"),
            Part::Rest => f.write_str("…"),
        })
    }
}

#[cfg(test)]
mod tests;
