//! What the muxer makes, read back: by the parser mp4-atom here, by ffprobe in [`probed`].

use bytes::{BufMut, BytesMut};
use mp4_atom::{Any, Prft, TrunEntry};
use proptest::prelude::*;

use super::*;
use crate::fixture;
use crate::timeline::{first_sequence, origin};

mod generations;
mod probed;

const NOW_MS: u64 = 1_790_000_000_000;

fn muxer() -> Muxer {
    Muxer::new(Start { unix_ms: NOW_MS, after: None })
}

/// Pushes what two pipes brought, in the order of its times.
#[track_caller]
fn push_all(muxer: &mut Muxer, video: &[Item], audio: &[Item]) -> Vec<Output> {
    let time = |item: &Item| match item {
        Item::Video(sample) | Item::Audio(sample) => sample.dts_ms,
        _ => i64::MIN,
    };
    let mut items: Vec<_> = video.iter().chain(audio).cloned().collect();
    items.sort_by_key(time);
    let push = |item: Item| {
        let came_ms = time(&item).max(0) as u64 + NOW_MS;
        muxer.push(item, came_ms * 1000).expect("muxable")
    };
    items.into_iter().flat_map(push).collect()
}

/// A muxer's whole output for one run, with what is left at its end.
#[track_caller]
fn mux(video: &[Item], audio: &[Item]) -> Vec<Output> {
    let mut muxer = muxer();
    assert_eq!(muxer.begin(NOW_MS, !audio.is_empty()), []);
    let mut outputs = push_all(&mut muxer, video, audio);
    outputs.extend(muxer.begin(NOW_MS + 1, false));
    outputs
}

/// A fragment as an independent parser reads it.
#[derive(Debug)]
struct Read {
    sequence: u32,
    prft: Option<Prft>,
    runs: Vec<ReadRun>,
}

#[derive(Debug)]
struct ReadRun {
    track_id: u32,
    decode_time: u64,
    samples: Vec<TrunEntry>,
    data: Vec<u8>,
}

#[track_caller]
fn read(bytes: &[u8]) -> Read {
    let mut boxes = fixture::boxes(bytes).into_iter().peekable();
    let prft = match boxes.peek() {
        Some(Any::Prft(prft)) => Some(prft.clone()),
        _ => None,
    };
    if prft.is_some() {
        boxes.next();
    }
    let (Some(Any::Moof(moof)), Some(Any::Mdat(_)), None) = (boxes.next(), boxes.next(), boxes.next()) else {
        panic!("moof and mdat");
    };
    let moof_at = if prft.is_some() { 32 } else { 0 };
    let runs = moof.traf.iter().map(|traf| {
        assert!(traf.tfhd.default_base_is_moof);
        let [trun] = &traf.trun[..] else { panic!("one run of samples") };
        let samples: Vec<_> = trun.samples.iter().collect();
        let size: usize = samples.iter().map(|sample| sample.size.expect("a size") as usize).sum();
        let from = moof_at + trun.data_offset.expect("an offset") as usize;
        ReadRun {
            track_id: traf.tfhd.track_id,
            decode_time: traf.tfdt.as_ref().expect("tfdt").base_media_decode_time,
            samples,
            data: bytes[from..from + size].to_vec(),
        }
    });
    Read { sequence: moof.mfhd.sequence_number, prft, runs: runs.collect() }
}

/// Live fragments of a track.
#[track_caller]
fn live(outputs: &[Output], wanted: Track) -> Vec<Read> {
    let mut fragments = Vec::new();
    for output in outputs {
        if let Output::Fragment { track, sequence, sync, decode_time, bytes, .. } = output
            && *track == wanted
        {
            let fragment = read(bytes);
            let [run] = &fragment.runs[..] else { panic!("one track") };
            assert_eq!(fragment.sequence, *sequence);
            assert_eq!(run.track_id, if wanted == Track::Video { 1 } else { 2 });
            assert_eq!(run.samples.len(), 1);
            if wanted == Track::Video {
                assert_eq!(run.samples[0].flags, Some(if *sync { 0x0200_0000 } else { 0x0101_0000 }));
                assert_eq!(run.decode_time, *decode_time);
            }
            fragments.push(fragment);
        }
    }
    fragments
}

