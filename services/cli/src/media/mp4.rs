//! What a viewer must know of the boxes of ISO/IEC 14496-12: where init segments and media fragments begin and end, whose they
//! are, their number and time, and whether one can begin there.
//!
//! The bytes are foreign: what is not understood is an error, and nothing is taken on trust that would be allocated.

use bytes::{Buf as _, Bytes};
use mp4_atom::{Atom as _, DecodeMaybe as _, Header, Moof, Moov, Prft};

/// `track_ID` of video.
pub(crate) const VIDEO: u32 = 1;
/// `track_ID` of audio.
pub(crate) const AUDIO: u32 = 2;
/// `sample_is_non_sync_sample` of `sample_flags`.
const NON_SYNC: u32 = 0x1_0000;
/// Seconds from the epoch of NTP, 1900, to that of Unix.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// One element of a media message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Segment {
    /// `ftyp` and `moov`.
    Init(Init),
    /// `moof` and `mdat`, and the `prft` before them.
    Media(Media),
}

/// An init segment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Init {
    /// The whole `ftyp`.
    pub(crate) ftyp: Bytes,
    /// `moov`.
    pub(crate) moov: Box<Moov>,
}

/// A media fragment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Media {
    /// `moof`.
    pub(crate) moof: Moof,
    /// Bytes of `moof`, to which its data offsets refer.
    pub(crate) moof_bytes: usize,
    /// Payload of `mdat`.
    pub(crate) data: Bytes,
    /// When the picture came in from the camera, Unix microseconds by the worker's clock.
    pub(crate) captured_us: Option<u64>,
}

/// Why bytes are no media.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A box that cannot be read.
    #[error(transparent)]
    Box(#[from] mp4_atom::Error),
    /// A box where another one is due, or none.
    #[error("{0} where it does not belong")]
    Misplaced(String),
}

impl Init {
    /// `track_ID` of the first track.
    pub(crate) fn track(&self) -> Option<u32> {
        self.moov.trak.first().map(|trak| trak.tkhd.track_id)
    }
}

impl Media {
    /// `track_ID` of the first track in it.
    pub(crate) fn track(&self) -> Option<u32> {
        self.moof.traf.first().map(|traf| traf.tfhd.track_id)
    }

    /// `mfhd.sequence_number`.
    pub(crate) fn sequence(&self) -> u32 {
        self.moof.mfhd.sequence_number
    }

    /// `tfdt` of a track in it.
    pub(crate) fn decode_time(&self, track: u32) -> Option<u64> {
        let traf = self.moof.traf.iter().find(|traf| traf.tfhd.track_id == track)?;
        traf.tfdt.as_ref().map(|tfdt| tfdt.base_media_decode_time)
    }

    /// Whether decoding can begin with it: the first sample of the first track is a sync sample.
    pub(crate) fn sync(&self) -> bool {
        let Some(traf) = self.moof.traf.first() else { return false };
        let flags = traf.trun.first().and_then(|trun| trun.samples.get(0)).and_then(|sample| sample.flags);
        flags.or(traf.tfhd.default_sample_flags).unwrap_or(0) & NON_SYNC == 0
    }

    /// Samples of a track, and those of them that are sync samples.
    pub(crate) fn samples(&self, track: u32) -> (u64, u64) {
        let trafs = self.moof.traf.iter().filter(|traf| traf.tfhd.track_id == track);
        let flags = trafs.flat_map(|traf| {
            let otherwise = traf.tfhd.default_sample_flags.unwrap_or(0);
            traf.trun.iter().flat_map(|trun| trun.samples.iter()).map(move |sample| sample.flags.unwrap_or(otherwise))
        });
        flags.fold((0, 0), |(all, sync), flags| (all + 1, sync + u64::from(flags & NON_SYNC == 0)))
    }
}

