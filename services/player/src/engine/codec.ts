// RFC 6381 codec strings and picture sizes from sample entries, for a generation that differs from what describe said.
//
// Only what the workers send: H.264 in avc1, AAC in mp4a. Anything else reads as unknown, and the SourceBuffer stays as
// it was declared.

export interface SampleEntry {
  /** RFC 6381 string; undefined for an entry that this player does not know. */
  readonly codec: string | undefined;
  /** Size of the picture; undefined for sound. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
  /** AVCDecoderConfigurationRecord: what a decoder of H.264 begins with. */
  readonly decoderConfig: Uint8Array | undefined;
}

export const UNKNOWN: SampleEntry = { codec: undefined, size: undefined, decoderConfig: undefined };

interface Extent {
  readonly type: string;
  readonly body: number;
  readonly end: number;
}

export function codecOf(view: DataView, entry: Extent): SampleEntry {
  switch (entry.type) {
    case 'avc1':
    case 'avc3':
      return avc(view, entry);
    case 'mp4a':
      return { ...UNKNOWN, codec: aac(view, entry) };
    default:
      return UNKNOWN;
  }
}

/** VisualSampleEntry: 78 bytes, then boxes. */
function avc(view: DataView, entry: Extent): SampleEntry {
  if (entry.end - entry.body < 78) return UNKNOWN;
  const size = { width: view.getUint16(entry.body + 24), height: view.getUint16(entry.body + 26) };
  const config = payload(view, entry.body + 78, entry.end, 'avcC');
  if (!config || config.end - config.start < 4) return { ...UNKNOWN, size };
  const decoderConfig = new Uint8Array(view.buffer, view.byteOffset + config.start, config.end - config.start);
  const hex = [1, 2, 3].map((at) => view.getUint8(config.start + at).toString(16).padStart(2, '0'));
  return { codec: `${entry.type}.${hex.join('').toUpperCase()}`, size, decoderConfig };
}

/** AudioSampleEntry: 28 bytes, then boxes; the object type is in the descriptors of esds (ISO/IEC 14496-1, 7.2.6). */
function aac(view: DataView, entry: Extent): string | undefined {
  const esds = payload(view, entry.body + 28, entry.end, 'esds');
  if (!esds) return undefined;
  let at = esds.start + 4;
  let objectType: number | undefined;
  while (at + 2 <= esds.end) {
    const tag = view.getUint8(at);
    at += 1;
    // The length is a number of 7-bit digits; a set high bit means that more follow.
    let more = true;
    while (more && at < esds.end) {
      more = view.getUint8(at) > 0x7f;
      at += 1;
    }
    if (tag === 0x03) {
      at += 3;
    } else if (tag === 0x04 && at < esds.end) {
      objectType = view.getUint8(at);
      at += 13;
    } else if (tag === 0x05 && at < esds.end && objectType !== undefined) {
      return `mp4a.${objectType.toString(16)}.${view.getUint8(at) >> 3}`;
    } else {
      return undefined;
    }
  }
  return undefined;
}

function payload(view: DataView, from: number, to: number, type: string): { start: number; end: number } | undefined {
  let at = from;
  while (at + 8 <= to) {
    const end = at + view.getUint32(at);
    if (end < at + 8 || end > to) return undefined;
    const found = String.fromCharCode(...[4, 5, 6, 7].map((byte) => view.getUint8(at + byte)));
    if (found === type) return { start: at + 8, end };
    at = end;
  }
  return undefined;
}
