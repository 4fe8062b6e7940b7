//! What a worker's answers come to.

use std::collections::HashMap;

use tonic_types::ErrorDetails;

use super::*;

fn status(code: GrpcCode, reason: &str, retry: Option<u64>) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "mqttvideo", HashMap::new());
    if let Some(seconds) = retry {
        details.set_retry_info(Some(Duration::from_secs(seconds)));
    }
    Status::with_error_details(code, "why", details)
}

#[test]
fn refusals_of_a_worker_become_the_viewers_codes() {
    for (status, expected) in [
        (status(GrpcCode::ResourceExhausted, "NO_CAPACITY", Some(7)), Failure::Full(Some(Duration::from_secs(7)))),
        (Status::resource_exhausted("x"), Failure::Full(None)),
        (status(GrpcCode::Unavailable, "DRAINING", None), Failure::Draining),
        (Status::unavailable("x"), Failure::Unavailable),
        (Status::not_found("x"), Failure::Unknown),
        (
            status(GrpcCode::Unavailable, "SOURCE_UNREACHABLE", None),
            Failure::Final(Refusal::new(Code::SourceUnreachable, "why")),
        ),
        (
            status(GrpcCode::FailedPrecondition, "UNSUPPORTED_CODEC", None),
            Failure::Final(Refusal::new(Code::UnsupportedCodec, "why")),
        ),
        (Status::internal("bug"), Failure::Final(Refusal::new(Code::Internal, "bug"))),
        (Status::deadline_exceeded("x"), Failure::Final(too_slow())),
    ] {
        assert_eq!(failure(&status), expected, "{status:?}");
    }
}

#[test]
fn no_login_gets_through_a_workers_text() {
    for (text, clean) in [
        ("cannot open rtsp://admin:s3cret@cam/x: refused", "cannot open rtsp://cam/x: refused"),
        ("rtsp://admin:p@ss@cam", "rtsp://cam"),
        ("a rtsp://u@h/1 b rtsps://v:w@i/2", "a rtsp://h/1 b rtsps://i/2"),
        ("mail@example and rtsp://cam/x@y", "mail@example and rtsp://cam/x@y"),
        ("://", "://"),
        ("", ""),
    ] {
        assert_eq!(without_logins(text), clean);
    }
}

#[test]
fn addresses_are_checked_before_anything_is_dialled() {
    assert!(Client::new("not an address", None).is_err());
}