fn live_times(outputs: &[Output], track: Track) -> Vec<u64> {
    live(outputs, track).iter().map(|fragment| fragment.runs[0].decode_time).collect()
}

/// Fragments for reply delivery, and whether each begins with a keyframe.
#[track_caller]
fn gops(outputs: &[Output]) -> Vec<(Read, bool)> {
    let gop = |output: &Output| match output {
        Output::Gop { media, sequence, sync, .. } => {
            let fragment = read(media);
            assert_eq!(fragment.sequence, *sequence);
            Some((fragment, *sync))
        }
        _ => None,
    };
    outputs.iter().filter_map(gop).collect()
}

fn durations(run: &ReadRun) -> Vec<u32> {
    run.samples.iter().map(|sample| sample.duration.expect("a duration")).collect()
}

/// The configuration of [`fixture::plain_video`].
fn config() -> Item {
    Item::AvcConfig(fixture::avc_config(&fixture::plain_video()))
}

/// A picture of no content; every one is different.
fn picture(dts_ms: i64, sync: bool) -> Item {
    let mut data = BytesMut::from(&[0, 0, 0, 9, if sync { 0x65 } else { 0x41 }][..]);
    data.put_i64(dts_ms);
    Item::Video(Sample { dts_ms, cts_ms: 0, sync, data: data.freeze() })
}

/// Pictures every 40 ms, a keyframe every `gop` of them.
fn pictures(range: std::ops::Range<i64>, gop: i64) -> impl Iterator<Item = Item> {
    range.map(move |at| picture(at * 40, at % gop == 0))
}

/// 48 kHz stereo.
fn audio_config() -> Item {
    Item::AacConfig(Bytes::from_static(&[0x11, 0x90]))
}

fn frame(dts_ms: i64) -> Item {
    Item::Audio(Sample { dts_ms, cts_ms: 0, sync: true, data: Bytes::from_static(b"audio") })
}

/// Audio frames, as their milliseconds are rounded.
fn frames(range: std::ops::Range<i64>) -> impl Iterator<Item = Item> {
    range.map(|at| frame(at * 1024 / 48))
}

#[test]
fn the_first_fragment_is_a_keyframe_after_the_init_segments() {
    let video = [config(), picture(0, false), picture(40, false), picture(80, true), picture(120, false)];
    let outputs = mux(&video, &[]);
    let [
        Output::Generation(media),
        Output::Init { track: Track::Video, bytes },
        Output::Fragment { sync: true, .. },
        ..,
    ] = &outputs[..]
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(media.generation, NOW_MS);
    assert_eq!((media.video.width, media.video.height), (320, 180));
    assert!(matches!(fixture::boxes(bytes)[..], [Any::Ftyp(_), Any::Moov(_)]));
    assert_eq!(live(&outputs, Track::Video).len(), 2);
}

#[test]
fn a_track_that_is_missing_is_not_named() {
    let outputs = mux(&fixture::plain_video(), &[]);
    let Some(Output::Generation(media)) = outputs.first() else { panic!("a generation") };
    assert_eq!(media.audio, None);
    assert!(!media.mime_codec().contains("mp4a"), "{}", media.mime_codec());
    assert!(!outputs.iter().any(|output| matches!(output, Output::Init { track: Track::Audio, .. })));
}

#[test]
fn decode_times_are_absolute_in_64_bits() {
    let video = [config(), picture(5000, true), picture(5040, false), picture(5120, false)];
    let outputs = mux(&video, &[]);
    let start = origin(NOW_MS);
    assert_eq!(live_times(&outputs, Track::Video), [start, start + 3600, start + 10_800]);
    for output in &outputs {
        if let Output::Fragment { bytes: fragment, .. } | Output::Gop { media: fragment, .. } = output {
            let at = fragment.windows(4).position(|kind| kind == b"tfdt").expect("tfdt");
            assert_eq!(fragment[at + 4], 1, "version of tfdt");
        }
    }
}

