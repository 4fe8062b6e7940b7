use bytes::Bytes;

use super::*;
use crate::fmp4::{Media, Video};

fn generation() -> Output {
    let video = Video { codec: "avc1.42C01E".into(), width: 320, height: 240 };
    Output::Generation(Media { generation: 1, video, audio: None })
}

fn init(track: Track) -> Output {
    Output::Init { track, bytes: Bytes::from(format!("{track:?} init")) }
}

fn fragment(track: Track, sequence: u32, sync: bool, milliseconds: u64) -> Output {
    let bytes = Bytes::from(format!("{track:?} {sequence}"));
    Output::Fragment { track, sequence, sync, decode_time: milliseconds * 90, reached_us: None, bytes }
}

fn video(sequence: u32, sync: bool, milliseconds: u64) -> Output {
    fragment(Track::Video, sequence, sync, milliseconds)
}

fn audio(sequence: u32, milliseconds: u64) -> Output {
    fragment(Track::Audio, sequence, true, milliseconds)
}

fn whole(media: &'static str, sync: bool) -> Output {
    Output::Gop { init: Bytes::from_static(b"init"), media: Bytes::from_static(media.as_bytes()), sequence: 0, sync }
}

fn gop(outputs: impl IntoIterator<Item = Output>) -> Gop {
    let mut gop = Gop::default();
    for output in outputs {
        gop.push(&output);
    }
    gop
}

/// The burst, a line for each group.
fn burst(gop: &Gop, video_only: bool) -> Vec<String> {
    let text = |group: &Group| {
        group.fragments.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect::<Vec<_>>().join(", ")
    };
    gop.catch_up(video_only).iter().map(text).collect()
}

#[test]
fn who_joins_gets_init_segments_and_the_gop_so_far() {
    let beginning = [generation(), init(Track::Video), init(Track::Audio)];
    let media = [
        video(1, true, 0),
        audio(1, 0),
        video(2, false, 40),
        audio(2, 21),
        audio(3, 43),
        audio(4, 64),
        audio(5, 85),
        video(3, true, 80),
        video(4, false, 120),
        audio(6, 107),
    ];
    let gop = gop(beginning.into_iter().chain(media));
    // Audio 4 sounds on into the second GOP, and audio 5 came before its keyframe.
    let expected = ["Video init", "Audio init", "Video 3, Video 4", "Audio 4, Audio 5, Audio 6"];
    assert_eq!(burst(&gop, false), expected);
    assert_eq!(burst(&gop, true), ["Video init", "Video 3, Video 4"]);
}

#[test]
fn there_is_always_audio_to_splice_at() {
    let beginning =
        [generation(), init(Track::Video), init(Track::Audio), video(1, true, 0), audio(1, 0), audio(2, 21)];
    let gop = gop(beginning.into_iter().chain([video(2, true, 5000), video(3, false, 5040)]));
    assert_eq!(burst(&gop, false)[3], "Audio 2");
}

#[test]
fn nothing_is_there_before_the_first_generation() {
    assert_eq!(burst(&Gop::default(), false), [""; 0]);
    assert_eq!(Gop::default().last_whole(), None);
}

#[test]
fn a_generation_forgets_the_last_one() {
    let first =
        [generation(), init(Track::Video), init(Track::Audio), video(1, true, 0), audio(1, 0), whole("one", true)];
    let gop = gop(first.into_iter().chain([generation(), init(Track::Video), video(2, true, 40)]));
    assert_eq!(burst(&gop, false), ["Video init", "Video 2"]);
    assert_eq!(gop.last_whole(), None);
}

#[test]
fn the_last_whole_gop_includes_its_pieces() {
    let media = |gop: &Gop| gop.last_whole().map(|whole| whole.media.concat());
    let mut gop = gop([generation(), whole("lost", false)]);
    assert_eq!(media(&gop), None, "what its keyframe is missing for is of no use");
    for (output, expected) in [(whole("a", true), "a"), (whole("b", false), "ab"), (whole("c", true), "c")] {
        gop.push(&output);
        assert_eq!(media(&gop).as_deref(), Some(expected.as_bytes()));
    }
}

#[test]
fn memory_is_bounded() {
    let large = |sync, sequence: u32| Output::Fragment {
        track: Track::Video,
        sequence,
        sync,
        decode_time: u64::from(sequence) * 3600,
        reached_us: None,
        bytes: Bytes::from(vec![0; 1 << 20]),
    };
    let mut gop = gop([generation(), init(Track::Video), init(Track::Audio), large(true, 0)]);
    for sequence in 1..40 {
        gop.push(&large(false, sequence));
        gop.push(&audio(sequence, u64::from(sequence) * 40));
        let kept: usize = gop.catch_up(false).iter().flat_map(|group| &group.fragments).map(Bytes::len).sum();
        assert!(kept <= MAX_BYTES + 1000);
    }
    assert_eq!(burst(&gop, false), ["Video init", "Audio init", "Audio 39"], "who joins waits for a keyframe");
    gop.push(&video(40, true, 1600));
    assert_eq!(burst(&gop, true), ["Video init", "Video 40"]);

    let piece = |sync| Output::Gop { init: Bytes::new(), media: Bytes::from(vec![0; 3 << 20]), sequence: 0, sync };
    gop.push(&piece(true));
    for _ in 0..10 {
        gop.push(&piece(false));
    }
    assert_eq!(gop.last_whole(), None);
}
