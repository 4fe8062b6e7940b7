//! The protocol's JSON at ordinary and at odd inputs.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::refusal::Code;
use crate::stream::{AudioTrack, Media, VideoTrack};

fn message(topic: &str, payload: impl Into<Bytes>) -> Message {
    Message { topic: topic.to_owned(), payload: payload.into(), ..Message::default() }
}

fn request(topic: &str, payload: &str) -> Request {
    match read(&Topics::new("video"), message(topic, payload.to_owned())) {
        Incoming::Request(request) => request,
        _ => panic!("{topic} {payload} is a request"),
    }
}

fn refusal(topic: &str, payload: &str) -> Refusal {
    match request(topic, payload).body {
        Err(refusal) => refusal,
        Ok(_) => panic!("{topic} {payload} is refused"),
    }
}

#[test]
fn a_play_is_read_with_all_its_fields() {
    let request = request(
        "video/play",
        r#"{"source":"lobby","profile":"legacy","reply_topic":"video_1","delivery":"live","tracks":["video"],
            "token":"t","session":"s-1","unknown":{"a":[1]}}"#,
    );
    assert_eq!((request.verb, request.dialect), (Verb::Play, Dialect::Video));
    assert_eq!(request.named.as_deref(), Some("video_1"));
    let Ok(body) = request.body else { panic!("well formed") };
    assert_eq!(body.session, "s-1");
    assert_eq!(body.token.as_ref().map(ExposeSecret::expose_secret), Some("t"));
    let Command::Play { target, delivery, video_only } = body.command else { panic!("a play") };
    assert!(target.selector == Selector::Name("lobby".to_owned()));
    assert_eq!((target.profile.as_deref(), delivery, video_only), (Some("legacy"), Delivery::Live, true));
}

#[test]
fn a_play_without_options_is_for_whole_gops_with_both_tracks() {
    let Ok(body) = request("video/play", r#"{"url":"rtsp://h/a","reply_topic":"video_1","profile":null}"#).body else {
        panic!("well formed")
    };
    let Command::Play { target, delivery, video_only } = body.command else { panic!("a play") };
    assert!(target.selector == Selector::Url("rtsp://h/a".to_owned()));
    assert_eq!((target.profile, delivery, video_only), (None, Delivery::Reply, false));
    assert!(body.session.starts_with("gatekeeper-"), "one that brings no session gets one: {}", body.session);
}

