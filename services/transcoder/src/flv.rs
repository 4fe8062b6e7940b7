//! Demuxes the FLV that ffmpeg writes to a pipe into samples.
//!
//! FLV is what stands between ffmpeg and our own muxer, because its muxer adds no delay of its own. The demuxer is
//! sans-I/O: bytes go in by [`Demuxer::space`], items come out of [`Demuxer::next`], at whatever places the pipe cuts
//! them. Samples are slices of the buffer that was read into; nothing is copied. One demuxer reads one run of ffmpeg;
//! an error is final.
//!
//! It does not interpret codec configurations, does not reorder, and knows no timeline but the one that ffmpeg wrote:
//! timestamps are only unwrapped, as FLV counts milliseconds in 31 bits.

use bytes::{Buf, Bytes, BytesMut};

/// Largest tag that is taken: several times the largest sane keyframe. Bounds the buffer.
const MAX_TAG: usize = 8 << 20;

/// What is read into at once, as much as a Linux pipe holds. Samples are cut from it until little is left.
const READ_AHEAD: usize = 64 << 10;

/// Room that a read finds at least: most pictures fit. A larger one may take another read, where more room for each would
/// take another buffer for each picture.
const LEAST_ROOM: usize = 16 << 10;

const FILE_HEADER: usize = 9;
const TAG_HEADER: usize = 11;
const BACK_POINTER: usize = 4;

const TAG_AUDIO: u8 = 8;
const TAG_VIDEO: u8 = 9;
const TAG_SCRIPT: u8 = 18;

const CODEC_AVC: u8 = 7;
const SOUND_AAC: u8 = 10;

/// One access unit of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Decode time in milliseconds from an arbitrary origin, which all pipes of one run of ffmpeg share.
    pub(crate) dts_ms: i64,
    /// Composition offset: presentation time is this much later; may be negative.
    pub(crate) cts_ms: i32,
    /// The muxer marked it as a keyframe. Always true for audio.
    pub(crate) sync: bool,
    /// NAL units with length prefixes, or one raw AAC frame.
    pub(crate) data: Bytes,
}

/// What a tag holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// An `AVCDecoderConfigurationRecord`.
    AvcConfig(Bytes),
    /// An `AudioSpecificConfig`.
    AacConfig(Bytes),
    /// A coded picture.
    Video(Sample),
    /// A coded audio frame.
    Audio(Sample),
    /// Video that is not H.264 (FLV codec id), or H.264 without parameter sets (7): it has to be transcoded.
    UnsupportedVideo(u8),
    /// Audio that is not AAC (FLV sound format; 7 and 8 are G.711): it has to be transcoded.
    UnsupportedAudio(u8),
}

/// Why the input cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The file header is wrong.
    #[error("not an FLV stream")]
    NotFlv,
    /// A tag is larger than we are willing to buffer.
    #[error("an FLV tag of {0} bytes is beyond the limit of {MAX_TAG}")]
    TagTooLarge(usize),
    /// A tag of a kind that FLV does not have.
    #[error("unknown FLV tag type {0}")]
    UnknownTag(u8),
    /// The size behind a tag is not that before it.
    #[error("FLV tags are out of step: {found} bytes behind a tag of {expected}")]
    OutOfStep {
        /// Size of the tag as its header gives it.
        expected: usize,
        /// Size of the tag as its trailer gives it.
        found: usize,
    },
    /// A tag ends within its own header.
    #[error("a truncated FLV tag")]
    Truncated,
}

/// Turns bytes into [`Item`]s.
#[derive(Debug, Default)]
pub(crate) struct Demuxer {
    buffer: BytesMut,
    begun: bool,
    last_ms: Option<i64>,
}

impl Demuxer {
    /// A demuxer at the start of a stream.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Where to append what was read, as with `AsyncReadExt::read_buf`. Call [`Self::next`] until it is empty between
    /// two reads: that bounds the buffer.
    pub(crate) fn space(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < LEAST_ROOM {
            self.buffer.reserve(READ_AHEAD);
        }
        &mut self.buffer
    }