/// Reads a sequence of whole segments.
pub(crate) fn read(bytes: &Bytes) -> Result<Vec<Segment>, Error> {
    let mut segments = Vec::new();
    let (mut ftyp, mut captured_us, mut moof) = (None, None, None);
    let mut rest = bytes.clone();
    while rest.has_remaining() {
        let whole = next(&mut rest)?;
        let mut body = &whole.bytes[whole.head..];
        match whole.kind {
            b"ftyp" | b"styp" => ftyp = Some(whole.bytes),
            b"moov" => {
                let Some(ftyp) = ftyp.take() else { return Err(misplaced("moov")) };
                segments.push(Segment::Init(Init { ftyp, moov: Box::new(Moov::decode_body(&mut body)?) }));
            }
            b"prft" => captured_us = Some(unix_us(Prft::decode_body(&mut body)?.ntp_timestamp)),
            b"moof" => {
                let read = Moof::decode_body(&mut body)?;
                // A run without a word on its samples may claim any number of them.
                let claimed =
                    read.traf.iter().flat_map(|traf| &traf.trun).map(|trun| trun.samples.len()).sum::<usize>();
                if claimed > bytes.len() {
                    return Err(misplaced("a run of too many samples"));
                }
                moof = Some((read, whole.bytes.len()));
            }
            b"mdat" => {
                let Some((moof, moof_bytes)) = moof.take() else { return Err(misplaced("mdat")) };
                let data = whole.bytes.slice(whole.head..);
                segments.push(Segment::Media(Media { moof, moof_bytes, data, captured_us: captured_us.take() }));
            }
            other => return Err(misplaced(&String::from_utf8_lossy(other))),
        }
    }
    if moof.is_some() { Err(misplaced("the end")) } else { Ok(segments) }
}

struct Whole {
    kind: &'static [u8; 4],
    /// Bytes of its header.
    head: usize,
    bytes: Bytes,
}

/// Boxes that may be at the top.
const TOP: [&[u8; 4]; 6] = [b"ftyp", b"styp", b"moov", b"prft", b"moof", b"mdat"];

fn next(rest: &mut Bytes) -> Result<Whole, Error> {
    let mut cursor = &rest[..];
    let Some(header) = Header::decode_maybe(&mut cursor)? else { return Err(misplaced("the end")) };
    let head = rest.len() - cursor.len();
    let size = head.saturating_add(header.size.unwrap_or(cursor.len()));
    if size > rest.len() {
        return Err(misplaced("the end"));
    }
    let found: &[u8] = header.kind.as_ref();
    let Some(kind) = TOP.into_iter().find(|kind| kind.as_slice() == found) else {
        return Err(misplaced(&String::from_utf8_lossy(found)));
    };
    Ok(Whole { kind, head, bytes: rest.split_to(size) })
}

fn misplaced(what: &str) -> Error {
    Error::Misplaced(what.to_owned())
}

/// From 32.32 fixed-point seconds since 1900.
fn unix_us(ntp: u64) -> u64 {
    let seconds = (ntp >> 32).saturating_sub(NTP_TO_UNIX);
    seconds * 1_000_000 + (((ntp & 0xffff_ffff) * 1_000_000) >> 32)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn segments_are_read_in_their_order() {
        let bytes: Bytes = [fixture::init(VIDEO), fixture::media(VIDEO, 7, 90_000, true)].concat().into();
        let segments = read(&bytes).expect("media");
        let [Segment::Init(init), Segment::Media(media)] = segments.as_slice() else { panic!("{segments:?}") };
        assert_eq!(init.track(), Some(VIDEO));
        assert_eq!((media.track(), media.sequence(), media.decode_time(VIDEO)), (Some(VIDEO), 7, Some(90_000)));
        assert_eq!((media.sync(), media.samples(VIDEO)), (true, (1, 1)));
        assert_eq!(media.captured_us, Some(fixture::CAPTURED_US));
    }

    #[test]
    fn half_a_segment_is_an_error() {
        let whole = fixture::media(VIDEO, 7, 90_000, false);
        for length in 1..whole.len() {
            let read = read(&whole.slice(..length));
            // After the prft, it is one that belongs to nothing, which is no harm.
            assert!(read.as_ref().map_or(true, Vec::is_empty), "{length}: {read:?}");
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_do_no_harm(at in 0usize..150, with in any::<u8>()) {
            let mut bytes = [fixture::init(AUDIO), fixture::media(VIDEO, 7, 90_000, false)].concat();
            let length = bytes.len();
            bytes[length - 1 - at] = with;
            let _ = read(&bytes.into());
        }
    }
}
