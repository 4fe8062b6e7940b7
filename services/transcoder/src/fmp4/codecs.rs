//! What the codec configurations say: codec strings, picture size, sampling frequency; and what is in an access unit.
//!
//! A configuration that parses here is one that browsers decode; everything else is refused, so that it is transcoded.
//! The bytes of a configuration are kept as they came and go into the init segment unchanged.

use bytes::{BufMut, Bytes, BytesMut};

use super::bits::Bits;
use super::sps::Sps;

/// Why a configuration, or a sample under it, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// It does not parse.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// It parses and is something that browsers do not decode.
    #[error("unsupported {0}")]
    Unsupported(String),
}

/// An `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Avc {
    /// The record itself.
    pub(crate) record: Bytes,
    /// Width in pixels, after cropping.
    pub(crate) width: u32,
    /// Height in pixels, after cropping.
    pub(crate) height: u32,
    /// Width to height of a pixel, unless unspecified.
    pub(crate) pixel_aspect: Option<(u16, u16)>,
    /// Bytes of the length before each NAL unit.
    nal_length: usize,
    sequence_parameters: Vec<Bytes>,
}

/// What matters in a picture's NAL units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessUnit {
    /// It is an IDR picture, the only kind that browsers take for a keyframe.
    pub(crate) idr: bool,
    /// Its first slice does not begin with the first macroblock: there is more of it before.
    pub(crate) continues: bool,
    /// There are parameter sets in it.
    pub(crate) parameters: bool,
    /// The configuration from here on, if parameter sets within an IDR picture replace it.
    pub(crate) config: Option<Avc>,
}

const NAL_SLICE: u8 = 1;
const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const NAL_PPS: u8 = 8;

impl Avc {
    /// Reads a record.
    pub(crate) fn parse(record: Bytes) -> Result<Self, Error> {
        const WHAT: Error = Error::Malformed("AVCDecoderConfigurationRecord");
        let (Some(&1), Some(sizes)) = (record.first(), record.get(4..6)) else {
            return Err(WHAT);
        };
        let nal_length = usize::from(sizes[0] & 3) + 1;
        let count = usize::from(sizes[1] & 0x1f);
        let mut sequence_parameters = Vec::with_capacity(count);
        let mut at = 6;
        for _ in 0..count {
            let length = record.get(at..at + 2).ok_or(WHAT)?;
            let end = at + 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            if end > record.len() {
                return Err(WHAT);
            }
            sequence_parameters.push(record.slice(at + 2..end));
            at = end;
        }
        let first = sequence_parameters.first().ok_or(WHAT)?;
        let Sps { width, height, pixel_aspect, .. } = Sps::parse(first)?;
        Ok(Self { record, width, height, pixel_aspect, nal_length, sequence_parameters })
    }

    /// RFC 6381 codec string.
    pub(crate) fn codec(&self) -> String {
        format!("avc1.{:02X}{:02X}{:02X}", self.record[1], self.record[2], self.record[3])
    }

    /// Looks into a sample. `None`: it holds no slice of a picture (NAL unit types 1 to 5; ITU-T H.264, table 7-1), only
    /// what goes before one: what is left of a camera that is cut off between the two. Browsers' decoders fail on it.
    ///
    /// Cameras change resolution by parameter sets within a keyframe, of which ffmpeg, when it copies, tells nothing
    /// else; only an unknown *sequence* parameter set counts as a change, as decoders take picture parameter sets from
    /// where they are.
    pub(crate) fn access_unit(&self, data: &Bytes) -> Result<Option<AccessUnit>, Error> {
        let (mut idr, mut continues, mut sequence, mut picture) = (false, None, Vec::new(), Vec::new());
        let mut has_slice = false;
        let mut at = 0;
        while at < data.len() {
            let prefix = data.get(at..at + self.nal_length).ok_or(Error::Malformed("NAL unit"))?;
            let length = prefix.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
            let from = at + self.nal_length;
            at = from + length;
            let unit = data.get(from..at).ok_or(Error::Malformed("NAL unit"))?;
            let kind = unit.first().map(|header| header & 0x1f);
            has_slice |= matches!(kind, Some(NAL_SLICE..=NAL_IDR));
            if let (Some(NAL_SLICE | NAL_IDR), Some(second)) = (kind, unit.get(1)) {
                // `first_mb_in_slice`, of which a leading one is zero.
                continues.get_or_insert(second & 0x80 == 0);
            }
            match kind {
                Some(NAL_IDR) => idr = true,
                Some(NAL_SPS) => sequence.push(unit),
                Some(NAL_PPS) => picture.push(unit),
                _ => {}
            }
        }
        if !has_slice {
            return Ok(None);
        }
        let known = sequence.iter().all(|unit| self.sequence_parameters.iter().any(|known| known == unit));
        let config = if idr && !known && !picture.is_empty() { self.replaced(&sequence, &picture)? } else { None };
        let parameters = !sequence.is_empty() || !picture.is_empty();
        Ok(Some(AccessUnit { idr, continues: continues.unwrap_or(false), parameters, config }))
    }

