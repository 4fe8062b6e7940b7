//! Over the ends of runs, changes in their midst, and workers.

use super::*;
use crate::timeline::end;

fn generations(outputs: &[Output]) -> Vec<Media> {
    let media = |output: &Output| if let Output::Generation(media) = output { Some(media.clone()) } else { None };
    outputs.iter().filter_map(media).collect()
}

/// Cuts the output where generations begin.
fn by_generation(outputs: &[Output]) -> Vec<&[Output]> {
    let starts = outputs.iter().enumerate().filter(|(_, output)| matches!(output, Output::Generation(_)));
    let starts: Vec<_> = starts.map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([outputs.len()]);
    starts.iter().zip(ends).map(|(&start, end)| &outputs[start..end]).collect()
}

/// Every generation begins with init segments of its tracks and a keyframe.
#[track_caller]
fn check_beginnings(outputs: &[Output]) {
    for generation in by_generation(outputs) {
        let [Output::Generation(media), rest @ ..] = generation else { panic!("a generation") };
        let inits: Vec<_> = rest
            .iter()
            .map_while(|output| if let Output::Init { track, .. } = output { Some(*track) } else { None })
            .collect();
        let expected: &[Track] = if media.audio.is_some() { &[Track::Video, Track::Audio] } else { &[Track::Video] };
        assert_eq!(inits, expected);
        assert!(matches!(rest[inits.len()], Output::Fragment { track: Track::Video, sync: true, .. }));
    }
}

#[track_caller]
fn check_numbers_go_on(outputs: &[Output]) {
    for track in [Track::Video, Track::Audio] {
        let numbers: Vec<_> = live(outputs, track).iter().map(|fragment| fragment.sequence).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{track:?}: {numbers:?}");
    }
}

#[test]
fn the_next_run_goes_on_where_both_tracks_end() {
    // Audio ends 20 frames of 40 ms before video, then 300 ms after it, then 12 s before it.
    for (frames_before, continues_at) in [(375, 375 * 1024 * 90 / 48), (480, 250 * 3600), (50, 250 * 3600)] {
        let mut muxer = muxer();
        muxer.begin(NOW_MS, true);
        let video: Vec<_> = [config()].into_iter().chain(pictures(0..250, 25)).collect();
        let audio: Vec<_> = [audio_config()].into_iter().chain(frames(0..frames_before)).collect();
        let mut outputs = push_all(&mut muxer, &video, &audio);
        let start = origin(NOW_MS);
        assert_eq!(muxer.continuation().decode_time, start + continues_at);

        outputs.extend(muxer.begin(NOW_MS + 12_000, true));
        assert_eq!(muxer.continuation().decode_time, start + continues_at);
        outputs.extend(push_all(&mut muxer, &video, &audio));
        check_beginnings(&outputs);
        check_numbers_go_on(&outputs);
        let second = by_generation(&outputs)[1];
        assert_eq!(live_times(second, Track::Video)[0], start + continues_at);
        let audio_start = live_times(second, Track::Audio)[0] * 90_000 / 48_000;
        assert!(audio_start.abs_diff(start + continues_at) <= 2, "sound begins with the picture");
    }
}

#[test]
fn what_was_left_of_a_gop_is_not_lost() {
    let mut muxer = muxer();
    muxer.begin(NOW_MS, false);
    let video: Vec<_> = [config()].into_iter().chain(pictures(0..30, 25)).collect();
    push_all(&mut muxer, &video, &[]);
    let rest = gops(&muxer.begin(NOW_MS + 1, false));
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].0.runs[0].samples.len(), 5);
}

#[test]
fn generations_strictly_increase_even_when_clocks_do_not() {
    let mut muxer = Muxer::new(Start {
        unix_ms: NOW_MS,
        after: Some(Stand {
            continuation: Continuation { generation: NOW_MS + 5000, sequence_number: 7, decode_time: 0 },
            unix_ms: NOW_MS,
        }),
    });
    let mut outputs = Vec::new();
    for began in [NOW_MS, NOW_MS - 10, NOW_MS + 6000, NOW_MS + 6000] {
        outputs.extend(muxer.begin(began, false));
        outputs.extend(push_all(&mut muxer, &[config(), picture(0, true)], &[]));
    }
    let numbers: Vec<_> = generations(&outputs).iter().map(|media| media.generation - NOW_MS).collect();
    assert_eq!(numbers, [5001, 5002, 6000, 6001]);
}

