use proptest::prelude::*;

use super::*;
use crate::fixture;

/// A tag as FLV writes it.
fn tag(kind: u8, stamp: u32, body: &[u8]) -> Vec<u8> {
    let mut tag = vec![kind];
    tag.extend(&(body.len() as u32).to_be_bytes()[1..]);
    tag.extend(&stamp.to_be_bytes()[1..]);
    tag.push((stamp >> 24) as u8);
    tag.extend([0, 0, 0]);
    tag.extend(body);
    tag.extend(((TAG_HEADER + body.len()) as u32).to_be_bytes());
    tag
}

fn stream(tags: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00".to_vec();
    stream.extend(tags.concat());
    stream
}

fn read(chunks: &[&[u8]]) -> Result<Vec<Item>, Error> {
    let mut demuxer = Demuxer::new();
    let mut items = Vec::new();
    for chunk in chunks {
        demuxer.space().extend_from_slice(chunk);
        while let Some(item) = demuxer.next()? {
            items.push(item);
        }
    }
    Ok(items)
}

/// Decode times of one picture for each stamp.
fn times(stamps: &[u32]) -> Vec<i64> {
    let tags: Vec<_> = stamps.iter().map(|&stamp| tag(TAG_VIDEO, stamp, &[0x27, 1, 0, 0, 0, 9])).collect();
    let items = read(&[&stream(&tags)]).expect("valid");
    fixture::samples(&items).iter().map(|sample| sample.dts_ms).collect()
}

/// A little of everything, by ffmpeg.
fn recording() -> Vec<u8> {
    let video = ["-f", "lavfi", "-i", "testsrc2=size=32x32:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=16000"];
    let output =
        ["-t", "0.4", "-c:v", "libx264", "-bf", "2", "-g", "5", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "16k"];
    fixture::flv(&[&video[..], &output[..]].concat())
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    let recording = recording();
    let whole = read(&[&recording]).expect("valid");
    assert!(matches!(whole[0], Item::AvcConfig(_)), "{:?}", whole[0]);
    assert!(whole.iter().any(|item| matches!(item, Item::AacConfig(_))));
    assert!(whole.iter().any(|item| matches!(item, Item::Audio(_))));
    assert_eq!(whole.iter().filter(|item| matches!(item, Item::Video(_))).count(), 10);
    for at in 0..recording.len() {
        let (before, after) = recording.split_at(at);
        assert_eq!(read(&[before, after]).expect("valid"), whole, "cut at {at}");
    }
    let bytes: Vec<_> = recording.chunks(1).collect();
    assert_eq!(read(&bytes).expect("valid"), whole);
}

#[test]
fn samples_are_those_that_ffprobe_reads() {
    let recording = recording();
    let items = read(&[&recording]).expect("valid");
    let probe = fixture::probe(&recording);
    for (kind, wanted) in [("video", true), ("audio", false)] {
        let items: Vec<_> = items.iter().filter(|item| matches!(item, Item::Video(_)) == wanted).cloned().collect();
        let samples = fixture::samples(&items);
        let field = |field| fixture::packets(&probe, kind, field);
        assert_eq!(samples.iter().map(|sample| sample.dts_ms).collect::<Vec<_>>(), field("dts"));
        assert_eq!(
            samples.iter().map(|sample| sample.dts_ms + i64::from(sample.cts_ms)).collect::<Vec<_>>(),
            field("pts")
        );
        assert_eq!(samples.iter().map(|sample| sample.data.len() as i64).collect::<Vec<_>>(), field("size"));
    }
    let keyframes =
        probe["packets"].as_array().expect("packets").iter().filter(|packet| packet["codec_type"] == "video");
    let keyframes: Vec<_> = keyframes.map(|packet| packet["flags"].as_str().expect("flags").starts_with('K')).collect();
    let video: Vec<_> =
        items.iter().filter_map(|item| if let Item::Video(sample) = item { Some(sample.sync) } else { None }).collect();
    assert_eq!(video, keyframes);
}

#[test]
fn samples_are_slices_of_what_was_read() {
    let recording = recording();
    let mut demuxer = Demuxer::new();
    demuxer.space().extend_from_slice(&recording);
    let read = demuxer.buffer.as_ptr_range();
    while let Some(item) = demuxer.next().expect("valid") {
        for sample in fixture::samples(&[item]) {
            assert!(read.contains(&sample.data.as_ptr()));
        }
    }
    assert!(demuxer.buffer.is_empty());
}

#[test]
fn audio_that_is_not_aac_is_named() {
    for (codec, format) in [("pcm_alaw", 7), ("pcm_mulaw", 8)] {
        let input = ["-f", "lavfi", "-i", "sine=sample_rate=8000", "-t", "0.2", "-ac", "1", "-c:a", codec];
        let items = fixture::items(&fixture::flv(&input));
        assert!(!items.is_empty());
        assert!(items.iter().all(|item| *item == Item::UnsupportedAudio(format)), "{codec}: {items:?}");
    }
}

