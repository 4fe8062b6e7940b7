//! Nested boxes with sizes that are filled in afterwards.
//!
//! It knows the two box headers of ISO/IEC 14496-12 and no particular box.

use bytes::{BufMut, BytesMut};

/// Writes a `Box` whose payload `body` appends.
pub(super) fn plain(out: &mut BytesMut, kind: [u8; 4], body: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u32(0);
    out.put_slice(&kind);
    body(out);
    let size = (out.len() - at) as u32;
    put_u32_at(out, at, size);
}

/// Writes a `FullBox` whose payload `body` appends.
pub(super) fn full(out: &mut BytesMut, kind: [u8; 4], version: u8, flags: u32, body: impl FnOnce(&mut BytesMut)) {
    plain(out, kind, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        body(out);
    });
}

/// Fills in a number that was not known when its place was written.
pub(super) fn put_u32_at(out: &mut BytesMut, at: usize, value: u32) {
    out[at..at + 4].copy_from_slice(&value.to_be_bytes());
}