#[test]
fn between_runs_the_tracks_of_the_last_one_are_known() {
    let mut muxer = muxer();
    assert_eq!(muxer.media(), None);
    muxer.begin(NOW_MS, false);
    push_all(&mut muxer, &[config(), picture(0, true)], &[]);
    muxer.begin(NOW_MS + 1, false);
    assert_eq!(muxer.media().expect("tracks").generation, NOW_MS);
}

#[test]
fn another_resolution_announced_by_ffmpeg_is_a_new_generation() {
    let (small, large) = (fixture::plain_video(), fixture::b_frame_video());
    let mut muxer = muxer();
    muxer.begin(NOW_MS, false);
    let mut outputs = push_all(&mut muxer, &small, &[]);
    let end = muxer.continuation().decode_time;
    let after = large.iter().cloned().map(|item| later(item, 2000));
    outputs.extend(push_all(&mut muxer, &after.collect::<Vec<_>>(), &[]));

    check_beginnings(&outputs);
    check_numbers_go_on(&outputs);
    let sizes: Vec<_> = generations(&outputs).iter().map(|media| (media.video.width, media.video.height)).collect();
    assert_eq!(sizes, [(320, 180), (640, 360)]);
    let second = by_generation(&outputs)[1];
    assert_eq!(live_times(second, Track::Video)[0], end);
    assert_eq!(live(second, Track::Video).len(), 50);
    // The last GOP of the first generation came before the second.
    assert_eq!(gops(by_generation(&outputs)[0]).len(), 5);
}

#[test]
fn another_resolution_within_the_stream_is_a_new_generation() {
    // What remains of it when ffmpeg copies from RTSP: parameter sets in keyframes, and no word from FLV.
    let in_band = ["-profile:v", "baseline", "-bsf:v", "dump_extra=freq=keyframe"];
    let small = fixture::items(&fixture::video("320x180", "1", &in_band));
    let large = fixture::items(&fixture::video("480x270", "1", &in_band));
    let mut muxer = muxer();
    muxer.begin(NOW_MS, false);
    let mut outputs = push_all(&mut muxer, &small, &[]);
    let silent = large.iter().filter(|item| matches!(item, Item::Video(_)));
    let silent: Vec<_> = silent.cloned().map(|item| later(item, 1000)).collect();
    outputs.extend(push_all(&mut muxer, &silent, &[]));

    check_beginnings(&outputs);
    let media = generations(&outputs);
    let sizes: Vec<_> = media.iter().map(|media| (media.video.width, media.video.height)).collect();
    assert_eq!(sizes, [(320, 180), (480, 270)]);
    assert!(media[1].generation > media[0].generation);
    // The init segment made of them is the one that ffmpeg's own announcement makes.
    let init = |outputs: &[Output]| {
        outputs
            .iter()
            .find_map(|output| if let Output::Init { bytes, .. } = output { Some(bytes.clone()) } else { None })
    };
    assert_eq!(init(by_generation(&outputs)[1]), init(&mux(&large, &[])));
}

#[test]
fn a_stale_announcement_is_overruled_by_the_first_keyframe() {
    // Cameras whose SDP has other parameter sets than their stream.
    let in_band = fixture::video("480x270", "1", &["-profile:v", "baseline", "-bsf:v", "dump_extra=freq=keyframe"]);
    let mut video = fixture::items(&in_band);
    video[0] = config();
    // Said again, it does not count either.
    video.insert(6, config());
    let mut muxer = muxer();
    muxer.begin(NOW_MS, false);
    let outputs: Vec<_> = video.into_iter().flat_map(|item| muxer.push(item, 0).expect("muxable")).collect();
    let [media] = &generations(&outputs)[..] else { panic!("one generation") };
    assert_eq!((media.video.width, media.video.height), (480, 270));
    assert_eq!(live(&outputs, Track::Video).len(), 25);
}