#[test]
fn composition_offsets_are_signed_in_version_1() {
    let mut early = picture(40, false);
    let mut late = picture(0, true);
    for (item, offset) in [(&mut early, -40), (&mut late, 80)] {
        if let Item::Video(sample) = item {
            sample.cts_ms = offset;
        }
    }
    let outputs = mux(&[config(), late, early], &[]);
    let offsets: Vec<_> = live(&outputs, Track::Video).iter().map(|fragment| fragment.runs[0].samples[0].cts).collect();
    assert_eq!(offsets, [Some(7200), Some(-3600)]);
    for output in &outputs {
        if let Output::Fragment { bytes: fragment, .. } | Output::Gop { media: fragment, .. } = output {
            let at = fragment.windows(4).position(|kind| kind == b"trun").expect("trun");
            assert_eq!(fragment[at + 4], 1, "version of trun");
        }
    }
}

#[test]
fn the_open_picture_states_half_a_second() {
    let outputs = mux(&fixture::plain_video(), &fixture::plain_audio());
    for fragment in live(&outputs, Track::Video) {
        assert_eq!(durations(&fragment.runs[0]), [45_000]);
    }
    for fragment in live(&outputs, Track::Audio) {
        assert_eq!(durations(&fragment.runs[0]), [1024]);
    }
}

#[test]
fn whole_gops_state_true_durations() {
    // One frame of the first GOP is lost, and the second begins late.
    let video =
        [config(), picture(0, true), picture(40, false), picture(120, false), picture(190, true), picture(230, false)];
    let gops = gops(&mux(&video, &[]));
    assert_eq!(gops.len(), 2);
    assert_eq!(durations(&gops[0].0.runs[0]), [3600, 7200, 6300]);
    assert_eq!(gops[1].0.runs[0].decode_time, gops[0].0.runs[0].decode_time + 17_100);
    // What is left at the end lasts as long as the frame before.
    assert_eq!(durations(&gops[1].0.runs[0]), [3600, 3600]);
    assert!(gops.iter().all(|(_, sync)| *sync));
}

#[test]
fn a_whole_gop_holds_both_tracks_and_every_byte() {
    let (video, audio) = (fixture::plain_video(), fixture::plain_audio());
    let gops = gops(&mux(&video, &audio));
    assert_eq!(gops.len(), 5, "50 pictures, a keyframe every 12");
    for (track_id, items) in [(1, &video), (2, &audio)] {
        let sent: Vec<u8> = fixture::samples(items).iter().flat_map(|sample| sample.data.to_vec()).collect();
        let runs = gops.iter().flat_map(|(gop, _)| &gop.runs).filter(|run| run.track_id == track_id);
        let read: Vec<u8> = runs.flat_map(|run| run.data.clone()).collect();
        assert_eq!(read, sent);
    }
    let numbers: Vec<_> = gops.iter().map(|(gop, _)| gop.sequence).collect();
    let first = first_sequence(NOW_MS);
    assert_eq!(numbers, (first..first + 5).collect::<Vec<_>>());
}

#[test]
fn every_sample_is_published_at_once() {
    let mut muxer = muxer();
    muxer.begin(NOW_MS, true);
    push_all(&mut muxer, &[config(), picture(0, true)], &[audio_config()]);
    for at in 1..50 {
        let outputs = muxer.push(picture(at * 40, at % 25 == 0), 0).expect("muxable");
        // No audio comes, and video is not held for it.
        assert_eq!(live(&outputs, Track::Video).len(), 1);
    }
    let outputs = muxer.push(frame(1900), 0).expect("muxable");
    assert_eq!(live(&outputs, Track::Audio).len(), 1);
}

