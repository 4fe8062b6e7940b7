//! What a file of sources may say, and how its mistakes are told.

use super::*;
use crate::stream::Dialect;

const EXAMPLE: &str = r#"
sources:
  - name: lobby
    url: rtsp://10.1.2.3:554/stream1
    credentials: {usernameFile: user, passwordEnv: LOBBY_PASSWORD}
    profiles: [source, legacy]
    maxViewers: 50
  - name: plant
    pattern: rtsp://cam-*.plant.example/*
    allowPrivate: true
profiles:
  small: {width: 640, height: 360, videoBitrate: 0.5M, gop: 500ms, h264Profile: main, h264Level: "3.1", maxFrameRate: 15}
defaults: {profile: source, clientDialectProfile: legacy}
"#;

fn read(text: &str) -> Result<Catalog, FileError> {
    parse(text, Path::new("/etc/mqtt-video"))
}

#[test]
fn the_example_of_the_manual_is_read() {
    let catalog = read(EXAMPLE).expect("an allowlist");
    let lobby = catalog.by_name("lobby").expect("lobby");
    assert_eq!(
        lobby.credentials,
        Some(Credentials::Places {
            username: Place::File("/etc/mqtt-video/user".into()),
            password: Place::Env("LOBBY_PASSWORD".into())
        })
    );
    assert_eq!(lobby.max_viewers, Some(50));
    assert_eq!(catalog.by_url("rtsp://10.1.2.3:554/stream1"), Some(lobby));
    assert_eq!(catalog.default_profile(lobby, Dialect::Client), "legacy");
    let plant = catalog.by_name("plant").expect("plant");
    assert_eq!(catalog.profiles_of(plant), ["source", "legacy", "small"]);
    let small = catalog.profile("small").expect("known").expect("small");
    assert_eq!((small.video_bits_per_second, small.gop), (Some(500_000), Some(Duration::from_millis(500))));
}

#[test]
fn legacy_is_built_in_and_can_be_overridden() {
    let built_in = read("sources: []").expect("an allowlist");
    assert_eq!(built_in.profile("legacy"), Ok(Some(&legacy())));
    let own = read("sources: []\nprofiles: {legacy: {width: 160, height: 120}}").expect("an allowlist");
    assert_eq!(own.profile("legacy").expect("known").and_then(|legacy| legacy.width), Some(160));
    assert_eq!(own.profile("source"), Ok(None));
    assert_eq!(own.profile("huge"), Err(super::super::UnknownProfile));
}

#[test]
fn a_source_without_the_default_profile_plays_its_first() {
    let text = "sources: [{name: a, url: 'rtsp://h/a', profiles: [source]}]";
    let catalog = read(text).expect("an allowlist");
    let source = catalog.by_name("a").expect("a");
    assert_eq!(catalog.default_profile(source, Dialect::Client), "source");
}

#[test]
fn mistakes_are_told_with_their_line_and_without_secrets() {
    let entry = |rest: &str| format!("sources:\n  - name: a\n    {rest}\n");
    for (text, line, hint) in [
        (entry("url: rtsp://admin:s3cret@h/a"), 3, "usernameFile"),
        (entry("pattern: rtsp://admin:s3cret@*/a"), 3, "usernameFile"),
        (entry("url: http://h/s3cret"), 3, "rtsp://"),
        (entry("maxViewers: 3"), 2, "either `url` or `pattern`"),
        (entry("url: rtsp://h/a\n    pattern: rtsp://h/*"), 2, "either `url` or `pattern`"),
        (entry("url: rtsp://h/a\n    maxViewers: 0"), 4, "leave it out"),
        (entry("url: rtsp://h/a\n    maxViewers: s3cret"), 4, ""),
        (entry("url: rtsp://h/a\n    allowPrivate: true"), 3, "belongs to a pattern"),
        (entry("url: rtsp://h/a\n    profiles: [nope]"), 4, "no profile `nope`"),
        (entry("url: rtsp://h/a\n    profiles: []"), 4, "leave `profiles` out"),
        (entry("url: rtsp://h/a\n    password: s3cret"), 4, "password"),
        (entry("url: rtsp://h/a\n    credentials: {usernameFile: u}"), 4, "passwordFile"),
        (
            entry("url: rtsp://h/a\n    credentials: {usernameFile: u, usernameEnv: u, passwordEnv: p}"),
            4,
            "usernameFile",
        ),
        (entry("url: rtsp://h/a\n  - name: a\n    url: rtsp://h/b"), 4, "on line 2"),
        ("sources:\n  - name: Bad Name\n    url: rtsp://h/a\n".to_owned(), 2, "a-z"),
        ("sources:\n  - name: a/b\n    url: rtsp://h/a\n".to_owned(), 2, "a-z"),
        ("sources: []\nprofiles:\n  source: {width: 2}\n".to_owned(), 3, "another name"),
        ("sources: []\nprofiles:\n  x: {width: 33}\n".to_owned(), 3, "even"),
        ("sources: []\nprofiles:\n  x: {gop: 1}\n".to_owned(), 3, "500ms"),
        ("sources: []\nprofiles:\n  x: {videoBitrate: fast}\n".to_owned(), 3, "192k"),
        ("sources: []\ndefaults: {profile: nope}\n".to_owned(), 2, "nope"),
        ("sources: []\nsuorces: []\n".to_owned(), 2, "suorces"),
        ("sources: [}\n".to_owned(), 1, ""),
    ] {
        let error = read(&text).expect_err(&text).to_string();
        assert!(error.contains(&format!("line {line}")), "{text}: {error}");
        assert!(error.contains(hint), "{text}: {error}");
        assert!(!error.contains("s3cret"), "{text}: {error}");
    }
}

#[test]
fn an_empty_file_is_a_mistake_not_an_empty_allowlist() {
    for text in ["", "# nothing\n", "---\n"] {
        assert!(read(text).is_err(), "{text:?}");
    }
    assert_eq!(read("sources: []").expect("allows nothing").sources().count(), 0);
}

#[test]
fn a_moved_or_removed_source_counts_as_changed() {
    let old = read(EXAMPLE).expect("an allowlist");
    assert!(old.changed_since(&old).is_empty());
    let moved = read(&EXAMPLE.replace("stream1", "stream2")).expect("an allowlist");
    assert_eq!(moved.changed_since(&old), ["lobby"]);
    let stricter = read(&EXAMPLE.replace("    allowPrivate: true\n", "")).expect("an allowlist");
    assert_eq!(stricter.changed_since(&old), ["plant"]);
    assert_eq!(read("sources: []").expect("nothing").changed_since(&old), ["lobby", "plant"]);
    let relaxed = read(&EXAMPLE.replace("maxViewers: 50", "maxViewers: 5")).expect("an allowlist");
    assert!(relaxed.changed_since(&old).is_empty());
}