    /// A record of these parameter sets, or `None` if they make no sense.
    fn replaced(&self, sequence: &[&[u8]], picture: &[&[u8]]) -> Result<Option<Self>, Error> {
        let sps = match Sps::parse(sequence[0]) {
            Ok(sps) => sps,
            Err(Error::Malformed(_)) => return Ok(None),
            Err(unsupported) => return Err(unsupported),
        };
        let (sequence, picture) = (&sequence[..sequence.len().min(31)], &picture[..picture.len().min(255)]);
        let mut record = BytesMut::new();
        record.put_u8(1);
        record.put_slice(&sequence[0][1..4]);
        record.put_u8(0xfc | (self.nal_length - 1) as u8);
        record.put_u8(0xe0 | sequence.len() as u8);
        put_units(&mut record, sequence);
        record.put_u8(picture.len() as u8);
        put_units(&mut record, picture);
        if sps.high {
            // chroma_format 4:2:0, 8 bits luma, 8 bits chroma, no SPS extensions: nothing else is accepted.
            record.put_slice(&[0xfc | 1, 0xf8, 0xf8, 0]);
        }
        Ok(Self::parse(record.freeze()).ok())
    }
}

fn put_units(record: &mut BytesMut, units: &[&[u8]]) {
    for unit in units {
        record.put_u16(unit.len() as u16);
        record.put_slice(unit);
    }
}

/// An `AudioSpecificConfig` (ISO/IEC 14496-3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aac {
    /// The configuration itself.
    pub(crate) config: Bytes,
    /// Sampling frequency of what is heard.
    pub(crate) sample_rate: u32,
    /// Channels that are heard.
    pub(crate) channels: u32,
    /// Sampling frequency of the coded core: the track's timescale. With spectral band replication half of
    /// `sample_rate`.
    pub(crate) core_rate: u32,
    /// Samples of the core in a frame.
    pub(crate) frame_length: u32,
    object_type: u32,
}

impl Aac {
    const LOW_COMPLEXITY: u32 = 2;
    const BAND_REPLICATION: u32 = 5;
    const PARAMETRIC_STEREO: u32 = 29;

    /// Reads a configuration.
    pub(crate) fn parse(config: Bytes) -> Result<Self, Error> {
        let mut bits = Bits::new(&config);
        let fields = Self::fields(&mut bits).ok_or(Error::Malformed("AudioSpecificConfig"))?;
        let (object_type, core_type, core_rate, sample_rate, layout, short) = fields;
        if core_type != Self::LOW_COMPLEXITY {
            return Err(Error::Unsupported(format!("audio object type {core_type}")));
        }
        if core_rate == 0 || sample_rate == 0 {
            return Err(Error::Malformed("AudioSpecificConfig"));
        }
        let channels = match layout {
            1 if object_type == Self::PARAMETRIC_STEREO => 2,
            1..=6 => layout,
            7 => 8,
            _ => return Err(Error::Unsupported(format!("AAC channel configuration {layout}"))),
        };
        let frame_length = if short { 960 } else { 1024 };
        Ok(Self { config, sample_rate, channels, core_rate, frame_length, object_type })
    }

    fn fields(bits: &mut Bits<'_>) -> Option<(u32, u32, u32, u32, u32, bool)> {
        let object_type = Self::object_type(bits)?;
        let core_rate = Self::frequency(bits)?;
        let layout = bits.unsigned(4)?;
        let (mut core_type, mut sample_rate) = (object_type, core_rate);
        if matches!(object_type, Self::BAND_REPLICATION | Self::PARAMETRIC_STEREO) {
            sample_rate = Self::frequency(bits)?;
            core_type = Self::object_type(bits)?;
        }
        let short = bits.flag()?;
        Some((object_type, core_type, core_rate, sample_rate, layout, short))
    }

    fn object_type(bits: &mut Bits<'_>) -> Option<u32> {
        const ESCAPE: u32 = 31;
        match bits.unsigned(5)? {
            ESCAPE => Some(32 + bits.unsigned(6)?),
            object_type => Some(object_type),
        }
    }

    /// Zero for a reserved index.
    fn frequency(bits: &mut Bits<'_>) -> Option<u32> {
        const FREQUENCIES: [u32; 13] =
            [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
        match bits.unsigned(4)? {
            15 => bits.unsigned(24),
            index => Some(FREQUENCIES.get(index as usize).copied().unwrap_or(0)),
        }
    }

    /// RFC 6381 codec string.
    pub(crate) fn codec(&self) -> String {
        format!("mp4a.40.{}", self.object_type)
    }
}
