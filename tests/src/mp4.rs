//! A reader of fragmented MP4, as strict as a test should be: what it does not expect is an error.
//!
//! Box names and fields are those of ISO/IEC 14496-12. Only what the claims need is kept.

use bytes::{Buf, Bytes};

/// One element of a media message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// `ftyp` and `moov`.
    Init(Init),
    /// `moof` and `mdat`, with the `prft` before it if there is one.
    Fragment(Fragment),
}

/// An init segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// Its tracks in the order of their `trak` boxes.
    pub tracks: Vec<Track>,
    /// The whole of it.
    pub bytes: Bytes,
}

/// A `trak` box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// `track_ID`.
    pub id: u32,
    /// `timescale` of `mdhd`.
    pub timescale: u32,
    /// RFC 6381 codec string, put together from `avcC` or from the sample entry of audio.
    pub codec: String,
    /// Picture size of a visual sample entry.
    pub size: Option<(u16, u16)>,
    /// Channels and sampling frequency of an audio sample entry.
    pub sound: Option<(u16, u32)>,
}

/// A media fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// `sequence_number` of `mfhd`.
    pub sequence: u32,
    /// Its `traf` boxes.
    pub runs: Vec<Run>,
    /// NTP time and media time of `prft`.
    pub produced: Option<(u64, u64)>,
    /// The whole of it.
    pub bytes: Bytes,
}

/// A `traf` box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// `track_ID`.
    pub track: u32,
    /// `baseMediaDecodeTime` of `tfdt`.
    pub decode_time: u64,
    /// Its samples.
    pub samples: Vec<Sample>,
}

/// A sample of a `trun` box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// In units of the track's timescale.
    pub duration: u32,
    /// In bytes.
    pub size: u32,
    /// Whether decoding can begin here.
    pub sync: bool,
    /// Composition time offset.
    pub offset: i32,
}