#[test]
fn video_that_is_not_h264_is_named() {
    let items =
        fixture::items(&fixture::flv(&["-f", "lavfi", "-i", "testsrc2=size=32x32", "-t", "0.2", "-c:v", "flv1"]));
    assert!(!items.is_empty());
    assert!(items.iter().all(|item| *item == Item::UnsupportedVideo(2)), "{items:?}");
    // Enhanced FLV: a keyframe of "hvc1".
    let enhanced = stream(&[tag(TAG_VIDEO, 0, b"\x90hvc1\x01")]);
    assert!(matches!(read(&[&enhanced]).expect("valid")[..], [Item::UnsupportedVideo(_)]));
}

#[test]
fn h264_without_parameter_sets_is_named() {
    let items = read(&[&stream(&[tag(TAG_VIDEO, 0, &[0x17, 0, 0, 0, 0])])]);
    assert_eq!(items, Ok(vec![Item::UnsupportedVideo(7)]));
}

#[test]
fn the_end_of_a_sequence_is_no_item() {
    let tags = [
        tag(TAG_VIDEO, 0, &[0x17, 2, 0, 0, 0]),
        tag(TAG_SCRIPT, 0, b"\x02"),
        tag(TAG_VIDEO, 0, &[]),
        tag(TAG_AUDIO, 0, &[]),
    ];
    assert_eq!(read(&[&stream(&tags)]), Ok(vec![]));
}

#[test]
fn composition_offsets_are_signed() {
    let offset = |bytes: [u8; 3]| {
        let body = [&[0x27, 1][..], &bytes, &[9]].concat();
        fixture::samples(&read(&[&stream(&[tag(TAG_VIDEO, 0, &body)])]).expect("valid"))[0].cts_ms
    };
    assert_eq!(offset([0, 0, 80]), 80);
    assert_eq!(offset([0xff, 0xff, 0xd8]), -40);
    assert_eq!(offset([0x80, 0, 0]), -(1 << 23));
}

#[test]
fn times_go_on_where_the_counter_wraps() {
    const WRAP: i64 = 1 << 31;
    // ffmpeg's 31 bits, approached in the steps of a stream that runs for weeks.
    assert_eq!(times(&[0, 1 << 29, 1 << 30, 0x7fff_fff0, 16, 56])[3..], [WRAP - 16, WRAP + 16, WRAP + 56]);
    // 32 bits.
    let steps = [0, 1 << 29, 2 << 29, 3 << 29, 4 << 29, 5 << 29, 6 << 29, 7 << 29, 0xffff_fff0, 24];
    assert_eq!(times(&steps)[8..], [2 * WRAP - 16, 2 * WRAP + 24]);
}

#[test]
fn times_may_be_negative_and_go_back() {
    assert_eq!(times(&[0x7fff_ffb0, 0x7fff_ffd8, 0, 40]), [-80, -40, 0, 40]);
    assert_eq!(times(&[600_000, 40, 80]), [600_000, 40, 80]);
}

#[test]
fn broken_streams_are_refused_with_the_reason() {
    #[track_caller]
    fn check(bytes: &[u8], error: Error) {
        assert_eq!(read(&[bytes]), Err(error));
    }
    check(b"\x00\x00\x00\x20ftypisom", Error::NotFlv);
    check(b"G", Error::NotFlv);
    check(b"FLV\x01\x05\x00\x00\x00\x0a\x00\x00\x00\x00", Error::NotFlv);
    check(&stream(&[tag(7, 0, &[])]), Error::UnknownTag(7));
    check(&stream(&[tag(TAG_VIDEO, 0, &[0x17, 1, 0])]), Error::Truncated);
    check(&stream(&[tag(TAG_AUDIO, 0, &[0xaf])]), Error::Truncated);
    // Refused as soon as the header is there: nothing is buffered for it.
    check(&stream(&[b"\x09\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00".to_vec()]), Error::TagTooLarge(0xff_ffff));
    let mut shifted = stream(&[tag(TAG_VIDEO, 0, &[0x27, 1, 0, 0, 0, 9])]);
    let last = shifted.len() - 1;
    shifted[last] += 1;
    check(&shifted, Error::OutOfStep { expected: 17, found: 18 });
}

#[test]
fn an_error_is_final() {
    let mut demuxer = Demuxer::new();
    demuxer.space().extend_from_slice(&stream(&[tag(7, 0, &[]), tag(TAG_AUDIO, 0, &[0xaf, 1, 9])]));
    assert_eq!(demuxer.next(), Err(Error::UnknownTag(7)));
    assert_eq!(demuxer.next(), Err(Error::UnknownTag(7)));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), valid_header: bool) {
        let bytes = if valid_header { stream(&[bytes]) } else { bytes };
        let _ = read(&[&bytes]);
    }

    #[test]
    fn random_tags_never_panic(
        tags in proptest::collection::vec((0_u8..20, any::<u32>(), proptest::collection::vec(any::<u8>(), 0..20)), 0..20),
    ) {
        let tags: Vec<_> = tags.into_iter().map(|(kind, stamp, body)| tag(kind, stamp, &body)).collect();
        let _ = read(&[&stream(&tags)]);
    }
}
