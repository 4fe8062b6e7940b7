use proptest::prelude::*;

use super::*;

const START: Ticks = 1_000_000_000;
const FRAME: Ticks = 3600;

/// Times relative to the start, in milliseconds.
fn placed(sources: &[i64]) -> Vec<i64> {
    let mut clock = VideoClock::new(sources[0], START);
    sources.iter().map(|&source| (clock.next(source, None) as i64 - START as i64) / MILLISECOND).collect()
}

#[test]
fn video_follows_its_source() {
    assert_eq!(placed(&[700, 740, 780, 820]), [0, 40, 80, 120]);
    // A lost frame leaves its hole, and so does a camera that was silent for seconds.
    assert_eq!(placed(&[0, 40, 120, 160, 9_000, 9_040]), [0, 40, 120, 160, 9_000, 9_040]);
}

#[test]
fn a_repeated_time_is_nudged_and_forgotten() {
    assert_eq!(placed(&[0, 0, 40, 80]), [0, 1, 40, 80]);
    assert_eq!(placed(&[0, 40, 40, 80, 75, 120]), [0, 40, 41, 80, 81, 120]);
}

#[test]
fn a_clock_that_was_set_is_not_followed() {
    assert_eq!(placed(&[0, 40, 600_000, 600_040]), [0, 40, 80, 120]);
    assert_eq!(placed(&[600_000, 600_040, 0, 40]), [0, 40, 80, 120]);
    assert_eq!(placed(&[600_000, 600_040, 599_800, 599_840]), [0, 40, 80, 120]);
    let day = 86_400_000;
    assert_eq!(placed(&[0, 33, day, day + 33, -day, -day + 33]), [0, 33, 66, 99, 132, 165]);
}

#[test]
fn frames_go_on_while_the_clock_stands() {
    // What ffmpeg makes of a clock that was set back: the same time until it is caught up with.
    assert_eq!(placed(&[0, 40, 40, 40, 40, 40, 80, 120]), [0, 40, 41, 81, 121, 161, 201, 241]);
}

#[test]
fn a_long_hole_is_believed_if_audio_went_on() {
    let mut clock = VideoClock::new(0, START);
    assert_eq!(clock.next(0, None), START);
    let minute = 60 * Ticks::from(VIDEO_TIMESCALE);
    assert_eq!(clock.next(60_000, Some(START + minute - 1000)), START + minute);
    // It did not go on for that long.
    assert_eq!(clock.next(180_000, Some(START + minute + 1000)), START + minute + FRAME);
}

#[test]
fn the_end_of_video_is_where_the_next_frame_is_expected() {
    let mut clock = VideoClock::new(0, START);
    for source in [0, 33, 66, 99] {
        clock.next(source, None);
    }
    assert_eq!(clock.end(), START + 132 * 90);
}

/// Places audio, in samples from the start, beside video.
struct Audio {
    clock: AudioClock,
    video: VideoClock,
}

impl Audio {
    fn new() -> Self {
        let mut video = VideoClock::new(0, START);
        video.next(0, None);
        Self { clock: AudioClock::new(48_000, 1024, START), video }
    }

    fn place(&mut self, source_ms: i64) -> Option<i64> {
        Some(self.clock.next(source_ms, &self.video)? as i64 - rescale(START, 48_000, VIDEO_TIMESCALE) as i64)
    }
}

#[test]
fn audio_is_counted() {
    let mut audio = Audio::new();
    // In milliseconds a frame of 21.33 ms comes now after 21, now after 22; a little jitter does not show either.
    for (frame, source) in [0, 21, 43, 64, 70, 120, 128, 149].into_iter().enumerate() {
        assert_eq!(audio.place(source), Some(1024 * frame as i64));
    }
}

#[test]
fn audio_is_resynchronised_beyond_50_ms() {
    let mut audio = Audio::new();
    assert_eq!(audio.place(0), Some(0));
    assert_eq!(audio.place(70), Some(1024), "48.7 ms late");
    assert_eq!(audio.place(94), Some(94 * 48), "51.3 ms late");
    assert_eq!(audio.place(115), Some(94 * 48 + 1024));
}

