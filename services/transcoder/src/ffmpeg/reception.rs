//! When a picture reached us, as against when it came out of ffmpeg.
//!
//! ffmpeg's parsers of H.264 and H.265 hold a picture until the next one begins, so it comes out a frame late. What comes out
//! at that moment therefore tells something exact about another picture: **a picture begins to reach us when the one before
//! it is let go.** That needs no frame rate and holds for bursts, gaps and lost frames alike.
//!
//! Where pictures are copied, to be let go is to come out. Where they are transcoded, scaling and encoding come in between;
//! so the first filter of the chain, [`MARK`], has ffmpeg say on its standard error what time a picture has that goes in.
//! Measured beside other ways, from the parser on: the mark is late by the decoding alone (0.2 ms at 640 × 360, 2 ms at
//! 1920 × 1080) where the coded picture is late by 1.4 to 11 ms and by what a busy machine adds; it costs one write a
//! picture. `-use_wallclock_as_timestamps` would tell the very moment, and take the camera's own times from playback for
//! it. `-debug_ts` tells it too, in six lines a picture among all other talk. A second output with copied timestamps
//! is written after decoding and filters, no sooner than the mark.
//!
//! What remains: the decoding; the first pictures of a run, which wait for ffmpeg's look at the input; and codecs that are not
//! held (MJPEG), whose pictures are taken to have come one frame earlier than they did. Pure: times are passed in.

use std::collections::VecDeque;
use std::time::SystemTime;

/// Prints the time of each picture in milliseconds, as an error so that it is printed, and changes nothing. The pictures'
/// times differ, so ffmpeg does not fold the lines.
pub(super) const MARK: &str = "setpts='PTS+0*print(1000*T,16)'";

/// Marks that wait for the picture after theirs to come out: a few at most, as the encoder holds none.
const MARKS: usize = 32;

/// When the pictures of one run reached us.
#[derive(Debug, Default)]
pub(super) struct Reception {
    /// Presentation time in milliseconds, and when the picture went into the filters.
    marks: VecDeque<(i64, SystemTime)>,
    /// When the last picture came out.
    last: Option<SystemTime>,
}

/// The picture's time in milliseconds, if this line of ffmpeg's messages is a mark: a number with a fraction and nothing else,
/// which no other message is.
pub(super) fn mark(line: &[u8]) -> Option<i64> {
    let line = str::from_utf8(line).ok()?.trim();
    let time: f64 = line.parse().ok()?;
    (time.is_finite() && line.contains('.')).then(|| time.round() as i64)
}

impl Reception {
    /// A picture went into the filters at `at`.
    pub(super) fn marked(&mut self, pts_ms: i64, at: SystemTime) {
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back((pts_ms, at));
    }

    /// Time of the last mark.
    #[cfg(test)]
    pub(super) fn last_mark(&self) -> Option<i64> {
        self.marks.back().map(|(pts_ms, _)| *pts_ms)
    }

    /// A picture came out at `at`. Returns when it reached us; of the first one, that it came out.
    pub(super) fn of(&mut self, pts_ms: i64, at: SystemTime) -> SystemTime {
        let before = self.last.replace(at);
        // Both times are the same one, rounded in other places.
        let earlier = |mark: &(i64, SystemTime)| mark.0 < pts_ms - 1;
        while self.marks.get(1).is_some_and(earlier) {
            self.marks.pop_front();
        }
        let mark = self.marks.front().filter(|mark| earlier(mark)).map(|(_, at)| *at);
        mark.or(before).unwrap_or(at).min(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(ms: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
    }

    #[test]
    fn a_copied_picture_reached_us_when_the_one_before_came_out() {
        let mut reception = Reception::default();
        // A burst, a steady stretch, and a lost frame.
        for (pts_ms, out, expected) in
            [(0, 500, 500), (40, 500, 500), (80, 540, 500), (120, 580, 540), (200, 660, 580), (240, 700, 660)]
        {
            assert_eq!(reception.of(pts_ms, at(out)), at(expected), "{pts_ms}");
        }
    }

    #[test]
    fn a_transcoded_picture_reached_us_when_the_one_before_went_in() {
        let mut reception = Reception::default();
        reception.marked(0, at(540));
        assert_eq!(reception.of(0, at(560)), at(560), "nothing is known before");
        reception.marked(40, at(580));
        assert_eq!(reception.of(40, at(600)), at(540));
        // However our reading of the two pipes turns out.
        assert_eq!(reception.of(80, at(640)), at(580));
        reception.marked(80, at(620));
        reception.marked(120, at(660));
        reception.marked(160, at(700));
        assert_eq!(reception.of(120, at(680)), at(620));
        assert_eq!(reception.of(160, at(720)), at(660));
    }

    #[test]
    fn pictures_that_a_lower_rate_leaves_out_are_marked_all_the_same() {
        let mut reception = Reception::default();
        for n in 0..5 {
            reception.marked(n * 20, at(100 + n as u64 * 20));
        }
        assert_eq!(reception.of(80, at(190)), at(160));
    }

    #[test]
    fn marks_without_pictures_are_bounded() {
        let mut reception = Reception::default();
        (0..1000).for_each(|n| reception.marked(n, at(n as u64)));
        assert_eq!(reception.marks.len(), MARKS);
    }

    #[test]
    fn only_a_number_is_a_mark() {
        for (line, expected) in [
            ("4133.333333\n", Some(4133)),
            ("-12.600000\n", Some(-13)),
            ("nan\n", None),
            ("404\n", None),
            ("12.000000 is no time\n", None),
            ("[rtsp @ 0x7ffd5a8] 12.000000\n", None),
        ] {
            assert_eq!(mark(line.as_bytes()), expected, "{line}");
        }
    }
}