/// Why bytes are not what is expected here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A box ends within a field, or the bytes end within a box.
    #[error("ends too early in {0}")]
    TooShort(&'static str),
    /// A box where another one is due.
    #[error("unexpected box {0:?}")]
    Unexpected(String),
    /// A box that must be there.
    #[error("no {0} box")]
    Missing(&'static str),
    /// A field with a value that this reader does not know.
    #[error("unknown {0}")]
    Unknown(&'static str),
    /// The samples of a fragment do not fill its `mdat`.
    #[error("samples take {samples} bytes of {mdat}")]
    Size {
        /// Sum of the sizes in `trun`.
        samples: u64,
        /// Payload of `mdat`.
        mdat: u64,
    },
}

/// Whether bytes begin with a box, as media messages do and JSON does not.
pub fn is_media(bytes: &[u8]) -> bool {
    matches!(bytes.get(4..8), Some(b"ftyp" | b"moof" | b"prft" | b"styp"))
}

/// Reads a sequence of whole segments.
pub fn read(bytes: &Bytes) -> Result<Vec<Segment>, Error> {
    let mut segments = Vec::new();
    let mut rest = bytes.clone();
    let (mut ftyp, mut produced, mut moof): (Option<Bytes>, _, Option<(Bytes, Fragment)>) = (None, None, None);
    while let Some(found) = next(&mut rest)? {
        match (&found.name, moof.take()) {
            (b"ftyp", None) => ftyp = Some(found.whole),
            (b"moov", None) => {
                let start = ftyp.take().ok_or(Error::Missing("ftyp"))?;
                let bytes = [start, found.whole].concat().into();
                segments.push(Segment::Init(Init { tracks: tracks(found.body)?, bytes }));
            }
            (b"prft", None) => produced = Some((prft(found.body)?, found.whole)),
            (b"moof", None) => {
                let mut fragment = fragment(found.body)?;
                let mut start = Bytes::new();
                if let Some((times, whole)) = produced.take() {
                    fragment.produced = Some(times);
                    start = whole;
                }
                moof = Some(([start, found.whole].concat().into(), fragment));
            }
            (b"mdat", Some((start, mut fragment))) => {
                let samples = fragment.runs.iter().flat_map(|run| &run.samples);
                let samples = samples.map(|sample| u64::from(sample.size)).sum();
                let mdat = found.body.len() as u64;
                if samples != mdat {
                    return Err(Error::Size { samples, mdat });
                }
                fragment.bytes = [start, found.whole].concat().into();
                segments.push(Segment::Fragment(fragment));
            }
            (name, _) => return Err(Error::Unexpected(String::from_utf8_lossy(&name[..]).into_owned())),
        }
    }
    match moof {
        Some(_) => Err(Error::Missing("mdat")),
        None => Ok(segments),
    }
}

struct Found {
    name: [u8; 4],
    body: Bytes,
    whole: Bytes,
}

fn next(rest: &mut Bytes) -> Result<Option<Found>, Error> {
    if rest.is_empty() {
        return Ok(None);
    }
    let mut head = rest.clone();
    let size = u32_of(&mut head, "box size")? as usize;
    let name: [u8; 4] = take(&mut head, 4, "box type")?[..].try_into().map_err(|_| Error::TooShort("box type"))?;
    if size < 8 {
        return Err(Error::Unknown("box size"));
    }
    let whole = take(rest, size, "box")?;
    Ok(Some(Found { name, body: whole.slice(8..), whole }))
}

fn children(mut body: Bytes) -> Result<Vec<Found>, Error> {
    std::iter::from_fn(|| next(&mut body).transpose()).collect()
}

/// The body of the one box at `path`.
fn find(body: &Bytes, path: &[&'static str]) -> Result<Bytes, Error> {
    let mut here = body.clone();
    for name in path {
        let found = children(here)?.into_iter().find(|child| child.name == name.as_bytes());
        here = found.ok_or(Error::Missing(name))?.body;
    }
    Ok(here)
}

fn tracks(moov: Bytes) -> Result<Vec<Track>, Error> {
    let found = children(moov)?;
    if !found.iter().any(|child| &child.name == b"mvex") {
        return Err(Error::Missing("mvex"));
    }
    found.into_iter().filter(|child| &child.name == b"trak").map(|trak| track(&trak.body)).collect()
}

fn track(trak: &Bytes) -> Result<Track, Error> {
    let mut header = find(trak, &["tkhd"])?;
    let long = full_box(&mut header)?.0 == 1;
    take(&mut header, if long { 16 } else { 8 }, "tkhd")?;
    let id = u32_of(&mut header, "tkhd")?;
    let mut media = find(trak, &["mdia", "mdhd"])?;
    let long = full_box(&mut media)?.0 == 1;
    take(&mut media, if long { 16 } else { 8 }, "mdhd")?;
    let timescale = u32_of(&mut media, "mdhd")?;
    let mut entries = find(trak, &["mdia", "minf", "stbl", "stsd"])?;
    full_box(&mut entries)?;
    take(&mut entries, 4, "stsd")?;
    let entry = next(&mut entries)?.ok_or(Error::Missing("sample entry"))?;
    let mut body = entry.body.clone();
    match &entry.name {
        b"avc1" => {
            take(&mut body, 24, "avc1")?;
            let size = (u16_of(&mut body, "avc1")?, u16_of(&mut body, "avc1")?);
            take(&mut body, 50, "avc1")?;
            let config = find(&body, &["avcC"])?;
            let profile = config.get(1..4).ok_or(Error::TooShort("avcC"))?;
            let codec = format!("avc1.{:02X}{:02X}{:02X}", profile[0], profile[1], profile[2]);
            Ok(Track { id, timescale, codec, size: Some(size), sound: None })
        }
        b"mp4a" => {
            take(&mut body, 16, "mp4a")?;
            let channels = u16_of(&mut body, "mp4a")?;
            take(&mut body, 6, "mp4a")?;
            let rate = u32_of(&mut body, "mp4a")? >> 16;
            // Every source and every encoder of ours makes AAC-LC; an esds box must say so.
            find(&body, &["esds"])?;
            Ok(Track { id, timescale, codec: "mp4a.40.2".to_owned(), size: None, sound: Some((channels, rate)) })
        }
        _ => Err(Error::Unknown("sample entry")),
    }
}

fn prft(mut body: Bytes) -> Result<(u64, u64), Error> {
    let (version, _) = full_box(&mut body)?;
    take(&mut body, 4, "prft")?;
    let ntp = u64_of(&mut body, "prft")?;
    let media = if version == 0 { u64::from(u32_of(&mut body, "prft")?) } else { u64_of(&mut body, "prft")? };
    Ok((ntp, media))
}

fn fragment(moof: Bytes) -> Result<Fragment, Error> {
    let mut header = find(&moof, &["mfhd"])?;
    full_box(&mut header)?;
    let sequence = u32_of(&mut header, "mfhd")?;
    let trafs = children(moof)?.into_iter().filter(|child| &child.name == b"traf");
    let runs = trafs.map(|traf| run(&traf.body)).collect::<Result<_, _>>()?;
    Ok(Fragment { sequence, runs, produced: None, bytes: Bytes::new() })
}

fn run(traf: &Bytes) -> Result<Run, Error> {
    let mut header = find(traf, &["tfhd"])?;
    let (_, flags) = full_box(&mut header)?;
    let track = u32_of(&mut header, "tfhd")?;
    if flags & 0x01 != 0 {
        u64_of(&mut header, "tfhd")?;
    }
    let mut default = |flag| if flags & flag == 0 { Ok(0) } else { u32_of(&mut header, "tfhd") };
    let _description = default(0x02)?;
    let (duration, size, sample_flags) = (default(0x08)?, default(0x10)?, default(0x20)?);
    let mut time = find(traf, &["tfdt"])?;
    if full_box(&mut time)?.0 != 1 {
        return Err(Error::Unknown("tfdt version"));
    }
    let decode_time = u64_of(&mut time, "tfdt")?;
    let mut table = find(traf, &["trun"])?;
    let (_, flags) = full_box(&mut table)?;
    let count = u32_of(&mut table, "trun")?;
    if flags & 0x01 != 0 {
        u32_of(&mut table, "trun")?;
    }
    let first = if flags & 0x04 == 0 { None } else { Some(u32_of(&mut table, "trun")?) };
    let mut samples = Vec::new();
    for index in 0..count {
        let mut field = |flag, otherwise| if flags & flag == 0 { Ok(otherwise) } else { u32_of(&mut table, "trun") };
        let (duration, size) = (field(0x100, duration)?, field(0x200, size)?);
        let otherwise = first.filter(|_| index == 0).unwrap_or(sample_flags);
        let sample_flags = field(0x400, otherwise)?;
        let offset = field(0x800, 0)? as i32;
        // sample_is_non_sync_sample
        samples.push(Sample { duration, size, sync: sample_flags & 0x1_0000 == 0, offset });
    }
    Ok(Run { track, decode_time, samples })
}

/// Version and flags.
fn full_box(body: &mut Bytes) -> Result<(u8, u32), Error> {
    let word = u32_of(body, "full box")?;
    Ok(((word >> 24) as u8, word & 0xff_ffff))
}

fn take(bytes: &mut Bytes, length: usize, place: &'static str) -> Result<Bytes, Error> {
    if bytes.len() < length { Err(Error::TooShort(place)) } else { Ok(bytes.split_to(length)) }
}

fn u16_of(bytes: &mut Bytes, place: &'static str) -> Result<u16, Error> {
    bytes.try_get_u16().map_err(|_| Error::TooShort(place))
}

fn u32_of(bytes: &mut Bytes, place: &'static str) -> Result<u32, Error> {
    bytes.try_get_u32().map_err(|_| Error::TooShort(place))
}

fn u64_of(bytes: &mut Bytes, place: &'static str) -> Result<u64, Error> {
    bytes.try_get_u64().map_err(|_| Error::TooShort(place))
}