    /// The next item, or `None` until more bytes are there.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, Error> {
        if !self.begun && !self.skip_file_header()? {
            return Ok(None);
        }
        while let Some((kind, dts_ms, body)) = self.next_tag()? {
            let item = match kind {
                TAG_AUDIO => audio(dts_ms, body)?,
                TAG_VIDEO => video(dts_ms, body)?,
                _ => None,
            };
            if item.is_some() {
                return Ok(item);
            }
        }
        Ok(None)
    }

    /// False until the header is there.
    fn skip_file_header(&mut self) -> Result<bool, Error> {
        let known = self.buffer.len().min(3);
        if self.buffer[..known] != b"FLV"[..known] {
            return Err(Error::NotFlv);
        }
        let Some(header) = self.buffer.get(..FILE_HEADER + BACK_POINTER) else {
            return Ok(false);
        };
        if header[5..FILE_HEADER] != (FILE_HEADER as u32).to_be_bytes() {
            return Err(Error::NotFlv);
        }
        self.buffer.advance(FILE_HEADER + BACK_POINTER);
        self.begun = true;
        Ok(true)
    }

    fn next_tag(&mut self) -> Result<Option<(u8, i64, Bytes)>, Error> {
        let Some(&[kind, s0, s1, s2, t0, t1, t2, t3, ..]) = self.buffer.get(..TAG_HEADER) else {
            return Ok(None);
        };
        if !matches!(kind, TAG_AUDIO | TAG_VIDEO | TAG_SCRIPT) {
            return Err(Error::UnknownTag(kind));
        }
        let size = u32::from_be_bytes([0, s0, s1, s2]) as usize;
        if size > MAX_TAG {
            return Err(Error::TagTooLarge(size));
        }
        let end = TAG_HEADER + size;
        let Some(trailer) = self.buffer.get(end..end + BACK_POINTER) else {
            return Ok(None);
        };
        let found = u32::from_be_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]) as usize;
        if found != end {
            return Err(Error::OutOfStep { expected: end, found });
        }
        let dts_ms = self.unwrap(u32::from_be_bytes([t3, t0, t1, t2]));
        let mut tag = self.buffer.split_to(end);
        self.buffer.advance(BACK_POINTER);
        tag.advance(TAG_HEADER);
        Ok(Some((kind, dts_ms, tag.freeze())))
    }

    /// Of all times that are congruent modulo 2³¹, the one nearest to the last. ffmpeg writes 31 bits, others 32; this
    /// suits both, and negative times.
    fn unwrap(&mut self, stamp: u32) -> i64 {
        let last = self.last_ms.unwrap_or(0);
        // Shifted up by one, the 32-bit difference wraps at 2³¹.
        let step = (stamp.wrapping_sub(last as u32) << 1) as i32 >> 1;
        let now = last + i64::from(step);
        self.last_ms = Some(now);
        now
    }
}

fn video(dts_ms: i64, mut body: Bytes) -> Result<Option<Item>, Error> {
    const KEYFRAME: u8 = 1;
    const COMMAND: u8 = 5;
    /// Set in tags of "enhanced" FLV, whose codec is a four-character code: never H.264 from ffmpeg.
    const ENHANCED: u8 = 0x80;

    let Some(&first) = body.first() else {
        return Ok(None);
    };
    let (frame_type, codec) = (first >> 4, first & 0x0f);
    if first & ENHANCED != 0 || codec != CODEC_AVC {
        return Ok(Some(Item::UnsupportedVideo(codec)));
    }
    if frame_type == COMMAND {
        return Ok(None);
    }
    let Some(&[_, packet_type, c0, c1, c2]) = body.get(..5) else {
        return Err(Error::Truncated);
    };
    body.advance(5);
    Ok(match packet_type {
        // What ffmpeg writes for a stream whose parameter sets it has not seen.
        0 if body.is_empty() => Some(Item::UnsupportedVideo(CODEC_AVC)),
        0 => Some(Item::AvcConfig(body)),
        1 if !body.is_empty() => {
            let cts_ms = i32::from_be_bytes([c0, c1, c2, 0]) >> 8;
            Some(Item::Video(Sample { dts_ms, cts_ms, sync: frame_type == KEYFRAME, data: body }))
        }
        _ => None,
    })
}

fn audio(dts_ms: i64, mut body: Bytes) -> Result<Option<Item>, Error> {
    let Some(&first) = body.first() else {
        return Ok(None);
    };
    let format = first >> 4;
    if format != SOUND_AAC {
        return Ok(Some(Item::UnsupportedAudio(format)));
    }
    let Some(&[_, packet_type]) = body.get(..2) else {
        return Err(Error::Truncated);
    };
    body.advance(2);
    Ok(match packet_type {
        0 if !body.is_empty() => Some(Item::AacConfig(body)),
        1 if !body.is_empty() => Some(Item::Audio(Sample { dts_ms, cts_ms: 0, sync: true, data: body })),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
