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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn confinement(shapes: &[&str]) -> Confinement {
        let shapes: Vec<Shape> = shapes.iter().map(|text| text.parse().expect(text)).collect();
        Confinement::new(&shapes, "video")
    }

    fn default() -> Confinement {
        confinement(&["video_<digits>", "client/describe/response…", "<prefix>/reply/…"])
    }

    #[test]
    fn only_configured_forms_are_admitted() {
        for good in [
            "video_1",
            "video_1790000000000",
            "client/describe/response_123",
            "client/describe/response/a/b",
            "video/reply/3f2a",
            "video/reply/wall/3f2a-7",
        ] {
            assert_eq!(default().admit(good).map(|topic| topic.0), Ok(good.to_owned()));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        use Refused::{Character, Reserved, Shape, TooLong};
        let long = format!("video/reply/{}", "x".repeat(LONGEST));
        for (bad, why) in [
            ("", Character),
            ("#", Character),
            ("video/reply/#", Character),
            ("video/reply/+/x", Character),
            ("video/reply/+", Character),
            ("$SYS/broker", Character),
            ("video/reply/$share", Character),
            ("$share/gatekeeper/video/reply/x", Character),
            ("video/reply/a\0b", Character),
            ("video/reply/a\nb", Character),
            ("video/reply/a b", Character),
            ("video/reply/", Character),
            ("video/reply//x", Character),
            ("/video/reply/x", Character),
            ("video_", Shape),
            ("video_12a", Shape),
            ("video_1/status", Reserved),
            ("video_١", Shape),
            ("Video_1", Shape),
            ("xvideo_1", Shape),
            ("video/play", Reserved),
            ("video/describe", Reserved),
            ("video/sources", Reserved),
            ("video/qoe", Reserved),
            ("video/reply", Reserved),
            ("video/live/lobby/source/video", Reserved),
            ("video/live/x", Reserved),
            ("video/pump/x", Reserved),
            ("client/play", Reserved),
            ("client/describe", Reserved),
            ("client/describe/response", Shape),
            ("client/describe/request_1", Shape),
            ("video/reply/x/status", Reserved),
            ("somebody/else", Shape),
            (long.as_str(), TooLong),
        ] {
            assert_eq!(default().admit(bad), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn what_another_role_owns_is_refused_even_if_a_form_covers_it() {
        let wide = confinement(&["video/…", "client/…"]);
        for topic in ["video/play", "video/live/lobby/source/video", "video/pump/1", "client/stop", "video/sources"] {
            assert_eq!(wide.admit(topic), Err(Refused::Reserved), "{topic}");
        }
        assert!(wide.admit("video/viewer/1").is_ok());
    }

    #[test]
    fn the_prefix_moves_with_the_configuration() {
        let shapes = ["<prefix>/reply/…".parse().expect("a form")];
        let confinement = Confinement::new(&shapes, "site/video");
        assert!(confinement.admit("site/video/reply/1").is_ok());
        assert_eq!(confinement.admit("video/reply/1"), Err(Refused::Shape));
        assert_eq!(confinement.admit("site/video/live/lobby"), Err(Refused::Reserved));
    }

    #[test]
    fn forms_that_would_cover_the_broker_are_refused() {
        for bad in ["", "…", "<digits>", "video/#", "video/+/x", "$SYS/…", "video_<letters>", "a…b"] {
            assert!(bad.parse::<Shape>().is_err(), "{bad}");
        }
        let text = "client/describe/response…";
        assert_eq!(text.parse::<Shape>().expect(text).to_string(), text);
    }

    proptest! {
        #[test]
        fn an_admitted_topic_is_a_topic_name_below_an_allowed_form(topic in "\\PC{0,40}") {
            if let Ok(ReplyTopic(topic)) = default().admit(&topic) {
                prop_assert!(!topic.contains(['+', '#', '$', '\0']));
                prop_assert!(topic.starts_with("video_") || topic.starts_with("client/describe/response")
                    || topic.starts_with("video/reply/"));
            }
        }

        #[test]
        fn nothing_reserved_is_ever_admitted(role in "(live|pump|sources|qoe)", rest in "[a-z/]{1,20}") {
            let wide = confinement(&["video/…"]);
            let topic = format!("video/{role}/{rest}");
            prop_assert!(wide.admit(&topic).is_err());
        }
    }
}
