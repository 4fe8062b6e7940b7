//! Tables of spellings, plain and tricky.

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
