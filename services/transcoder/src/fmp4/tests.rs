use bytes::Bytes;
use mp4_atom::{Any, Codec};
use proptest::prelude::*;

use super::codecs::{Aac, Avc, Error};
use super::*;
use crate::fixture;

#[track_caller]
fn encoded(size: &str, encoder: &[&str]) -> Result<Avc, Error> {
    Avc::parse(fixture::avc_config(&fixture::items(&fixture::video(size, "0.04", encoder))))
}

#[test]
fn codec_strings_and_sizes_are_those_of_the_encoder() {
    #[track_caller]
    fn check(size: &str, encoder: &[&str], codec: &str, expected: (u32, u32)) {
        let avc = encoded(size, encoder).expect("supported");
        assert_eq!(avc.codec(), codec);
        assert_eq!((avc.width, avc.height), expected);
    }
    check("320x240", &["-profile:v", "baseline", "-level", "3.0"], "avc1.42C01E", (320, 240));
    check("640x360", &["-preset", "veryfast", "-profile:v", "main", "-level", "3.1"], "avc1.4D401F", (640, 360));
    check("1280x720", &["-preset", "veryfast", "-profile:v", "high", "-level", "4.1"], "avc1.640029", (1280, 720));
    // Cropped, and as well when rows count in fields.
    check("1920x1080", &["-profile:v", "baseline"], "avc1.42C028", (1920, 1080));
    check("322x182", &["-coder", "1", "-profile:v", "main"], "avc1.4D400D", (322, 182));
    check("720x572", &["-x264-params", "interlaced=1:cabac=1", "-profile:v", "main"], "avc1.4D401E", (720, 572));
    // Scaling lists before the size.
    check(
        "320x240",
        &["-preset", "veryfast", "-x264-params", "cqm=jvt", "-profile:v", "high"],
        "avc1.64000D",
        (320, 240),
    );
}

#[test]
fn the_shape_of_pixels_is_read() {
    let aspect = |encoder: &[&str]| encoded("352x288", encoder).expect("supported").pixel_aspect;
    assert_eq!(aspect(&["-vf", "setsar=12/11"]), Some((12, 11)));
    assert_eq!(aspect(&["-vf", "setsar=7/5"]), Some((7, 5)));
    assert_eq!(aspect(&["-vf", "setsar=0"]), None);
    // So many zero bits in a row that the encoder has to insert an emulation prevention byte.
    assert_eq!(aspect(&["-bsf:v", "h264_metadata=sample_aspect_ratio=256/1"]), Some((256, 1)));
}

#[test]
fn video_that_browsers_do_not_decode_is_refused() {
    for encoder in [["-pix_fmt", "yuv422p"], ["-pix_fmt", "yuv444p"], ["-pix_fmt", "yuv420p10le"], ["-pix_fmt", "gray"]]
    {
        let refused = encoded("64x64", &encoder);
        assert!(matches!(refused, Err(Error::Unsupported(_))), "{encoder:?}: {refused:?}");
    }
}

#[test]
fn audio_configurations_are_read() {
    #[track_caller]
    fn check(config: &'static [u8], codec: &str, sample_rate: u32, core_rate: u32, channels: u32, frame_length: u32) {
        let aac = Aac::parse(Bytes::from_static(config)).expect("supported");
        assert_eq!(aac.codec(), codec);
        assert_eq!((aac.sample_rate, aac.core_rate), (sample_rate, core_rate));
        assert_eq!((aac.channels, aac.frame_length), (channels, frame_length));
    }
    check(&[0x11, 0x90], "mp4a.40.2", 48_000, 48_000, 2, 1024);
    check(&[0x15, 0x88], "mp4a.40.2", 8_000, 8_000, 1, 1024);
    check(&[0x12, 0x14], "mp4a.40.2", 44_100, 44_100, 2, 960);
    // Frequency by value: 16,000 Hz.
    check(&[0x17, 0x80, 0x1f, 0x40, 0x08, 0x00], "mp4a.40.2", 16_000, 16_000, 1, 1024);
    // HE-AAC: hierarchical; with a backward compatible extension it is, by name, its core; version 2 makes stereo of
    // mono.
    check(&[0x2b, 0x09, 0x88, 0x00], "mp4a.40.5", 48_000, 24_000, 1, 1024);
    check(&[0x13, 0x08, 0x56, 0xe5, 0x98], "mp4a.40.2", 24_000, 24_000, 1, 1024);
    check(&[0xeb, 0x09, 0x88, 0x00], "mp4a.40.29", 48_000, 24_000, 2, 1024);
}

#[test]
fn audio_that_browsers_do_not_decode_is_refused() {
    // AAC Main, AAC-LD (escaped), channels by a program configuration, a reserved frequency.
    for config in [&[0x09, 0x90][..], &[0xba, 0x60], &[0x11, 0x80], &[0x16, 0x90]] {
        assert!(Aac::parse(Bytes::from_static(config)).is_err(), "{config:x?}");
    }
    assert_eq!(Aac::parse(Bytes::new()), Err(Error::Malformed("AudioSpecificConfig")));
}

