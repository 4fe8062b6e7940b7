//! What ffprobe reads and decodes of it.

use super::*;

/// Init segment and fragments of a live topic.
fn topic(outputs: &[Output], wanted: Track) -> Vec<u8> {
    let part = |output: &Output| match output {
        Output::Init { track, bytes } | Output::Fragment { track, bytes, .. } if *track == wanted => {
            Some(bytes.clone())
        }
        _ => None,
    };
    outputs.iter().filter_map(part).collect::<Vec<_>>().concat()
}

/// What a reply viewer appends.
fn reply(outputs: &[Output]) -> Vec<u8> {
    let mut parts = Vec::new();
    for output in outputs {
        if let Output::Gop { init, media, .. } = output {
            if parts.is_empty() {
                parts.push(init.clone());
            }
            parts.push(media.clone());
        }
    }
    parts.concat()
}

/// Checks that a file has the very pictures, at their times, and that they decode.
#[track_caller]
fn check_video(file: &[u8], source: &[Item], size: (u32, u32)) {
    let probe = fixture::probe(file);
    let stream = fixture::stream(&probe, "video");
    assert_eq!(stream["codec_name"], "h264");
    assert_eq!((stream["width"].as_u64(), stream["height"].as_u64()), (Some(size.0.into()), Some(size.1.into())));
    let samples = fixture::samples(source);
    assert_eq!(stream["nb_read_frames"], samples.len().to_string(), "all frames decode");
    let start = origin(NOW_MS) as i64 - samples[0].dts_ms * 90;
    let decode: Vec<_> = samples.iter().map(|sample| start + sample.dts_ms * 90).collect();
    let presentation: Vec<_> =
        samples.iter().map(|sample| start + (sample.dts_ms + i64::from(sample.cts_ms)) * 90).collect();
    assert_eq!(fixture::packets(&probe, "video", "dts"), decode);
    assert_eq!(fixture::packets(&probe, "video", "pts"), presentation);
}

#[track_caller]
fn check_audio(file: &[u8], source: &[Item]) {
    let probe = fixture::probe(file);
    let stream = fixture::stream(&probe, "audio");
    assert_eq!(stream["codec_name"], "aac");
    assert_eq!(stream["sample_rate"], "48000");
    let samples = fixture::samples(source);
    assert_eq!(stream["nb_read_frames"], samples.len().to_string(), "all frames decode");
    let start = (origin(NOW_MS) * 48_000 / 90_000) as i64;
    let counted: Vec<_> = (0..samples.len() as i64).map(|frame| start + frame * 1024).collect();
    assert_eq!(fixture::packets(&probe, "audio", "dts"), counted);
}

#[test]
fn sound_and_picture_are_read_on_both_paths() {
    let (video, audio) = (fixture::plain_video(), fixture::plain_audio());
    let outputs = mux(&video, &audio);
    check_video(&topic(&outputs, Track::Video), &video, (320, 180));
    check_audio(&topic(&outputs, Track::Audio), &audio);
    let whole = reply(&outputs);
    check_video(&whole, &video, (320, 180));
    check_audio(&whole, &audio);
}

#[test]
fn a_silent_stream_is_read() {
    let video = fixture::plain_video();
    let outputs = mux(&video, &[]);
    check_video(&topic(&outputs, Track::Video), &video, (320, 180));
    check_video(&reply(&outputs), &video, (320, 180));
}

#[test]
fn b_frames_are_read() {
    let video = fixture::b_frame_video();
    assert!(fixture::samples(&video).iter().any(|sample| sample.cts_ms != 0), "there are some");
    let outputs = mux(&video, &[]);
    check_video(&topic(&outputs, Track::Video), &video, (640, 360));
    check_video(&reply(&outputs), &video, (640, 360));
}

