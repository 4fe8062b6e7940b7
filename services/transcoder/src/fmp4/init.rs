//! Init segments: `ftyp` and a `moov` without samples.
//!
//! Nothing here states a duration, neither `mvhd` nor an `mehd`: a live stream has none, and players believe what they
//! read. Edit lists are absent as well; all times are those of the fragments.

use bytes::{BufMut, Bytes, BytesMut};

use super::boxes::{full, plain};
use super::codecs::{Aac, Avc};
use super::{AUDIO_ID, VIDEO_ID, VIDEO_TIMESCALE};

/// Both 1, as 16.16.
const UNITY: u32 = 1 << 16;
const LANGUAGE_UNDETERMINED: u16 = 0x55c4;

/// Makes an init segment for the tracks that are given.
pub(crate) fn segment(video: Option<&Avc>, audio: Option<&Aac>) -> Bytes {
    let mut out = BytesMut::with_capacity(1500);
    plain(&mut out, *b"ftyp", |out| {
        out.put_slice(b"iso6");
        out.put_u32(0);
        out.put_slice(b"iso6mp41");
    });
    plain(&mut out, *b"moov", |out| {
        movie_header(out);
        if let Some(video) = video {
            video_track(out, video);
        }
        if let Some(audio) = audio {
            audio_track(out, audio);
        }
        plain(out, *b"mvex", |out| {
            let ids = [video.map(|_| VIDEO_ID), audio.map(|_| AUDIO_ID)];
            for id in ids.into_iter().flatten() {
                full(out, *b"trex", 0, 0, |out| {
                    out.put_u32(id);
                    out.put_u32(1);
                    // Every fragment states durations, sizes, and flags where they are not "sync sample".
                    out.put_u32(0);
                    out.put_u32(0);
                    out.put_u32(super::SYNC_SAMPLE);
                });
            }
        });
    });
    out.freeze()
}

fn movie_header(out: &mut BytesMut) {
    full(out, *b"mvhd", 0, 0, |out| {
        out.put_u64(0);
        out.put_u32(1000);
        out.put_u32(0);
        out.put_u32(UNITY);
        out.put_u16(0x0100);
        out.put_bytes(0, 10);
        put_matrix(out);
        out.put_bytes(0, 24);
        out.put_u32(AUDIO_ID + 1);
    });
}

fn video_track(out: &mut BytesMut, video: &Avc) {
    track(out, &Header { id: VIDEO_ID, volume: 0, size: (video.width, video.height) }, |out| {
        media_header(out, VIDEO_TIMESCALE);
        handler(out, *b"vide", "video");
        plain(out, *b"minf", |out| {
            full(out, *b"vmhd", 0, 1, |out| out.put_bytes(0, 8));
            data_information(out);
            sample_table(out, |out| visual_sample_entry(out, video));
        });
    });
}

fn audio_track(out: &mut BytesMut, audio: &Aac) {
    track(out, &Header { id: AUDIO_ID, volume: 0x0100, size: (0, 0) }, |out| {
        media_header(out, audio.core_rate);
        handler(out, *b"soun", "audio");
        plain(out, *b"minf", |out| {
            full(out, *b"smhd", 0, 0, |out| out.put_u32(0));
            data_information(out);
            sample_table(out, |out| audio_sample_entry(out, audio));
        });
    });
}

struct Header {
    id: u32,
    volume: u16,
    size: (u32, u32),
}

fn track(out: &mut BytesMut, header: &Header, media: impl FnOnce(&mut BytesMut)) {
    const ENABLED_AND_IN_MOVIE: u32 = 3;
    plain(out, *b"trak", |out| {
        full(out, *b"tkhd", 0, ENABLED_AND_IN_MOVIE, |out| {
            out.put_u64(0);
            out.put_u32(header.id);
            out.put_bytes(0, 4 + 4 + 8 + 4);
            out.put_u16(header.volume);
            out.put_u16(0);
            put_matrix(out);
            out.put_u32(header.size.0 << 16);
            out.put_u32(header.size.1 << 16);
        });
        plain(out, *b"mdia", media);
    });
}

fn put_matrix(out: &mut BytesMut) {
    for value in [UNITY, 0, 0, 0, UNITY, 0, 0, 0, 0x4000_0000] {
        out.put_u32(value);
    }
}

fn media_header(out: &mut BytesMut, timescale: u32) {
    full(out, *b"mdhd", 0, 0, |out| {
        out.put_u64(0);
        out.put_u32(timescale);
        out.put_u32(0);
        out.put_u16(LANGUAGE_UNDETERMINED);
        out.put_u16(0);
    });
}