#[test]
fn the_first_pages_dialect_is_read() {
    let play =
        request("client/play", r#"{"clientId":"id_0","url":"rtsp://h/a","resp_topic":"video_1","reply_topic":7}"#);
    assert_eq!((play.dialect, play.named.as_deref()), (Dialect::Client, Some("video_1")));
    assert!(matches!(play.body, Ok(Body { command: Command::Play { .. }, .. })));
    let stop = request("client/stop", r#"{"clientId":"id_0","url":"rtsp://h/a"}"#);
    assert!(matches!(stop.body, Ok(Body { command: Command::StopSource(Selector::Url(_)), .. })));
    let stop = request("client/stop", r#"{"resp_topic":"video_1"}"#);
    assert!(matches!(stop.body, Ok(Body { command: Command::Stop, .. })));
    for topic in ["client/register", "client/unregister"] {
        for payload in ["{}", "id_0", ""] {
            assert!(matches!(request(topic, payload).body, Ok(Body { command: Command::Nothing, .. })));
        }
    }
    // Naming a URL stops nobody else in the dialect whose stop names a viewer.
    let stop = request("video/stop", r#"{"reply_topic":"video_1","url":"rtsp://h/a"}"#);
    assert!(matches!(stop.body, Ok(Body { command: Command::Stop, .. })));
}

#[test]
fn what_is_wrong_is_said_and_where_to_say_it_is_kept() {
    let long = format!(r#"{{"reply_topic":"video_1","source":"lobby","x":"{}"}}"#, "x".repeat(9 * 1024));
    for (topic, payload, hint) in [
        ("video/play", r#"{"reply_topic":"video_1"}"#, "`source` or `url`"),
        ("video/play", r#"{"reply_topic":"video_1","source":"a","url":"b"}"#, "not both"),
        ("video/play", r#"{"reply_topic":"video_1","source":7}"#, "`source` must be a string"),
        ("video/play", r#"{"reply_topic":"video_1","url":["a"]}"#, "`url` must be a string"),
        ("video/play", r#"{"reply_topic":"video_1","source":"a","profile":true}"#, "`profile` must be a string"),
        ("video/play", r#"{"reply_topic":"video_1","source":"a","delivery":"push"}"#, "`delivery`"),
        ("video/play", r#"{"reply_topic":"video_1","source":"a","delivery":1}"#, "`delivery`"),
        ("video/play", r#"{"reply_topic":"video_1","source":"a","tracks":"video"}"#, "`tracks`"),
        ("video/play", r#"{"reply_topic":"video_1","source":"a","tracks":["audio"]}"#, "`tracks`"),
        ("video/play", r#"{"reply_topic":"video_1","source":"a","tracks":["video",1]}"#, "`tracks`"),
        ("video/play", r#"{"reply_topic":"video_1","source":"a","tracks":[]}"#, "`tracks`"),
        ("video/play", r#"{"reply_topic":"video_1","source":"a","session":"a b"}"#, "`session`"),
        ("video/play", r#"{"reply_topic":"video_1","source":"a","token":{}}"#, "`token`"),
        ("video/dance", r#"{"reply_topic":"video_1","source":"a"}"#, "no such request"),
        ("video/register", r#"{"reply_topic":"video_1"}"#, "no such request"),
        ("video/describe", &long, "longer than 8192 bytes"),
    ] {
        assert_eq!(request(topic, payload).named.as_deref(), Some("video_1"), "{payload}");
        let refusal = refusal(topic, payload);
        assert_eq!(refusal.code, Code::BadRequest);
        assert!(refusal.text.contains(hint), "{payload}: {}", refusal.text);
    }
}

#[test]
fn what_has_no_place_for_an_answer_is_still_a_bad_request() {
    for payload in
        ["", "{", "null", "[]", "7", "\"lobby\"", r#"{"a":1"#, "{\"a\":\u{1}}", r#"{"reply_topic":7,"source":"a"}"#]
    {
        assert_eq!(request("video/play", payload).named, None, "{payload}");
        assert_eq!(refusal("video/play", payload).code, Code::BadRequest, "{payload}");
    }
    assert_eq!(refusal("video/play", &"[".repeat(5000)).code, Code::BadRequest);
    let Incoming::Request(request) = read(&Topics::new("video"), message("video/play", vec![0xff, 0xfe, b'{'])) else {
        panic!("a request")
    };
    assert!(request.body.is_err());
}

#[test]
fn a_request_with_mqtt_5_properties_keeps_them() {
    let message = Message {
        response_topic: Some("video/reply/1".to_owned()),
        correlation_data: Some(Bytes::from_static(b"7")),
        ..message("video/describe", r#"{"source":"lobby"}"#)
    };
    let Incoming::Request(request) = read(&Topics::new("video"), message) else { panic!("a request") };
    assert_eq!((request.named, request.response_topic.as_deref()), (None, Some("video/reply/1")));
    assert_eq!(request.correlation.as_deref(), Some(b"7".as_slice()));
}

#[test]
fn retained_and_foreign_messages_are_not_requests() {
    let topics = Topics::new("site/video");
    let retained = Message { retain: true, ..message("site/video/play", r#"{"source":"a"}"#) };
    assert!(matches!(read(&topics, retained), Incoming::Ignored));
    for topic in ["site/video/sources", "video/play", "site/videos/play", "other", "$SYS/broker"] {
        assert!(matches!(read(&topics, message(topic, "{}")), Incoming::Ignored), "{topic}");
    }
    assert_eq!(topics.subscriptions(), ["$share/gatekeeper/site/video/+", "$share/gatekeeper/client/+"]);
}

#[test]
fn reports_are_read_within_bounds() {
    let report = |payload: &str| match read(&Topics::new("video"), message("video/qoe", payload.to_owned())) {
        Incoming::Report(report, _) => report,
        _ => panic!("a report"),
    };
    let good = report(
        r#"{"session":"s","source":"lobby","profile":"source","first_frame_ms":149,"latency_ms":{"p50":68.5,"p95":85},
            "stalls":1,"rebuffer_ms":200,"dropped_frames":3,"decoded_frames":300,"reconnects":0,"decoder_errors":0}"#,
    );
    let expected = Report {
        session: "s".to_owned(),
        first_frame_ms: Some(149.0),
        latency_p50_ms: Some(68.5),
        latency_p95_ms: Some(85.0),
        stalls: 1.0,
        rebuffer_ms: 200.0,
        dropped_frames: 3.0,
        decoded_frames: 300.0,
        ..Report::default()
    };
    assert_eq!(good, Ok(expected));
    assert_eq!(report("{}"), Ok(Report::default()));
    for bad in [
        r#"{"stalls":-1}"#,
        r#"{"stalls":"many"}"#,
        r#"{"dropped_frames":1e12}"#,
        r#"{"first_frame_ms":1e300}"#,
        r#"{"latency_ms":5}"#,
        r#"{"latency_ms":{"p50":-5}}"#,
        "[]",
        "{",
    ] {
        assert!(report(bad).is_err(), "{bad}");
    }
    assert!(report(&format!(r#"{{"x":"{}"}}"#, "x".repeat(9000))).is_err());
}

fn media(audio: bool) -> Media {
    Media {
        mime_codec: format!("video/mp4; codecs=\"avc1.42C01E{}\"", if audio { ", mp4a.40.2" } else { "" }),
        generation: 1_790_000_000_000,
        video: VideoTrack { codec: "avc1.42C01E".to_owned(), width: 640, height: 360 },
        audio: audio.then(|| AudioTrack { codec: "mp4a.40.2".to_owned(), sample_rate: 48_000, channels: 1 }),
    }
}

#[test]
fn replies_are_rendered_as_the_protocol_says() {
    let key = StreamKey { source: "lobby".to_owned(), profile: "source".to_owned() };
    let live = Topics::new("video").live(&key);
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).expect("JSON is UTF-8");
    insta::assert_snapshot!(text(describe(&key, &live, &media(true), "transcoder-0")), @r#"{"mimeCodec":"video/mp4; codecs=\"avc1.42C01E, mp4a.40.2\"","source":"lobby","profile":"source","live_topic":"video/live/lobby/source","generation":1790000000000,"tracks":{"video":{"mimeCodec":"video/mp4; codecs=\"avc1.42C01E\"","codec":"avc1.42C01E","width":640,"height":360},"audio":{"mimeCodec":"audio/mp4; codecs=\"mp4a.40.2\"","codec":"mp4a.40.2","sample_rate":48000,"channels":1}},"worker":"transcoder-0","delivery":["reply","live"]}"#);
    insta::assert_snapshot!(text(describe(&key, &live, &media(false), "transcoder-0")), @r#"{"mimeCodec":"video/mp4; codecs=\"avc1.42C01E\"","source":"lobby","profile":"source","live_topic":"video/live/lobby/source","generation":1790000000000,"tracks":{"video":{"mimeCodec":"video/mp4; codecs=\"avc1.42C01E\"","codec":"avc1.42C01E","width":640,"height":360}},"worker":"transcoder-0","delivery":["reply","live"]}"#);
    insta::assert_snapshot!(text(error(&Refusal::new(Code::NotAllowed, "no"))), @r#"{"error":"no","code":"not_allowed"}"#);
    insta::assert_snapshot!(text(error(&Refusal::no_capacity("full", Duration::from_millis(4200)))), @r#"{"error":"full","code":"no_capacity","retry_after_s":5}"#);
}

#[test]
fn the_announcement_holds_names_and_profiles_and_no_url() {
    let list = "sources: [{name: lobby, url: 'rtsp://h/a', profiles: [source]}, {name: yard, url: 'rtsp://h/b'},
                {name: plant, pattern: 'rtsp://c-*.x/*'}]";
    let catalog = crate::sources::parse(list, Path::new(".")).expect("an allowlist");
    let text = String::from_utf8(announce(&catalog).to_vec()).expect("UTF-8");
    insta::assert_snapshot!(text, @r#"{"sources":[{"name":"lobby","profiles":["source"]},{"name":"yard","profiles":["source","legacy"]}]}"#);
}

proptest! {
    #[test]
    fn any_bytes_on_any_topic_are_read_without_panic(
        topic in "(video|client)/[a-z]{0,10}", payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        read(&Topics::new("video"), message(&topic, payload));
    }

    #[test]
    fn any_json_object_is_read_without_panic(
        verb in "(describe|play|stop|keepalive|qoe)",
        fields in prop::collection::btree_map(
            "(reply_topic|source|url|profile|delivery|tracks|token|session|stalls|latency_ms)",
            prop_oneof![Just("null".to_owned()), Just("{}".to_owned()), Just("[\"video\"]".to_owned()), Just("-1e400".to_owned()),
                any::<i64>().prop_map(|n| n.to_string()), "[a-z\\\\u00]{0,9}".prop_map(|s| format!("\"{s}\""))],
            0..8,
        ),
    ) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        read(&Topics::new("video"), message(&format!("video/{verb}"), format!("{{{}}}", fields.join(","))));
    }
}

#[test]
fn a_trace_is_read_if_there_is_exactly_one() {
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (properties, expected) in [
        (vec![("other", "x"), ("traceparent", good)], Some(good)),
        (vec![("traceparent", good), ("traceparent", good)], None),
        (vec![("traceparent", "00-x")], None),
        (vec![("Traceparent", good)], None),
        (vec![], None),
    ] {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let user_properties: Vec<_> = properties.iter().map(owned).collect();
        let message = Message { user_properties, ..message("video/play", r#"{"source":"a","reply_topic":"video_1"}"#) };
        let Incoming::Request(request) = read(&Topics::new("video"), message) else { panic!("a request") };
        let found = request.trace.map(|trace| trace.traceparent());
        assert_eq!(found.as_deref(), expected, "{properties:?}");
    }
}