#[test]
fn audio_times_are_counted_in_frames() {
    let outputs = mux(&fixture::plain_video(), &fixture::plain_audio());
    let times = live_times(&outputs, Track::Audio);
    assert!(times.len() > 90);
    assert_eq!(times[0], origin(NOW_MS) * 48_000 / 90_000);
    assert!(times.windows(2).all(|pair| pair[1] == pair[0] + 1024));
}

#[test]
fn numbers_of_each_track_are_contiguous() {
    let outputs = mux(&fixture::plain_video(), &fixture::plain_audio());
    for track in [Track::Video, Track::Audio] {
        let numbers: Vec<_> = live(&outputs, track).iter().map(|fragment| fragment.sequence).collect();
        let first = first_sequence(NOW_MS);
        assert_eq!(numbers, (first..first + numbers.len() as u32).collect::<Vec<_>>());
    }
}

#[test]
fn video_says_when_it_came() {
    let mut muxer = muxer();
    muxer.begin(NOW_MS, false);
    muxer.push(config(), 0).expect("muxable");
    let outputs = muxer.push(picture(0, true), NOW_MS * 1000 + 250_000).expect("muxable");
    let fragment = &live(&outputs, Track::Video)[0];
    let prft = fragment.prft.as_ref().expect("prft");
    assert_eq!(prft.reference_track_id, 1);
    assert_eq!(prft.media_time, fragment.runs[0].decode_time);
    assert_eq!(prft.ntp_timestamp >> 32, NOW_MS / 1000 + 2_208_988_800);
    assert_eq!(prft.ntp_timestamp & 0xffff_ffff, 1 << 30);
}

