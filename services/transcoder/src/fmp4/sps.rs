//! Reads a sequence parameter set of H.264 (ITU-T H.264 §7.3.2.1.1) as far as the size and shape of the picture.

use super::bits::Bits;
use super::codecs::Error;

/// What a sequence parameter set says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sps {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixel_aspect: Option<(u16, u16)>,
    /// Its profile is one of those whose configuration record has the chroma extension.
    pub(super) high: bool,
}

const MALFORMED: Error = Error::Malformed("sequence parameter set");
/// 16,384 pixels: far beyond level 6.2.
const MAX_MACROBLOCKS: u32 = 1024;

impl Sps {
    /// Reads a NAL unit, header included.
    pub(super) fn parse(unit: &[u8]) -> Result<Self, Error> {
        let payload = unescape(unit.get(1..).ok_or(MALFORMED)?);
        let mut bits = Bits::new(&payload);
        let high = format(&mut bits).ok_or(MALFORMED)??;
        let (width, height) = size(&mut bits).ok_or(MALFORMED)?;
        // Trailing fields may be cut off: then they say nothing.
        let pixel_aspect = pixel_aspect(&mut bits);
        Ok(Self { width, height, pixel_aspect, high })
    }
}

/// Without emulation prevention bytes.
fn unescape(payload: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    plain
}

/// From `profile_idc` to the scaling lists. True for a high profile.
fn format(bits: &mut Bits<'_>) -> Option<Result<bool, Error>> {
    const BASELINE: u32 = 66;
    const MAIN: u32 = 77;
    const HIGH: u32 = 100;
    const FORMAT_420: u32 = 1;

    let profile = bits.unsigned(8)?;
    let _constraints_and_level = bits.unsigned(16)?;
    let _id = bits.golomb()?;
    if matches!(profile, BASELINE | MAIN) {
        return Some(Ok(false));
    }
    if profile != HIGH {
        return Some(Err(Error::Unsupported(format!("H.264 profile {profile}"))));
    }
    let chroma_format = bits.golomb()?;
    let (luma, chroma) = (bits.golomb()?, bits.golomb()?);
    if (chroma_format, luma, chroma) != (FORMAT_420, 0, 0) {
        return Some(Err(Error::Unsupported("H.264 chroma format or bit depth".into())));
    }
    let _lossless = bits.flag()?;
    if bits.flag()? {
        for list in 0..8 {
            if bits.flag()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(Ok(true))
}

fn skip_scaling_list(bits: &mut Bits<'_>, length: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..length {
        if next != 0 {
            next = (last + bits.signed_golomb()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// From `log2_max_frame_num_minus4` to the cropping rectangle.
fn size(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    let _frame_num = bits.golomb()?;
    match bits.golomb()? {
        0 => drop(bits.golomb()?),
        1 => {
            bits.flag()?;
            bits.signed_golomb()?;
            bits.signed_golomb()?;
            let cycle = bits.golomb()?;
            for _ in 0..cycle.min(255) {
                bits.signed_golomb()?;
            }
        }
        _ => {}
    }
    let _reference_frames = bits.golomb()?;
    let _gaps = bits.flag()?;
    let columns = bits.golomb()?.checked_add(1).filter(|&columns| columns <= MAX_MACROBLOCKS)?;
    let rows = bits.golomb()?.checked_add(1).filter(|&rows| rows <= MAX_MACROBLOCKS)?;
    let frames_only = bits.flag()?;
    if !frames_only {
        let _adaptive = bits.flag()?;
    }
    let _direct_8x8 = bits.flag()?;
    // Rows count in fields unless there are frames only, and cropping counts in chroma samples.
    let fields = if frames_only { 1 } else { 2 };
    let (mut width, mut height) = (columns * 16, rows * 16 * fields);
    if bits.flag()? {
        let mut crop = |unit: u32| bits.golomb()?.checked_add(bits.golomb()?)?.checked_mul(unit);
        width = width.checked_sub(crop(2)?).filter(|&width| width > 0)?;
        height = height.checked_sub(crop(2 * fields)?).filter(|&height| height > 0)?;
    }
    Some((width, height))
}

/// The aspect ratio of the usability information.
fn pixel_aspect(bits: &mut Bits<'_>) -> Option<(u16, u16)> {
    const EXTENDED: u32 = 255;
    /// Table E-1, from index 1.
    const RATIOS: [(u16, u16); 16] = [
        (1, 1),
        (12, 11),
        (10, 11),
        (16, 11),
        (40, 33),
        (24, 11),
        (20, 11),
        (32, 11),
        (80, 33),
        (18, 11),
        (15, 11),
        (64, 33),
        (160, 99),
        (4, 3),
        (3, 2),
        (2, 1),
    ];
    if !bits.flag()? || !bits.flag()? {
        return None;
    }
    let (horizontal, vertical) = match bits.unsigned(8)? {
        EXTENDED => (bits.unsigned(16)? as u16, bits.unsigned(16)? as u16),
        index => *RATIOS.get((index as usize).checked_sub(1)?)?,
    };
    (horizontal != 0 && vertical != 0).then_some((horizontal, vertical))
}
