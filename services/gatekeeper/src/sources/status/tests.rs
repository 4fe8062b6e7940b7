//! What a status says.

use super::*;
use crate::placement::Job;
use crate::stream::{Delivery, Dialect, Media, State, VideoTrack, Viewer};

const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

fn object(generation: i64) -> VideoSource {
    let spec = serde_json::from_value(json!({"url": "rtsp://h/a"})).expect("a spec");
    let mut object = VideoSource::new("lobby", spec);
    object.metadata.generation = Some(generation);
    object
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

/// A worker that runs `stream` with this many viewers.
fn runs(worker: &str, stream: &str, profile: &str, viewers: usize, health: Health) -> (MemberId, Arc<Worker>) {
    let key = StreamKey { source: stream.to_owned(), profile: profile.to_owned() };
    let viewer = |nth| Viewer {
        reply_topic: format!("video_{nth}"),
        delivery: Delivery::Live,
        dialect: Dialect::Video,
        session: String::new(),
        video_only: false,
    };
    let job = Job { viewers: (0..viewers).map(viewer).collect(), health, ..Job::default() };
    let worker = Worker { name: worker.to_owned(), jobs: [(Arc::new(key), Arc::new(job))].into(), ..Worker::default() };
    (worker.name.as_str().into(), Arc::new(worker))
}

fn live(width: u32, frame_rate: f64) -> Health {
    let media = Media {
        mime_codec: String::new(),
        generation: 1,
        video: VideoTrack { codec: "avc1.42C01E".to_owned(), width, height: 360 },
        audio: None,
    };
    Health { state: State::Live, media: Some(Arc::new(media)), frame_rate: Some(frame_rate), ..Health::default() }
}

fn failing(failure: Failure) -> Health {
    Health { failure: Some(failure), ..Health::default() }
}

fn say(view: &[(MemberId, Arc<Worker>)], previous: Option<&VideoSourceStatus>, second: i64) -> VideoSourceStatus {
    describe(&object(1), &Verdict::Accepted, None, view, previous, EPOCH, at(second))
}

#[track_caller]
fn check_ready(status: &VideoSourceStatus, expected: (&str, &str)) {
    let ready = ready(status).expect("a condition");
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), expected);
}

#[test]
fn all_profiles_and_all_cameras_of_a_pattern_add_up() {
    let status = say(
        &[
            runs("t1", "lobby", "legacy", 2, live(320, 10.0)),
            runs("t0", "lobby", "source", 1, live(640, 25.0)),
            runs("t2", "lobby~00000000000000aa", "source", 4, live(640, 25.0)),
            runs("t3", "lobby-2", "source", 8, live(1280, 25.0)),
        ],
        None,
        1,
    );
    assert_eq!((status.viewers, status.worker.as_deref()), (7, Some("t0,t1,t2")));
    assert_eq!((status.codec.as_deref(), status.size.as_deref()), (Some("avc1.42C01E"), Some("640x360")));
    assert_eq!(status.frame_rate, Some(25));
    check_ready(&status, ("True", "Live"));
}

#[test]
fn a_stream_that_failed_is_told_of_although_it_is_gone() {
    let heard = EPOCH + Duration::from_secs(10);
    let key = StreamKey { source: "lobby".to_owned(), profile: "source".to_owned() };
    let worker = Worker { failed: [(key, (Failure::Unauthorized, heard))].into(), ..Worker::default() };
    let view: [(MemberId, Arc<Worker>); 1] = [("t0".into(), Arc::new(worker))];
    let say = |previous, since| describe(&object(1), &Verdict::Accepted, None, &view, previous, since, at(11));
    let failed = say(None, EPOCH);
    check_ready(&failed, ("False", "SourceUnauthorized"));
    assert_eq!(failed.worker, None, "it runs nowhere");
    // What was told before is no news; the status as it was then stands.
    check_ready(&say(None, heard), ("True", "Accepted"));
    check_ready(&say(Some(&failed), heard), ("False", "SourceUnauthorized"));
}

#[test]
fn a_failure_stands_until_an_attempt_succeeds_or_the_object_changes() {
    let failed = say(&[runs("t0", "lobby", "source", 1, failing(Failure::Unauthorized))], None, 1);
    check_ready(&failed, ("False", "SourceUnauthorized"));
    let later = say(&[], Some(&failed), 2);
    check_ready(&later, ("False", "SourceUnauthorized"));
    assert_eq!(later.last_error.as_deref(), Some("the camera refuses the login"));
    let again = say(&[runs("t0", "lobby", "source", 1, live(640, 25.0))], Some(&later), 3);
    check_ready(&again, ("True", "Live"));
    assert_eq!(again.last_error, None);
    let changed = describe(&object(2), &Verdict::Accepted, None, &[], Some(&later), EPOCH, at(4));
    check_ready(&changed, ("True", "Accepted"));
    assert_eq!(changed.last_error, None);
}

#[test]
fn what_the_list_or_the_login_says_comes_first() {
    let view = [runs("t0", "lobby", "source", 1, failing(Failure::Unreachable))];
    for (verdict, login, reason) in [
        (Verdict::Invalid("no".to_owned()), Some("there is no Secret x"), "Invalid"),
        (Verdict::NameConflict, None, "NameConflict"),
        (Verdict::Accepted, Some("there is no Secret x"), "SecretMissing"),
        (Verdict::Accepted, None, "SourceUnreachable"),
    ] {
        let status = describe(&object(1), &verdict, login, &view, None, EPOCH, at(1));
        check_ready(&status, ("False", reason));
    }
}

#[test]
fn a_transition_has_the_time_at_which_it_was_one() {
    let since = |status: &VideoSourceStatus| ready(status).expect("a condition").last_transition_time.0.as_second();
    let first = say(&[], None, 1);
    let live = say(&[runs("t0", "lobby", "source", 1, live(640, 25.0))], Some(&first), 2);
    assert_eq!((since(&first), since(&live)), (1, 1), "ready all the time");
    let lost = say(&[runs("t0", "lobby", "source", 1, failing(Failure::Unreachable))], Some(&live), 3);
    assert_eq!(since(&lost), 3);
}

#[test]
fn a_frame_rate_between_two_numbers_does_not_flap() {
    let mut status = None;
    for (measured, shown) in [(12.4, 12), (12.6, 12), (12.4, 12), (12.8, 13), (12.5, 13)] {
        let next = say(&[runs("t0", "lobby", "source", 1, live(640, measured))], status.as_ref(), 1);
        assert_eq!(next.frame_rate, Some(shown), "{measured}");
        status = Some(next);
    }
}