fn handler(out: &mut BytesMut, kind: [u8; 4], name: &str) {
    full(out, *b"hdlr", 0, 0, |out| {
        out.put_u32(0);
        out.put_slice(&kind);
        out.put_bytes(0, 12);
        out.put_slice(name.as_bytes());
        out.put_u8(0);
    });
}

fn data_information(out: &mut BytesMut) {
    const IN_THIS_FILE: u32 = 1;
    plain(out, *b"dinf", |out| {
        full(out, *b"dref", 0, 0, |out| {
            out.put_u32(1);
            full(out, *b"url ", 0, IN_THIS_FILE, |_| {});
        });
    });
}

fn sample_table(out: &mut BytesMut, entry: impl FnOnce(&mut BytesMut)) {
    plain(out, *b"stbl", |out| {
        full(out, *b"stsd", 0, 0, |out| {
            out.put_u32(1);
            entry(out);
        });
        full(out, *b"stts", 0, 0, |out| out.put_u32(0));
        full(out, *b"stsc", 0, 0, |out| out.put_u32(0));
        full(out, *b"stsz", 0, 0, |out| out.put_u64(0));
        full(out, *b"stco", 0, 0, |out| out.put_u32(0));
    });
}

fn visual_sample_entry(out: &mut BytesMut, video: &Avc) {
    const DPI_72: u32 = 0x0048_0000;
    plain(out, *b"avc1", |out| {
        out.put_bytes(0, 6);
        out.put_u16(1);
        out.put_bytes(0, 16);
        out.put_u16(video.width as u16);
        out.put_u16(video.height as u16);
        out.put_u32(DPI_72);
        out.put_u32(DPI_72);
        out.put_u32(0);
        out.put_u16(1);
        out.put_bytes(0, 32);
        out.put_u16(24);
        out.put_i16(-1);
        plain(out, *b"avcC", |out| out.put_slice(&video.record));
        if let Some((horizontal, vertical)) = video.pixel_aspect {
            plain(out, *b"pasp", |out| {
                out.put_u32(horizontal.into());
                out.put_u32(vertical.into());
            });
        }
    });
}

fn audio_sample_entry(out: &mut BytesMut, audio: &Aac) {
    plain(out, *b"mp4a", |out| {
        out.put_bytes(0, 6);
        out.put_u16(1);
        out.put_bytes(0, 8);
        out.put_u16(audio.channels as u16);
        out.put_u16(16);
        out.put_u32(0);
        // 16.16, where 96 kHz does not fit: decoders read the AudioSpecificConfig.
        out.put_u32(u16::try_from(audio.core_rate).map_or(0, |rate| u32::from(rate) << 16));
        elementary_stream_descriptor(out, &audio.config);
    });
}

/// `esds` of ISO/IEC 14496-14 with the descriptors of 14496-1.
fn elementary_stream_descriptor(out: &mut BytesMut, config: &[u8]) {
    const ES: u8 = 3;
    const DECODER_CONFIG: u8 = 4;
    const DECODER_SPECIFIC: u8 = 5;
    const SYNC_LAYER: u8 = 6;
    const AAC: u8 = 0x40;
    const AUDIO_STREAM: u8 = 0x15;

    let specific = 5 + config.len();
    let decoder = 5 + 13 + specific;
    full(out, *b"esds", 0, 0, |out| {
        put_descriptor(out, ES, 3 + decoder + 6);
        out.put_u16(AUDIO_ID as u16);
        out.put_u8(0);
        put_descriptor(out, DECODER_CONFIG, 13 + specific);
        out.put_u8(AAC);
        out.put_u8(AUDIO_STREAM);
        // Buffer size and bit rates: unknown.
        out.put_bytes(0, 3 + 4 + 4);
        put_descriptor(out, DECODER_SPECIFIC, config.len());
        out.put_slice(config);
        put_descriptor(out, SYNC_LAYER, 1);
        out.put_u8(2);
    });
}

/// Tag and size, the latter in its longest form, so that all headers are 5 bytes.
fn put_descriptor(out: &mut BytesMut, tag: u8, size: usize) {
    out.put_u8(tag);
    for shift in [21, 14, 7] {
        out.put_u8(0x80 | (size >> shift & 0x7f) as u8);
    }
    out.put_u8((size & 0x7f) as u8);
}
