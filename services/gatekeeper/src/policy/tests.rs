//! Tables of what is allowed, and of the tricks that are not.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::sources::parse;

const LIST: &str = "
sources:
  - {name: lobby, url: 'rtsp://10.1.2.3:8554/Lobby/Main?x=1', maxViewers: 7}
  - {name: yard, url: 'rtsp://10.1.2.4/yard', profiles: [source]}
  - {name: plant, pattern: 'rtsp://cam-*.plant.example/*', profiles: [source, legacy]}
  - {name: inside, pattern: 'rtsp://cam-*.inside.example:8554/*', allowPrivate: true}
  - {name: secure, pattern: 'rtsps://cam-*.secure.example/*'}
";

fn catalog() -> Catalog {
    parse(LIST, Path::new(".")).expect("an allowlist")
}

fn by_url(url: &str) -> Target {
    Target { selector: Selector::Url(url.to_owned()), profile: None }
}

fn by_name(name: &str, profile: Option<&str>) -> Target {
    Target { selector: Selector::Name(name.to_owned()), profile: profile.map(str::to_owned) }
}

fn denied(target: &Target) -> Denial {
    decide(&catalog(), Dialect::Video, target).expect_err("denied")
}

fn resolved(url: &str, addresses: &[&str]) -> Result<AllowedSource, Denial> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().expect(text)).collect();
    match decide(&catalog(), Dialect::Video, &by_url(url))? {
        Decision::Resolve(unresolved) => unresolved.with_addresses(&addresses),
        Decision::Allowed(allowed) => Ok(allowed),
    }
}

#[test]
fn an_exact_source_is_played_by_name_and_by_url_with_our_string() {
    for target in [by_name("lobby", None), by_url("rtsp://10.1.2.3:8554/Lobby/Main?x=1")] {
        let Ok(Decision::Allowed(allowed)) = decide(&catalog(), Dialect::Video, &target) else { panic!("allowed") };
        assert_eq!(allowed.key().to_string(), "lobby/source");
        assert_eq!(allowed.url(), "rtsp://10.1.2.3:8554/Lobby/Main?x=1");
        assert_eq!(allowed.max_viewers(), Some(7));
        assert_eq!(allowed.transcode(), None);
    }
}

#[test]
fn no_trick_of_spelling_makes_a_url_equal() {
    for url in [
        "rtsp://user:pass@10.1.2.3:8554/Lobby/Main?x=1",
        "rtsp://user@10.1.2.3:8554/Lobby/Main?x=1",
        "rtsp://@10.1.2.3:8554/Lobby/Main?x=1",
        "rtsp://10.1.2.3:8554@evil.example/Lobby/Main?x=1",
        "rtsp://10.1.2.3:8554/lobby/Main?x=1",
        "RTSP://10.1.2.3:8554/Lobby/Main?x=1",
        "rtsp://10.1.2.3:8554/Lobby/./Main?x=1",
        "rtsp://10.1.2.3:8554/Lobby/x/../Main?x=1",
        "rtsp://10.1.2.3:8554//Lobby/Main?x=1",
        "rtsp://10.1.2.3:8554/Lobby/Main/?x=1",
        "rtsp://10.1.2.3:8554/Lobby%2FMain?x=1",
        "rtsp://10.1.2.3:8554/%4cobby/Main?x=1",
        "rtsp://10.1.2.3:8554/Lobby/Main?x=1#",
        "rtsp://10.1.2.3:8554/Lobby/Main?x=%31",
        "rtsp://10.1.2.3:8554/Lobby/Main?x=1&y=2",
        "rtsp://10.1.2.3:8554/Lobby/Main",
        "rtsp://10.1.2.3/Lobby/Main?x=1",
        "rtsp://10.1.2.3:554/Lobby/Main?x=1",
        "rtsp://10.1.2.3:08554/Lobby/Main?x=1",
        "rtsp://10.1.2.03:8554/Lobby/Main?x=1",
        "rtsp://0xa.1.2.3:8554/Lobby/Main?x=1",
        "rtsp://167838211:8554/Lobby/Main?x=1",
        "rtsp://[::ffff:10.1.2.3]:8554/Lobby/Main?x=1",
        "rtsps://10.1.2.3:8554/Lobby/Main?x=1",
        "rtsp:\\\\10.1.2.3:8554\\Lobby\\Main?x=1",
        " rtsp://10.1.2.3:8554/Lobby/Main?x=1",
        "rtsp://10.1.2.3:8554/Lobby/Main?x=1 ",
        "rtsp://10.1.2.3:8554/Lobby/Main?x=1\0",
        "rtsp://10.1.2.3:8554/Lobby/Main?x=1\r\nX: y",
        "rtsp://10.1.2.4:554/yard",
        "rtsp://10.1.2.4/yard/",
        "",
        "lobby",
        "file:///etc/passwd",
        "/etc/passwd",
        "-i",
        "concat:a|b",
    ] {
        let denial = denied(&by_url(url));
        assert_eq!(denial.refusal.code, Code::NotAllowed, "{url:?}");
        assert!(!denial.refusal.text.contains("pass@"), "{}", denial.refusal.text);
    }
}

#[test]
fn names_and_profiles_are_denied_by_their_own_rules() {
    for (target, rule, code) in [
        (by_name("nobody", None), Rule::Name, Code::NotAllowed),
        (by_name("Lobby", None), Rule::Name, Code::NotAllowed),
        (by_name("lobby/source", None), Rule::Name, Code::NotAllowed),
        (by_name("plant", None), Rule::Name, Code::NotAllowed),
        (by_name("plant~0123456789abcdef", None), Rule::Name, Code::NotAllowed),
        (by_name("lobby", Some("huge")), Rule::Profile, Code::BadRequest),
        (by_name("yard", Some("legacy")), Rule::Profile, Code::NotAllowed),
    ] {
        let denial = denied(&target);
        assert_eq!((denial.rule, denial.refusal.code), (rule, code), "{}", denial.refusal.text);
    }
}

