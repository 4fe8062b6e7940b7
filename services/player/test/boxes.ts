// Writes ISO BMFF boxes for tests, by the specification and not by the reader under test.

type Content = Uint8Array | readonly number[];

export function box(type: string, ...content: Content[]): Uint8Array {
  const size = 8 + content.reduce((sum, part) => sum + part.length, 0);
  return concat(u32(size), [0, 1, 2, 3].map((at) => type.charCodeAt(at)), ...content);
}

export function concat(...parts: Content[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export function u16(value: number): number[] {
  return [value >> 8, value].map((byte) => byte & 0xff);
}

export function u32(value: number): number[] {
  return [value >>> 24, value >>> 16, value >>> 8, value].map((byte) => byte & 0xff);
}

export function u64(value: number): number[] {
  return [...u32(Math.floor(value / 2 ** 32)), ...u32(value % 2 ** 32)];
}

const zeros = (count: number): number[] => new Array<number>(count).fill(0);

export interface FragmentFields {
  track?: number;
  sequence?: number;
  decodeTime?: number;
  sync?: boolean;
  compositionOffset?: number;
  durations?: number[];
  /** NTP seconds and fraction of a prft before the moof. */
  ntp?: readonly [number, number];
  payload?: Content;
}

/** A media fragment as the transcoder writes it: flags in first_sample_flags or per sample. */
export function fragment(fields: FragmentFields = {}): Uint8Array {
  const { track = 1, sequence = 1, decodeTime = 0, sync = false, compositionOffset = 0 } = fields;
  const { durations = [45_000], ntp, payload = [1, 2, 3] } = fields;
  const samples = durations.flatMap((duration, index) => [
    ...u32(duration),
    ...u32(payload.length),
    ...u32(sync && index === 0 ? 0x02000000 : 0x01010000),
    ...u32(index === 0 ? compositionOffset : 0),
  ]);
  const moof = box(
    'moof',
    box('mfhd', u32(0), u32(sequence)),
    box(
      'traf',
      box('tfhd', u32(0x020000), u32(track)),
      box('tfdt', u32(0x01000000), u64(decodeTime)),
      box('trun', u32(0x01000f01), u32(durations.length), u32(0), samples),
    ),
  );
  const prft = ntp ? box('prft', u32(0x01000000), u32(track), u32(ntp[0]), u32(ntp[1]), u64(decodeTime)) : [];
  return concat(prft, moof, box('mdat', payload));
}

export interface InitFields {
  track?: number;
  timescale?: number;
  /** profile, compatibility, level */
  avc?: readonly [number, number, number];
  size?: readonly [number, number];
  audio?: boolean;
}

export function init(fields: InitFields = {}): Uint8Array {
  const { track = 1, timescale = 90_000, avc = [0x42, 0xc0, 0x1e], size = [640, 360], audio = false } = fields;
  const avcC = box('avcC', [1, ...avc, 0xff, 0xe1, 0, 0]);
  const entry = audio
    ? box('mp4a', zeros(28), esds())
    : box('avc1', zeros(24), u16(size[0]), u16(size[1]), zeros(50), avcC);
  const trak = box(
    'trak',
    box('tkhd', u32(7), zeros(8), u32(track), zeros(68)),
    box(
      'mdia',
      box('mdhd', u32(0), zeros(8), u32(timescale), zeros(8)),
      box('minf', box('stbl', box('stsd', u32(0), u32(1), entry))),
    ),
  );
  return concat(box('ftyp', zeros(8)), box('moov', box('mvhd', zeros(100)), trak));
}

/** AAC-LC, with a length that takes four bytes in one descriptor, as some writers do. */
function esds(): Uint8Array {
  const specific = [0x05, 2, 0x11, 0x88];
  const config = [0x04, 0x80, 0x80, 0x80, 13 + specific.length, 0x40, 0x15, ...zeros(11), ...specific];
  return box('esds', u32(0), [0x03, 3 + config.length, ...u16(1), 0], config);
}