#[test]
fn the_first_keyframe_waits_for_the_configuration_of_audio() {
    let mut muxer = muxer();
    muxer.begin(NOW_MS, true);
    assert_eq!(push_all(&mut muxer, &[config(), picture(0, true), picture(40, false)], &[]), []);
    assert_eq!(muxer.media(), None);
    let outputs = muxer.push(audio_config(), 0).expect("muxable");
    assert!(muxer.media().expect("tracks").audio.is_some());
    assert_eq!(live(&outputs, Track::Video).len(), 2);
    // When the pictures came is not forgotten.
    let stamps = live(&outputs, Track::Video).into_iter().map(|fragment| fragment.prft.expect("prft").ntp_timestamp);
    assert!(stamps.collect::<Vec<_>>().windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn audio_that_never_comes_delays_the_start_by_a_second() {
    for gop in [5, 100] {
        let mut muxer = muxer();
        muxer.begin(NOW_MS, true);
        let outputs = push_all(&mut muxer, &[config()], &[]);
        assert_eq!(outputs, []);
        for item in pictures(0..25, gop) {
            assert_eq!(push_all(&mut muxer, &[item], &[]), [], "within the first second");
        }
        let outputs = push_all(&mut muxer, &[picture(1000, false)], &[]);
        assert!(matches!(&outputs[0], Output::Generation(media) if media.audio.is_none()));
        assert!(live(&outputs, Track::Video).len() >= 2);
        assert_eq!(live(&push_all(&mut muxer, &[picture(1040, false)], &[]), Track::Video).len(), 1);
    }
}

#[test]
fn audio_whose_pipe_ends_is_given_up_at_once() {
    let mut muxer = muxer();
    muxer.begin(NOW_MS, true);
    assert_eq!(push_all(&mut muxer, &[config(), picture(0, true)], &[]), []);
    assert_eq!(live(&muxer.give_up_audio(), Track::Video).len(), 1);
    assert_eq!(muxer.give_up_audio(), []);
}

#[test]
fn audio_before_the_first_keyframe_waits_for_it() {
    let mut muxer = muxer();
    muxer.begin(NOW_MS, true);
    let audio: Vec<_> = [audio_config()].into_iter().chain(frames(0..20)).collect();
    assert_eq!(push_all(&mut muxer, &[], &audio), []);
    let outputs = push_all(&mut muxer, &[config(), picture(200, true)], &[]);
    // Frames 0 to 9 are from before it.
    assert_eq!(live(&outputs, Track::Audio).len(), 10);
    let start = origin(NOW_MS) * 48_000 / 90_000;
    assert_eq!(live_times(&outputs, Track::Audio)[0], start + 13 * 48);
}

#[test]
fn audio_may_stop() {
    let video: Vec<_> = [config()].into_iter().chain(pictures(0..500, 25)).collect();
    let audio: Vec<_> = [audio_config()].into_iter().chain(frames(0..40)).collect();
    let outputs = mux(&video, &audio);
    assert_eq!(live(&outputs, Track::Video).len(), 500);
    let gops = gops(&outputs);
    assert_eq!(gops.len(), 20);
    assert_eq!(gops[19].0.runs.len(), 1, "video alone");
}

#[test]
fn a_picture_that_ffmpeg_writes_twice_is_taken_once() {
    let video = [config(), picture(0, true), picture(0, true), picture(40, false)];
    let outputs = mux(&video, &[]);
    let start = origin(NOW_MS);
    assert_eq!(live_times(&outputs, Track::Video), [start, start + 3600]);
    assert_eq!(gops(&outputs).len(), 1);
}

#[test]
fn what_holds_no_slice_is_no_sample() {
    // An access unit delimiter, and nothing after: what is left of a camera that is cut off.
    let delimiter = Bytes::from_static(&[0, 0, 0, 2, 0x09, 0xf0]);
    let cut = Item::Video(Sample { dts_ms: 80, cts_ms: 0, sync: false, data: delimiter });
    let outputs = mux(&[config(), picture(0, true), picture(40, false), cut], &[]);
    let start = origin(NOW_MS);
    assert_eq!(live_times(&outputs, Track::Video), [start, start + 3600]);
}

#[test]
fn different_pictures_of_equal_time_are_nudged_apart() {
    let mut second = picture(1, false);
    if let Item::Video(sample) = &mut second {
        sample.dts_ms = 0;
    }
    let outputs = mux(&[config(), picture(0, true), second, picture(40, false)], &[]);
    let start = origin(NOW_MS);
    assert_eq!(live_times(&outputs, Track::Video), [start, start + 90, start + 3600]);
}

#[test]
fn a_long_gop_comes_in_pieces() {
    let video: Vec<_> = [config()].into_iter().chain(pictures(0..750, 600)).collect();
    let gops = gops(&mux(&video, &[]));
    let pieces: Vec<_> = gops.iter().map(|(gop, sync)| (gop.runs[0].samples.len(), *sync)).collect();
    assert_eq!(pieces, [(250, true), (250, false), (100, false), (150, true)]);
}

#[test]
fn a_large_gop_comes_in_pieces() {
    let large = |dts_ms, sync| {
        let mut data = BytesMut::zeroed(700_000);
        data[..4].copy_from_slice(&(700_000_u32 - 4).to_be_bytes());
        data[4] = if sync { 0x65 } else { 0x41 };
        Item::Video(Sample { dts_ms, cts_ms: 0, sync, data: data.freeze() })
    };
    let video: Vec<_> = [config()].into_iter().chain((0..5).map(|at| large(at * 40, at == 0))).collect();
    let outputs = mux(&video, &[]);
    for output in &outputs {
        if let Output::Gop { media, .. } = output {
            assert!(media.len() < 2_000_000);
        }
    }
    let pieces: Vec<_> = gops(&outputs).iter().map(|(gop, sync)| (gop.runs[0].samples.len(), *sync)).collect();
    assert_eq!(pieces, [(2, true), (2, false), (1, false)]);
}

#[test]
fn what_has_to_be_transcoded_is_refused_with_the_reason() {
    #[track_caller]
    fn check(items: &[Item], error: &Error) {
        let mut muxer = muxer();
        muxer.begin(NOW_MS, true);
        let results: Result<Vec<_>, _> = items.iter().map(|item| muxer.push(item.clone(), 0)).collect();
        assert_eq!(results.err().as_ref(), Some(error));
    }
    check(&[Item::UnsupportedAudio(7)], &Error::UnsupportedAudio("FLV sound format 7".into()));
    check(&[Item::UnsupportedVideo(12)], &Error::UnsupportedVideo("FLV codec 12".into()));
    check(
        &[Item::AacConfig(Bytes::from_static(&[0x09, 0x90]))],
        &Error::UnsupportedAudio("unsupported audio object type 1".into()),
    );
    check(&[Item::AvcConfig(Bytes::new())], &Error::UnsupportedVideo("malformed AVCDecoderConfigurationRecord".into()));
    // Annex B where lengths belong.
    let mut broken = picture(0, true);
    if let Item::Video(sample) = &mut broken {
        sample.data = Bytes::from_static(&[0, 0, 0, 1, 0x65, 0x88, 0x84]);
    }
    check(&[config(), broken], &Error::UnsupportedVideo("malformed NAL unit".into()));
}

#[test]
fn a_stream_without_idr_pictures_is_refused_in_time() {
    let mut muxer = muxer();
    muxer.begin(NOW_MS, false);
    push_all(&mut muxer, &[config()], &[]);
    let recovery_point = |dts_ms| {
        let Item::Video(mut sample) = picture(dts_ms, false) else { unreachable!() };
        sample.sync = true;
        Item::Video(sample)
    };
    for second in 0..20 {
        assert_eq!(muxer.push(recovery_point(second * 1000), 0), Ok(vec![]), "no keyframe for browsers");
    }
    assert!(matches!(muxer.push(recovery_point(20_000), 0), Err(Error::UnsupportedVideo(_))));
}

/// Anything that a pipe may bring.
fn any_item() -> impl Strategy<Value = Item> {
    let data = proptest::collection::vec(any::<u8>(), 0..40);
    let step = prop_oneof![8 => 0..120_i64, 1 => -500..500_i64, 1 => any::<i32>().prop_map(i64::from)];
    prop_oneof![
        1 => Just(config()),
        1 => Just(Item::AvcConfig(fixture::avc_config(&fixture::b_frame_video()))),
        1 => Just(audio_config()),
        1 => Just(Item::AacConfig(Bytes::from_static(&[0x12, 0x10]))),
        1 => data.prop_map(|data| Item::Video(Sample { dts_ms: 0, cts_ms: 7, sync: true, data: data.into() })),
        8 => (step.clone(), any::<bool>()).prop_map(|(step, sync)| picture(step, sync)),
        8 => step.prop_map(frame),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_the_output_is_in_order(items in proptest::collection::vec(any_item(), 0..150), runs in 1_usize..4) {
        let mut muxer = muxer();
        let mut now = 0;
        let mut outputs = Vec::new();
        for run in items.chunks(items.len() / runs + 1) {
            outputs.extend(muxer.begin(NOW_MS, true));
            for mut item in run.iter().cloned() {
                if let Item::Video(sample) | Item::Audio(sample) = &mut item {
                    now += sample.dts_ms;
                    sample.dts_ms = now;
                }
                outputs.extend(muxer.push(item, NOW_MS * 1000 + now.unsigned_abs() * 1000).unwrap_or_default());
            }
        }
        let (mut generation, mut numbers, mut times, mut started) = (0, [0; 2], [0; 2], false);
        for output in &outputs {
            match output {
                Output::Generation(media) => {
                    prop_assert!(media.generation > generation);
                    generation = media.generation;
                    (started, times) = (false, [0; 2]);
                }
                Output::Fragment { track, sequence, sync, decode_time, bytes, .. } => {
                    let track = usize::from(*track == Track::Audio);
                    prop_assert!(started || (*sync && track == 0), "begins with a keyframe");
                    started = true;
                    prop_assert!(numbers[track] == 0 || *sequence == numbers[track] + 1);
                    prop_assert!(*decode_time > times[track]);
                    (numbers[track], times[track]) = (*sequence, *decode_time);
                    read(bytes);
                }
                Output::Gop { media, .. } => drop(read(media)),
                Output::Init { .. } => {}
            }
        }
        prop_assert!(muxer.continuation().sequence_number >= numbers[0].max(numbers[1]));
    }
}
