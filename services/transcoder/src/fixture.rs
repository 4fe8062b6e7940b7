//! Real media for tests: what ffmpeg writes, and what ffprobe and an independent parser read.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use bytes::Bytes;
use mp4_atom::{Any, Buf as _, DecodeMaybe as _};

use crate::flv::{Demuxer, Item, Sample};

/// What ffmpeg writes to a pipe with these arguments, by the same muxer and flags as in production.
#[track_caller]
pub(crate) fn flv(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error"])
        .args(arguments)
        .args(["-flush_packets", "1", "-flvflags", "no_duration_filesize+no_metadata", "-f", "flv", "pipe:1"])
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "ffmpeg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// FLV of a moving picture, `seconds` long, at 25 frames a second with two keyframes a second; `encoder` has further
/// options of libx264.
#[track_caller]
pub(crate) fn video(size: &str, seconds: &str, encoder: &[&str]) -> Vec<u8> {
    let input = format!("testsrc2=size={size}:rate=25");
    let mut arguments = vec!["-f", "lavfi", "-i", &input, "-t", seconds, "-pix_fmt", "yuv420p", "-c:v", "libx264"];
    arguments.extend(["-preset", "ultrafast", "-bf", "0", "-g", "12", "-keyint_min", "12", "-sc_threshold", "0"]);
    arguments.extend(encoder);
    flv(&arguments)
}

/// FLV of a tone in AAC, `seconds` long.
#[track_caller]
pub(crate) fn audio(rate: &str, seconds: &str) -> Vec<u8> {
    let input = format!("sine=frequency=440:sample_rate={rate}");
    flv(&["-f", "lavfi", "-i", &input, "-t", seconds, "-c:a", "aac", "-b:a", "64k"])
}

/// All that is in a stream.
#[track_caller]
pub(crate) fn items(flv: &[u8]) -> Vec<Item> {
    let mut demuxer = Demuxer::new();
    demuxer.space().extend_from_slice(flv);
    let mut items = Vec::new();
    while let Some(item) = demuxer.next().expect("ffmpeg writes FLV") {
        items.push(item);
    }
    items
}

/// Two seconds of 320x180 without B-frames.
pub(crate) fn plain_video() -> Vec<Item> {
    static FLV: OnceLock<Vec<u8>> = OnceLock::new();
    items(FLV.get_or_init(|| video("320x180", "2", &["-profile:v", "baseline"])))
}

/// Two seconds of 640x360 with B-frames.
pub(crate) fn b_frame_video() -> Vec<Item> {
    static FLV: OnceLock<Vec<u8>> = OnceLock::new();
    items(FLV.get_or_init(|| video("640x360", "2", &["-bf", "2", "-b_strategy", "0", "-profile:v", "main"])))
}

/// Two seconds at 48 kHz.
pub(crate) fn plain_audio() -> Vec<Item> {
    static FLV: OnceLock<Vec<u8>> = OnceLock::new();
    items(FLV.get_or_init(|| audio("48000", "2")))
}

/// The first item that is an `AVCDecoderConfigurationRecord`.
#[track_caller]
pub(crate) fn avc_config(items: &[Item]) -> Bytes {
    let config =
        items.iter().find_map(|item| if let Item::AvcConfig(record) = item { Some(record.clone()) } else { None });
    config.expect("a configuration")
}

/// The samples among the items.
pub(crate) fn samples(items: &[Item]) -> Vec<Sample> {
    let sample = |item: &Item| match item {
        Item::Video(sample) | Item::Audio(sample) => Some(sample.clone()),
        _ => None,
    };
    items.iter().filter_map(sample).collect()
}

/// The boxes of a file as mp4-atom reads them.
#[track_caller]
pub(crate) fn boxes(mut file: &[u8]) -> Vec<Any> {
    let mut boxes = Vec::new();
    while file.has_remaining() {
        boxes.push(Any::decode_maybe(&mut file).expect("a readable box").expect("a whole box"));
    }
    boxes
}

/// What ffprobe says about media.
#[track_caller]
pub(crate) fn probe(media: &[u8]) -> serde_json::Value {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(media).expect("written");
    let output = Command::new("ffprobe")
        .args(["-loglevel", "warning", "-of", "json", "-count_frames", "-show_streams", "-show_packets"])
        .arg(file.path())
        .stdin(Stdio::null())
        .output()
        .expect("ffprobe runs");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "ffprobe has nothing to complain of");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A field of all packets of a kind ("video", "audio") in a [`probe`].
#[track_caller]
pub(crate) fn packets(probe: &serde_json::Value, kind: &str, field: &str) -> Vec<i64> {
    let packets = probe["packets"].as_array().expect("packets").iter().filter(|packet| packet["codec_type"] == kind);
    let number = |value: &serde_json::Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    packets.map(|packet| number(&packet[field]).unwrap_or_else(|| panic!("no {field} in {packet}"))).collect()
}

/// The stream of a kind in a [`probe`].
#[track_caller]
pub(crate) fn stream<'a>(probe: &'a serde_json::Value, kind: &str) -> &'a serde_json::Value {
    let mut streams = probe["streams"].as_array().expect("streams").iter();
    streams.find(|stream| stream["codec_type"] == kind).expect("such a stream")
}