#[test]
fn sound_and_picture_stay_together_when_their_times_begin_before_zero() {
    // B-frames and the encoder's priming do that; each pipe would be shifted by itself if ffmpeg were let.
    let common = ["-t", "1", "-avoid_negative_ts", "disabled"];
    let picture =
        ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-c:v", "libx264", "-bf", "2", "-b_strategy", "0"];
    let sound = ["-f", "lavfi", "-i", "sine=sample_rate=48000", "-c:a", "aac"];
    let pixels = ["-pix_fmt", "yuv420p"];
    let video = fixture::items(&fixture::flv(&[&picture[..], &pixels, &common].concat()));
    let audio = fixture::items(&fixture::flv(&[&sound[..], &common].concat()));
    let first = |items: &[Item]| fixture::samples(items)[0].clone();
    assert_eq!((first(&video).dts_ms, first(&video).cts_ms, first(&audio).dts_ms), (-80, 80, -21));

    let probe = fixture::probe(&reply(&mux(&video, &audio)));
    let shown = fixture::packets(&probe, "video", "pts")[0] * 1000 / 90_000;
    let heard = fixture::packets(&probe, "audio", "pts")[1] * 1000 / 48_000;
    assert!((shown - heard).abs() <= 1, "both at zero: {shown} {heard}");
}

#[test]
fn durations_of_whole_gops_add_up() {
    let probe = fixture::probe(&reply(&mux(&fixture::plain_video(), &fixture::plain_audio())));
    for (kind, length) in [("video", 50 * 3600), ("audio", 0)] {
        let (times, durations) = (fixture::packets(&probe, kind, "dts"), fixture::packets(&probe, kind, "duration"));
        for (pair, duration) in times.windows(2).zip(&durations) {
            assert_eq!(pair[1] - pair[0], *duration);
        }
        assert!(length == 0 || durations.iter().sum::<i64>() == length);
    }
}

#[test]
fn audio_shorter_or_longer_than_video_is_read() {
    let (video, audio) = (fixture::plain_video(), fixture::plain_audio());
    let short: Vec<_> = audio[..30].to_vec();
    let outputs = mux(&video, &short);
    check_video(&reply(&outputs), &video, (320, 180));
    check_audio(&reply(&outputs), &short);

    let few: Vec<_> = video[..20].to_vec();
    let outputs = mux(&few, &audio);
    check_video(&reply(&outputs), &few, (320, 180));
    check_audio(&reply(&outputs), &audio);
}

#[test]
fn a_generation_of_another_size_is_read_where_the_last_one_ended() {
    let (small, large, audio) = (fixture::plain_video(), fixture::b_frame_video(), fixture::plain_audio());
    let mut muxer = muxer();
    muxer.begin(NOW_MS, true);
    let mut first = push_all(&mut muxer, &small, &audio);
    first.extend(muxer.begin(NOW_MS + 4000, true));
    let continues_at = muxer.continuation().decode_time as i64;
    let mut second = push_all(&mut muxer, &large, &audio);
    second.extend(muxer.begin(NOW_MS + 8000, true));
    for file in [reply(&second), topic(&second, Track::Video)] {
        let probe = fixture::probe(&file);
        let stream = fixture::stream(&probe, "video");
        assert_eq!((stream["width"].as_u64(), stream["height"].as_u64()), (Some(640), Some(360)));
        assert_eq!(stream["nb_read_frames"], "50");
        assert_eq!(fixture::packets(&probe, "video", "dts")[0], continues_at);
    }
    let end = |outputs: &[Output], kind, rate: i64| {
        let probe = fixture::probe(&reply(outputs));
        let (times, durations) = (fixture::packets(&probe, kind, "dts"), fixture::packets(&probe, kind, "duration"));
        (times.last().expect("packets") + durations.last().expect("packets")) * 90_000 / rate
    };
    assert_eq!(continues_at, end(&first, "video", 90_000).min(end(&first, "audio", 48_000)));
}

#[test]
fn a_live_stream_that_is_joined_at_a_keyframe_is_read() {
    let outputs = mux(&fixture::plain_video(), &fixture::plain_audio());
    let mut gop = crate::gop::Gop::default();
    for output in &outputs {
        gop.push(output);
    }
    let groups = gop.catch_up(false);
    for (kind, track, frames) in [("video", Track::Video, "2"), ("audio", Track::Audio, "")] {
        let parts = groups.iter().filter(|group| group.track == track).flat_map(|group| group.fragments.clone());
        let probe = fixture::probe(&parts.collect::<Vec<_>>().concat());
        let read = &fixture::stream(&probe, kind)["nb_read_frames"];
        assert!(frames.is_empty() || read == frames, "{read}");
    }
}