#[test]
fn audio_that_runs_ahead_loses_frames() {
    let mut audio = Audio::new();
    let mut placed = 0;
    // 25 % too many.
    for frame in 0..400 {
        let source = frame * 1024 * 4 / 5 / 48;
        if let Some(at) = audio.place(source) {
            assert!((at / 48 - source).abs() <= 50, "{at} for {source}");
            placed += 1;
        }
    }
    assert!((315..=325).contains(&placed), "{placed}");
}

#[test]
fn audio_from_before_the_first_keyframe_is_dropped() {
    let mut audio = Audio::new();
    assert_eq!(audio.place(-30), None);
    assert_eq!(audio.place(-9), None);
    assert_eq!(audio.place(12), Some(12 * 48));
}

#[test]
fn audio_that_pauses_comes_back_in_its_place() {
    let mut audio = Audio::new();
    assert_eq!(audio.place(0), Some(0));
    for source in (40..30_000).step_by(40) {
        audio.video.next(source, None);
    }
    assert_eq!(audio.place(30_000), Some(30_000 * 48));
    assert_eq!(audio.place(30_021), Some(30_000 * 48 + 1024));
}

#[test]
fn both_tracks_stay_together_when_the_clock_is_set() {
    for leap in [3_600_000, 60_000, 5_000, -5_000, -60_000, -3_600_000] {
        for audio_first in [true, false] {
            let mut audio = Audio::new();
            let (mut video_at, mut audio_at) = (0, 0);
            for step in 1..2_000_i64 {
                let now = step * 20;
                // One track sees it 200 ms before the other.
                let (early, late) = (if now > 10_000 { leap } else { 0 }, if now > 10_200 { leap } else { 0 });
                let (with_audio, with_video) = if audio_first { (early, late) } else { (late, early) };
                if step % 2 == 0 {
                    let next = audio.video.next(now + with_video, audio.clock.end()) as i64 - START as i64;
                    assert!(next > video_at);
                    video_at = next;
                }
                if let Some(next) = audio.place(now + with_audio) {
                    assert!(next > audio_at || step == 1);
                    audio_at = next;
                }
            }
            let apart = video_at / MILLISECOND - audio_at / 48;
            assert!(apart.abs() < 110, "{apart} ms apart after {leap}, audio first: {audio_first}");
        }
    }
}

#[test]
fn the_next_generation_begins_where_both_tracks_are_there() {
    assert_eq!(end(900_000, None), 900_000);
    assert_eq!(end(900_000, Some(880_000)), 880_000);
    assert_eq!(end(900_000, Some(930_000)), 900_000);
    // Sound stopped ten seconds ago.
    assert_eq!(end(900_000, Some(0)), 900_000);
}

#[test]
fn times_count_from_2026() {
    assert_eq!(origin(EPOCH_MS + 1500), 135_000);
    assert_eq!(first_sequence(EPOCH_MS + 1500), 16);
    assert_eq!(origin(0), 0);
}

proptest! {
    #[test]
    fn whatever_the_source_says_time_goes_on(
        sources in proptest::collection::vec(
            (any::<bool>(), prop_oneof![-200_i64..200, -100_000_i64..100_000, any::<i64>()]), 1..200),
    ) {
        let mut now = 0_i64;
        let mut video = VideoClock::new(0, START);
        let mut audio = AudioClock::new(44_100, 1024, START);
        let (mut last_video, mut last_audio) = (video.next(0, None), 0);
        for (is_video, step) in sources {
            now = now.saturating_add(step);
            if is_video {
                let next = video.next(now, audio.end());
                prop_assert!(next > last_video);
                // At most a believed hole at a time.
                prop_assert!(next - last_video <= 11 * 90_000 || audio.end().is_some_and(|end| next <= end + 90_000));
                last_video = next;
            } else if let Some(next) = audio.next(now, &video) {
                prop_assert!(next > last_audio);
                last_audio = next;
            }
        }
    }
}
