//! Tables of topics that are admitted, and of those that are not.

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
