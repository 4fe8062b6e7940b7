//! Segments for tests, as small as they can be.

use bytes::Bytes;
use mp4_atom::{
    Any, Encode as _, Ftyp, Mdat, Mfhd, Moof, Moov, Mvex, Prft, Tfdt, Tfhd, Traf, Trak, Trex, Trun, TrunEntry,
};

use super::mp4::{AUDIO, VIDEO};

/// When every picture was captured: 2026-01-01T00:00:00Z and a quarter of a second.
pub(crate) const CAPTURED_US: u64 = 1_767_225_600_250_000;
/// What a live fragment of video states as the duration of its last sample.
pub(crate) const OPEN: u32 = 45_000;

fn encoded(atoms: impl IntoIterator<Item = Any>) -> Bytes {
    let mut bytes = Vec::new();
    for atom in atoms {
        atom.encode(&mut bytes).expect("an atom");
    }
    bytes.into()
}

/// An init segment of one track.
pub(crate) fn init(track: u32) -> Bytes {
    let mut header = Trak::default();
    header.tkhd.track_id = track;
    header.mdia.mdhd.timescale = if track == VIDEO { 90_000 } else { 48_000 };
    let trex = Trex { track_id: track, default_sample_description_index: 1, ..Default::default() };
    let mvex = Mvex { mehd: None, trex: vec![trex] };
    let moov = Moov { trak: vec![header], mvex: Some(mvex), ..Default::default() };
    encoded([Ftyp { major_brand: b"iso6".into(), minor_version: 0, compatible_brands: vec![] }.into(), moov.into()])
}

/// A fragment of one sample, `prft` before it if it is video.
pub(crate) fn media(track: u32, sequence: u32, decode_time: u64, sync: bool) -> Bytes {
    let flags = if sync { 0x0200_0000 } else { 0x0101_0000 };
    let data = sequence.to_be_bytes().to_vec();
    let duration = if track == VIDEO { OPEN } else { 24_000 };
    let entry = TrunEntry { duration: Some(duration), size: Some(4), flags: Some(flags), cts: Some(0) };
    let mut moof = Moof {
        mfhd: Mfhd { sequence_number: sequence },
        traf: vec![Traf {
            tfhd: Tfhd { track_id: track, default_base_is_moof: true, ..Default::default() },
            tfdt: Some(Tfdt { base_media_decode_time: decode_time }),
            trun: vec![Trun { data_offset: Some(0), samples: vec![entry].into() }],
            ..Default::default()
        }],
    };
    let mut bytes = Vec::new();
    moof.encode(&mut bytes).expect("an atom");
    moof.traf[0].trun[0].data_offset = Some(bytes.len() as i32 + 8);
    let seconds = CAPTURED_US / 1_000_000 + 2_208_988_800;
    let prft = Prft {
        reference_track_id: track,
        ntp_timestamp: (seconds << 32) | 1 << 30,
        media_time: decode_time,
        ..Default::default()
    };
    let fragment = [moof.into(), Mdat { data }.into()];
    match track {
        AUDIO => encoded(fragment),
        _ => encoded([prft.into()].into_iter().chain(fragment)),
    }
}