#[test]
fn a_repeated_announcement_changes_nothing() {
    let mut video = fixture::plain_video();
    video.insert(20, video[0].clone());
    let mut muxer = muxer();
    muxer.begin(NOW_MS, false);
    let outputs: Vec<_> = video.into_iter().flat_map(|item| muxer.push(item, 0).expect("muxable")).collect();
    assert_eq!(generations(&outputs).len(), 1);
    assert_eq!(live(&outputs, Track::Video).len(), 50);
}

#[test]
fn pictures_of_the_next_configuration_wait_for_its_keyframe() {
    let mut muxer = muxer();
    muxer.begin(NOW_MS, false);
    push_all(&mut muxer, &[config(), picture(0, true)], &[]);
    muxer.push(Item::AvcConfig(fixture::avc_config(&fixture::b_frame_video())), 0).expect("muxable");
    assert_eq!(push_all(&mut muxer, &[picture(40, false)], &[]), []);
    let outputs = push_all(&mut muxer, &[picture(80, true)], &[]);
    check_beginnings(&outputs);
    assert_eq!(generations(&outputs).len(), 1);
}

#[test]
fn audio_that_comes_late_or_changes_begins_a_generation_with_the_next_keyframe() {
    let mut muxer = muxer();
    muxer.begin(NOW_MS, true);
    let mut outputs = push_all(&mut muxer, &[config()], &[]);
    outputs.extend(pictures(0..40, 25).flat_map(|item| push_all(&mut muxer, &[item], &[])));
    outputs.extend(push_all(&mut muxer, &[], &[audio_config(), frame(1600)]));
    outputs.extend(pictures(40..60, 25).flat_map(|item| push_all(&mut muxer, &[item, frame(2000)], &[])));
    let mono = Item::AacConfig(Bytes::from_static(&[0x11, 0x88]));
    outputs.extend(push_all(&mut muxer, &[], &[mono, frame(2400)]));
    outputs.extend(pictures(60..80, 25).flat_map(|item| push_all(&mut muxer, &[item], &[])));
    check_beginnings(&outputs);
    check_numbers_go_on(&outputs);
    let channels: Vec<_> =
        generations(&outputs).iter().map(|media| media.audio.as_ref().map(|audio| audio.channels)).collect();
    assert_eq!(channels, [None, Some(2), Some(1)]);
    // Only the GOP that waited for a second gave way to the next.
    assert_eq!(live(&outputs, Track::Video).len(), 80 - 25);
}

#[test]
fn another_worker_goes_on_upwards() {
    let mut first = muxer();
    first.begin(NOW_MS, true);
    push_all(&mut first, &fixture::plain_video(), &fixture::plain_audio());
    let known = first.continuation();
    // Known three seconds before the first picture came; known at that moment; for comparison, one that knows nothing, and
    // comes after the first has ended.
    let stood = |ago_ms| Some(Stand { continuation: known, unix_ms: NOW_MS - ago_ms });
    for (after, ahead) in [(stood(3000), 270_000), (stood(0), 0), (None, 0)] {
        let mut second = Muxer::new(Start { unix_ms: NOW_MS + 3000, after });
        second.begin(NOW_MS + 3000, true);
        let outputs = push_all(&mut second, &fixture::plain_video(), &fixture::plain_audio());
        assert!(generations(&outputs)[0].generation > known.generation);
        assert!(live_times(&outputs, Track::Video)[0] >= known.decode_time);
        if after.is_some() {
            assert_eq!(live_times(&outputs, Track::Video)[0], known.decode_time + ahead);
            assert!(live(&outputs, Track::Video)[0].sequence > known.sequence_number);
        }
    }
}

#[test]
fn the_end_of_b_frames_is_counted_in_decode_time() {
    let mut muxer = muxer();
    muxer.begin(NOW_MS, false);
    let outputs = push_all(&mut muxer, &fixture::b_frame_video(), &[]);
    let last = *live_times(&outputs, Track::Video).last().expect("pictures");
    assert_eq!(muxer.continuation().decode_time, end(last + 3600, None));
}

/// The same item at a later source time.
fn later(mut item: Item, milliseconds: i64) -> Item {
    if let Item::Video(sample) | Item::Audio(sample) = &mut item {
        sample.dts_ms += milliseconds;
    }
    item
}
