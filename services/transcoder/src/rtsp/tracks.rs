//! From frames of RTP to the items that the muxer takes, as if ffmpeg had written them.
//!
//! RTP says when a picture is to be shown and not when it is to be decoded. Where the two differ, in streams with pictures
//! that refer forwards, ffmpeg has to find it out. Tracks run on clocks of their own; once the camera has said in sender
//! reports (RFC 3550, section 6.4.1) how they relate, audio is shifted to where it belongs. Pure.

use bytes::Bytes;
use retina::client::{Playing, Session, Stream};
use retina::codec::{AudioFrame, ParametersRef, VideoFrame};
use retina::rtcp::ReceivedCompoundPacket;
use retina::{NtpTimestamp, Timestamp};

use crate::flv::{Item, Sample};

/// Smaller shifts are within what clocks and reports of cameras are good for.
const TOLERANCE_MS: i64 = 40;

/// The codecs of FLV that the muxer knows to be unfit.
const FLV_HEVC: u8 = 12;
const FLV_PCMA: u8 = 7;
const FLV_PCMU: u8 = 8;
const FLV_OTHER: u8 = 15;

/// What was made of one frame.
pub(super) type Items = [Option<Item>; 2];

/// The tracks of one session.
#[derive(Debug)]
pub(super) struct Tracks {
    video: usize,
    audio: Option<usize>,
    configured: [bool; 2],
    last_video_ms: Option<i64>,
    /// Wall clock of the camera minus time of the track, in milliseconds, as last reported.
    origins: [Option<i64>; 2],
    shift_ms: i64,
}

impl Tracks {
    /// The tracks that play; the error says why somebody else has to read them.
    pub(super) fn of(session: &Session<Playing>, audio: Option<usize>) -> Result<Self, String> {
        let video = session.streams().iter().position(|stream| stream.media() == "video").ok_or("no video track")?;
        Ok(Self { video, audio, configured: [false; 2], last_video_ms: None, origins: [None; 2], shift_ms: 0 })
    }

    /// A picture.
    pub(super) fn video(&mut self, frame: &VideoFrame, streams: &[Stream]) -> Result<Items, String> {
        if frame.stream_id() != self.video {
            return Ok([None, None]);
        }
        let stream = &streams[self.video];
        if stream.encoding_name() != "h264" {
            return Ok([Some(Item::UnsupportedVideo(FLV_HEVC)), None]);
        }
        let dts_ms = milliseconds(frame.timestamp());
        if self.last_video_ms.replace(dts_ms).is_some_and(|last| dts_ms < last) {
            return Err("pictures come in another order than they are shown".to_owned());
        }
        let config = match stream.parameters() {
            Some(ParametersRef::Video(parameters)) if frame.has_new_parameters() || !self.configured[0] => {
                self.configured[0] = true;
                Some(Item::AvcConfig(Bytes::copy_from_slice(parameters.extra_data())))
            }
            _ => None,
        };
        let data = Bytes::copy_from_slice(frame.data());
        let picture = Item::Video(Sample { dts_ms, cts_ms: 0, sync: frame.is_random_access_point(), data });
        Ok([config, Some(picture)])
    }

    /// A frame of audio.
    pub(super) fn audio(&mut self, frame: &AudioFrame, streams: &[Stream]) -> Items {
        let Some(audio) = self.audio.filter(|audio| *audio == frame.stream_id()) else { return [None, None] };
        let stream = &streams[audio];
        let unfit = match stream.encoding_name() {
            "mpeg4-generic" => None,
            "pcma" => Some(FLV_PCMA),
            "pcmu" => Some(FLV_PCMU),
            _ => Some(FLV_OTHER),
        };
        if let Some(codec) = unfit {
            return [Some(Item::UnsupportedAudio(codec)), None];
        }
        let config = match stream.parameters() {
            Some(ParametersRef::Audio(parameters)) if !self.configured[1] => {
                self.configured[1] = true;
                Some(Item::AacConfig(Bytes::copy_from_slice(parameters.extra_data())))
            }
            _ => None,
        };
        let dts_ms = milliseconds(frame.timestamp()) + self.shift_ms;
        let sample = Sample { dts_ms, cts_ms: 0, sync: true, data: Bytes::copy_from_slice(frame.data()) };
        [config, Some(Item::Audio(sample))]
    }

    /// Reports of the camera.
    pub(super) fn rtcp(&mut self, packet: &ReceivedCompoundPacket) {
        let Some(time) = packet.rtp_timestamp() else { return };
        let report = packet.pkts().find_map(|one| one.as_sender_report().ok().flatten());
        let Some(report) = report else { return };
        let track = match packet.stream_id() {
            id if id == self.video => 0,
            id if Some(id) == self.audio => 1,
            _ => return,
        };
        self.origins[track] = Some(unix_milliseconds(report.ntp_timestamp()) - milliseconds(time));
        if let [Some(video), Some(audio)] = self.origins
            && (audio - video - self.shift_ms).abs() > TOLERANCE_MS
        {
            self.shift_ms = audio - video;
        }
    }
}

fn milliseconds(time: Timestamp) -> i64 {
    let rate = i128::from(time.clock_rate().get());
    i64::try_from((i128::from(time.elapsed()) * 1000 + rate / 2).div_euclid(rate)).unwrap_or(i64::MAX)
}

/// NTP counts seconds from 1900 in the upper half, and fractions of them in the lower one.
fn unix_milliseconds(time: NtpTimestamp) -> i64 {
    let since = time.0.wrapping_sub(retina::UNIX_EPOCH.0);
    let (seconds, fraction) = (since >> 32, since & 0xffff_ffff);
    (seconds * 1000 + ((fraction * 1000) >> 32)) as i64
}
