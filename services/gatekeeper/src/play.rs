//! What a player's report says about its start, as spans of the trace that the player began.
//!
//! A browser has nobody to export to. It chooses the ids, and tells times relative to pressing play; when that was follows
//! from the arrival of the report, so it is wrong by what the report took on its way. Pure: time comes in as an argument.

use std::time::{Duration, SystemTime};

use runtime::trace::Told;

use crate::wire::Report;

/// The span from pressing play to the first frame, and the part of it in which media was there already. `None` if the
/// report does not tell of a start.
pub(crate) fn spans(report: &Report, arrived: SystemTime) -> Option<(Told, Vec<Told>)> {
    let after = |ms: f64| Duration::from_secs_f64(ms / 1000.0);
    let first_frame = after(report.first_frame_ms?);
    // A report that does not say when it was made was made when there was something to report.
    let age = report.since_play_ms.map_or(first_frame, after).max(first_frame);
    let start = arrived.checked_sub(age)?;
    let end = start + first_frame;
    let media = report.first_media_ms.map_or(first_frame, after).min(first_frame);
    let attributes = vec![("session", report.session.clone())];
    let play = Told { name: "play", start, end, attributes: attributes.clone() };
    Some((play, vec![Told { name: "first frame", start: start + media, end, attributes }]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_follow_from_the_arrival_of_the_report() {
        let arrived = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let ms = Duration::from_millis;
        let report = |first_media_ms, since_play_ms| Report {
            first_frame_ms: Some(150.0),
            first_media_ms,
            since_play_ms,
            ..Report::default()
        };
        for (report, start, media) in [
            (report(Some(90.0), Some(10_150.0)), arrived - ms(10_150), arrived - ms(10_060)),
            (report(None, None), arrived - ms(150), arrived),
            (report(Some(900.0), Some(1.0)), arrived - ms(150), arrived),
        ] {
            let (play, children) = spans(&report, arrived).expect("spans");
            assert_eq!((play.start, play.end), (start, start + ms(150)));
            assert_eq!(children.len(), 1);
            assert_eq!((children[0].start, children[0].end), (media, play.end));
        }
        assert_eq!(spans(&Report::default(), arrived), None);
    }

    proptest! {
        #[test]
        fn no_report_makes_time_go_backwards(
            first_frame in prop::option::of(0.0..3.6e6), media in prop::option::of(0.0..3.6e6), since in prop::option::of(0.0..3.6e6),
        ) {
            let report = Report { first_frame_ms: first_frame, first_media_ms: media, since_play_ms: since, ..Report::default() };
            let arrived = SystemTime::now();
            if let Some((play, children)) = spans(&report, arrived) {
                prop_assert!(play.start <= play.end && play.end <= arrived + Duration::from_millis(1));
                prop_assert!(children.iter().all(|child| play.start <= child.start && child.start <= child.end && child.end == play.end));
            }
        }
    }
}