#[test]
fn the_client_dialect_gets_the_legacy_profile_where_there_is_one() {
    for (name, profile) in [("lobby", "legacy"), ("yard", "source")] {
        let Ok(Decision::Allowed(allowed)) = decide(&catalog(), Dialect::Client, &by_name(name, None)) else {
            panic!("allowed")
        };
        assert_eq!(allowed.key().profile, profile);
        assert_eq!(allowed.transcode().is_some(), profile == "legacy");
    }
}

#[test]
fn a_pattern_checks_every_address_and_opens_the_one_it_checked() {
    let url = "rtsp://cam-1.plant.example/main";
    let allowed = resolved(url, &["93.184.216.34", "93.184.216.35"]).expect("public");
    assert_eq!(allowed.url(), "rtsp://93.184.216.34/main");
    assert_eq!(
        resolved("rtsp://CAM-1.plant.example:554/main", &["93.184.216.34"]).expect("the same").key(),
        allowed.key()
    );
    for bad in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "100.64.0.1", "0.0.0.0"] {
        let denial = resolved(url, &["93.184.216.34", bad]).expect_err(bad);
        assert_eq!((denial.rule, denial.refusal.code), (Rule::Address, Code::NotAllowed), "{bad}");
    }
    let denial = resolved(url, &[]).expect_err("no address");
    assert_eq!((denial.rule, denial.refusal.code), (Rule::Resolve, Code::SourceUnreachable));
}

#[test]
fn allow_private_opens_the_inside_but_not_the_metadata_service() {
    let url = "rtsp://cam-1.inside.example:8554/main";
    assert_eq!(resolved(url, &["127.0.0.1"]).expect("allowed").url(), "rtsp://127.0.0.1:8554/main");
    assert_eq!(resolved(url, &["fd00::7"]).expect("allowed").url(), "rtsp://[fd00::7]:8554/main");
    assert_eq!(resolved(url, &["169.254.169.254"]).expect_err("metadata").rule, Rule::Address);
}

#[test]
fn tls_keeps_the_name_that_the_certificate_is_for() {
    let url = "rtsps://cam-1.secure.example/main";
    assert_eq!(resolved(url, &["93.184.216.34"]).expect("allowed").url(), url);
    assert_eq!(resolved(url, &["10.0.0.1"]).expect_err("inside").rule, Rule::Address);
}

#[test]
fn two_urls_of_a_pattern_are_two_streams_of_one_entry() {
    let name = |url: &str| name_of(&catalog(), &Selector::Url(url.to_owned())).expect(url);
    let (one, two) = (name("rtsp://cam-1.plant.example/main"), name("rtsp://cam-2.plant.example/main"));
    assert_ne!(one, two);
    for stream in [&one, &two] {
        let digest = stream.strip_prefix("plant~").expect("the entry's name");
        assert!(digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{stream}");
        assert!(comes_from(stream, &["plant".to_owned()]));
        assert!(!comes_from(stream, &["pla".to_owned(), "lobby".to_owned()]));
    }
    assert_eq!(name("rtsp://10.1.2.4/yard"), "yard");
}

proptest! {
    #[test]
    fn no_edit_of_an_exact_url_is_allowed(at in 0usize..35, edit in "[ -~]{0,3}", remove in 0usize..3) {
        let url = "rtsp://10.1.2.3:8554/Lobby/Main?x=1";
        let end = (at + remove).min(url.len());
        let edited = format!("{}{edit}{}", &url[..at], &url[end..]);
        prop_assume!(edited != url);
        prop_assert!(decide(&catalog(), Dialect::Video, &by_url(&edited)).is_err());
    }

    #[test]
    fn whatever_a_pattern_lets_through_stays_on_the_checked_address(
        host in "[a-zA-Z0-9.%@:\\\\-]{1,12}", path in "[ -~]{0,12}",
    ) {
        let url = format!("rtsp://cam-{host}.plant.example/{path}");
        if let Ok(allowed) = resolved(&url, &["93.184.216.34"]) {
            prop_assert!(allowed.url().starts_with("rtsp://93.184.216.34/"), "{}", allowed.url());
            prop_assert!(!allowed.url().contains(".."));
        }
    }
}

#[test]
fn what_runs_is_admitted_again_as_long_as_the_list_says_the_same_of_it() {
    let url = "rtsp://cam-7.plant.example/main";
    let Ok(Decision::Resolve(running)) = decide(&catalog(), Dialect::Video, &by_url(url)) else { panic!("a pattern") };
    let of_pattern = running.allowed.key.clone();
    let named = StreamKey { source: "yard".to_owned(), profile: "source".to_owned() };
    assert!(matches!(readmit(&catalog(), &named, ""), Ok(Decision::Allowed(_))));
    assert!(matches!(readmit(&catalog(), &of_pattern, url), Ok(Decision::Resolve(_))), "its host is looked up anew");

    for (list, why) in [
        ("sources: []", "gone"),
        ("sources: [{name: yard, url: 'rtsp://h/', profiles: [legacy]}]", "in other profiles only"),
        ("sources: [{name: other, pattern: 'rtsp://cam-*.plant.example/*'}]", "under another name"),
    ] {
        let changed = parse(list, Path::new(".")).expect("an allowlist");
        assert!(readmit(&changed, &named, "").is_err(), "{why}");
        assert!(readmit(&changed, &of_pattern, url).is_err(), "{why}");
    }
}
