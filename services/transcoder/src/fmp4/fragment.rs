//! Media fragments: `moof` and `mdat`, before them perhaps a `prft`.
//!
//! Every sample's bytes are copied once, into the message itself. Messages are cut from a buffer of the caller's, which
//! makes room for many at once. Composition offsets are signed (`trun` version 1), decode times have 64 bits, and every
//! duration is what the caller states.

use bytes::{BufMut, Bytes, BytesMut};

use super::boxes::{full, plain, put_u32_at};
use super::{AUDIO_ID, NON_SYNC_SAMPLE, SYNC_SAMPLE, Track, VIDEO_ID};

/// A sample as a `trun` describes it; times in the track's timescale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Stated duration.
    pub(crate) duration: u32,
    /// Composition offset.
    pub(crate) composition: i32,
    /// Sync sample.
    pub(crate) sync: bool,
    /// The bytes.
    pub(crate) data: Bytes,
}

/// Samples of one track that follow each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    /// The track.
    pub(crate) track: Track,
    /// `tfdt`.
    pub(crate) decode_time: u64,
    /// The samples; not empty.
    pub(crate) samples: &'a [Sample],
}

/// Makes a fragment, in a buffer that is empty.
pub(crate) fn fragment(out: &mut BytesMut, sequence: u32, runs: &[Run<'_>]) -> Bytes {
    out.reserve(size(runs));
    put_fragment(out, sequence, runs);
    out.split().freeze()
}

/// Makes a fragment of video that says when it was captured, as far as we know: `unix_us` in Unix microseconds.
pub(crate) fn stamped(out: &mut BytesMut, sequence: u32, unix_us: u64, run: Run<'_>) -> Bytes {
    /// The clock is real, the offset from the capture unknown but about constant.
    const REAL_TIME: u32 = 24;
    out.reserve(32 + size(&[run]));
    full(out, *b"prft", 1, REAL_TIME, |out| {
        out.put_u32(id(run.track));
        out.put_u64(ntp(unix_us));
        out.put_u64(run.decode_time);
    });
    put_fragment(out, sequence, &[run]);
    out.split().freeze()
}

fn put_fragment(out: &mut BytesMut, sequence: u32, runs: &[Run<'_>]) {
    debug_assert!(runs.len() <= 2, "there is video and audio");
    let start = out.len();
    // Of data offsets: one for each track.
    let mut places = [0; 2];
    plain(out, *b"moof", |out| {
        full(out, *b"mfhd", 0, 0, |out| out.put_u32(sequence));
        for (place, run) in places.iter_mut().zip(runs) {
            *place = put_run(out, run);
        }
    });
    let mut offset = out.len() - start + 8;
    for (at, run) in places.into_iter().zip(runs) {
        put_u32_at(out, at, offset as u32);
        offset += data_size(run);
    }
    plain(out, *b"mdat", |out| {
        for sample in runs.iter().flat_map(|run| run.samples) {
            out.put_slice(&sample.data);
        }
    });
}

/// Returns where its data offset belongs.
fn put_run(out: &mut BytesMut, run: &Run<'_>) -> usize {
    const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
    const DATA_OFFSET: u32 = 0x001;
    const DURATION: u32 = 0x100;
    const SIZE: u32 = 0x200;
    const FLAGS: u32 = 0x400;
    const COMPOSITION: u32 = 0x800;

    let mut offset_at = 0;
    plain(out, *b"traf", |out| {
        full(out, *b"tfhd", 0, DEFAULT_BASE_IS_MOOF, |out| out.put_u32(id(run.track)));
        full(out, *b"tfdt", 1, 0, |out| out.put_u64(run.decode_time));
        let video = run.track == Track::Video;
        let fields = DATA_OFFSET | DURATION | SIZE | if video { FLAGS | COMPOSITION } else { 0 };
        full(out, *b"trun", 1, fields, |out| {
            out.put_u32(run.samples.len() as u32);
            offset_at = out.len();
            out.put_u32(0);
            for sample in run.samples {
                out.put_u32(sample.duration);
                out.put_u32(sample.data.len() as u32);
                if video {
                    out.put_u32(if sample.sync { SYNC_SAMPLE } else { NON_SYNC_SAMPLE });
                    out.put_i32(sample.composition);
                }
            }
        });
    });
    offset_at
}

/// At most so large: box headers and fixed fields, 16 bytes a sample, and the data.
fn size(runs: &[Run<'_>]) -> usize {
    32 + runs.iter().map(|run| 64 + 16 * run.samples.len() + data_size(run)).sum::<usize>()
}

fn data_size(run: &Run<'_>) -> usize {
    run.samples.iter().map(|sample| sample.data.len()).sum()
}

fn id(track: Track) -> u32 {
    match track {
        Track::Video => VIDEO_ID,
        Track::Audio => AUDIO_ID,
    }
}

/// 32.32 fixed-point seconds since 1900.
fn ntp(unix_us: u64) -> u64 {
    const UNIX_EPOCH: u64 = 2_208_988_800;
    let (seconds, micros) = (unix_us / 1_000_000, unix_us % 1_000_000);
    ((seconds + UNIX_EPOCH) << 32) | ((micros << 32) / 1_000_000)
}