#[test]
fn an_independent_parser_reads_the_init_segment() {
    let avc = encoded("322x182", &["-vf", "setsar=12/11"]).expect("supported");
    let aac = Aac::parse(Bytes::from_static(&[0x12, 0x10])).expect("supported");
    let segment = init::segment(Some(&avc), Some(&aac));
    let [Any::Ftyp(_), Any::Moov(moov)] = &fixture::boxes(&segment)[..] else {
        panic!("ftyp and moov");
    };
    let [video, audio] = &moov.trak[..] else {
        panic!("two tracks");
    };
    assert_eq!((video.tkhd.track_id, audio.tkhd.track_id), (1, 2));
    assert_eq!((video.mdia.mdhd.timescale, audio.mdia.mdhd.timescale), (90_000, 44_100));
    let Codec::Avc1(avc1) = &video.mdia.minf.stbl.stsd.codecs[0] else {
        panic!("avc1");
    };
    assert_eq!((avc1.visual.width, avc1.visual.height), (322, 182));
    assert_eq!(avc1.pasp.as_ref().map(|pasp| (pasp.h_spacing, pasp.v_spacing)), Some((12, 11)));
    assert!(segment.windows(avc.record.len()).any(|window| window == avc.record));
    let Codec::Mp4a(mp4a) = &audio.mdia.minf.stbl.stsd.codecs[0] else {
        panic!("mp4a");
    };
    assert_eq!(mp4a.audio.channel_count, 2);
    let decoder = &mp4a.esds.es_desc.dec_config;
    assert_eq!((decoder.object_type_indication, decoder.stream_type), (0x40, 5));
    let specific = decoder.dec_specific.as_ref().expect("an AudioSpecificConfig");
    assert_eq!((specific.profile, specific.freq_index, specific.chan_conf), (2, 4, 2));
}

#[test]
fn init_segments_state_no_duration() {
    let avc = encoded("64x64", &[]).expect("supported");
    let segment = init::segment(Some(&avc), None);
    let Some(Any::Moov(moov)) = fixture::boxes(&segment).into_iter().nth(1) else {
        panic!("moov");
    };
    assert_eq!(moov.mvhd.duration, 0);
    let [track] = &moov.trak[..] else { panic!("one track") };
    assert_eq!((track.tkhd.duration, track.mdia.mdhd.duration), (0, 0));
    assert!(track.edts.is_none());
    let mvex = moov.mvex.expect("mvex");
    assert!(mvex.mehd.is_none());
    assert_eq!(mvex.trex.len(), 1);
}

#[test]
fn mime_types_name_the_tracks_that_are_there() {
    let video = Video { codec: "avc1.42C01E".into(), width: 320, height: 240 };
    let audio = Audio { codec: "mp4a.40.2".into(), sample_rate: 48_000, channels: 2 };
    assert_eq!(video.mime_codec(), r#"video/mp4; codecs="avc1.42C01E""#);
    assert_eq!(audio.mime_codec(), r#"audio/mp4; codecs="mp4a.40.2""#);
    let mut media = Media { generation: 1, video, audio: Some(audio) };
    assert_eq!(media.mime_codec(), r#"video/mp4; codecs="avc1.42C01E, mp4a.40.2""#);
    media.audio = None;
    assert_eq!(media.mime_codec(), r#"video/mp4; codecs="avc1.42C01E""#);
}

#[test]
fn in_band_parameter_sets_replace_the_configuration_only_when_they_differ() {
    let repeated = &["-bsf:v", "dump_extra=freq=keyframe", "-preset", "veryfast"];
    for (profile, size) in [("baseline", "160x96"), ("high", "320x176")] {
        let items = fixture::items(&fixture::video(size, "0.6", &[&repeated[..], &["-profile:v", profile]].concat()));
        let own = Avc::parse(fixture::avc_config(&items)).expect("supported");
        let other = encoded("64x64", &[]).expect("supported");
        for sample in fixture::samples(&items) {
            let by_own = own.access_unit(&sample.data).expect("whole NAL units").expect("a picture");
            assert_eq!((by_own.idr, by_own.config), (sample.sync, None));
            let by_other = other.access_unit(&sample.data).expect("whole NAL units").expect("a picture");
            assert_eq!(by_other.idr, sample.sync);
            // ffmpeg's own record is what has to come out.
            let expected = sample.sync.then(|| own.clone());
            assert_eq!(by_other.config, expected);
        }
    }
}

#[test]
fn a_sample_that_is_not_whole_nal_units_is_refused() {
    let avc = encoded("64x64", &[]).expect("supported");
    for data in [&[0, 0, 0, 1, 0x65, 0x88][..], &[0, 0, 0, 9, 0x65], &[0, 0]] {
        assert!(avc.access_unit(&Bytes::from_static(data)).is_err(), "{data:x?}");
    }
}

/// A video configuration of the least size, for tests that change it.
fn record() -> Vec<u8> {
    static RECORD: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
    RECORD.get_or_init(|| encoded("64x64", &[]).expect("supported").record).to_vec()
}

proptest! {
    #[test]
    fn random_configurations_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Aac::parse(bytes.clone().into());
        let _ = Avc::parse(bytes.into());
    }

    #[test]
    fn damaged_configurations_never_panic(at in 0_usize..64, value: u8, cut in 0_usize..64) {
        let mut record = record();
        let length = record.len();
        record[at % length] = value;
        record.truncate(length - cut % length);
        if let Ok(avc) = Avc::parse(record.into()) {
            prop_assert!(avc.width > 0 && avc.height > 0 && avc.width <= 16_384 && avc.height <= 32_768);
        }
    }

    #[test]
    fn random_samples_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
        unit in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let avc = Avc::parse(record().into()).expect("supported");
        let _ = avc.access_unit(&bytes.into());
        let others = [0, 0, 0, 1, 0x68, 0, 0, 0, 1, 0x65];
        let sets = [&[0, 0, 0, unit.len() as u8 + 1, 0x67][..], &unit, &others].concat();
        let _ = avc.access_unit(&Bytes::from(sets));
    }
}
