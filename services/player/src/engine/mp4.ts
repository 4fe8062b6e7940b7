// Reads what a player must know from the boxes of ISO/IEC 14496-12: where init segments and media fragments begin and
// end, whose they are, their number and time, and whether one can begin there.
//
// It copies nothing and changes nothing: segments are views on the message. It is strict about lengths, for the bytes are
// foreign, and knows only the boxes that it needs.
import { codecOf } from './codec';

export class Mp4Error extends Error {
  override readonly name = 'Mp4Error';
}

export interface InitSegment {
  readonly kind: 'init';
  readonly bytes: Uint8Array;
  readonly tracks: readonly TrackHeader[];
}

export interface TrackHeader {
  readonly id: number;
  /** Units of decode time in a second. */
  readonly timescale: number;
  /** RFC 6381 string; undefined for a sample entry that this player does not know. */
  readonly codec: string | undefined;
  /** Size of the picture; undefined for sound. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
}

export interface MediaFragment {
  readonly kind: 'media';
  readonly bytes: Uint8Array;
  readonly trackId: number;
  /** mfhd.sequence_number. */
  readonly sequence: number;
  /** Decode time of the first sample, in the track's timescale. */
  readonly decodeTime: number;
  /** Composition offset of the first sample, in the track's timescale. */
  readonly compositionOffset: number;
  /** Decode time of the last sample; its duration is a promise only, so the end is not known. */
  readonly lastDecodeTime: number;
  readonly samples: number;
  /** True: the first sample is a sync sample, so that a decoder can begin here. */
  readonly sync: boolean;
  /** When the worker got the first sample (prft), Unix milliseconds by the worker's clock. */
  readonly capturedAt: number | undefined;
}

export type Segment = InitSegment | MediaFragment;

interface Box {
  readonly type: string;
  readonly start: number;
  readonly body: number;
  readonly end: number;
}

/** Seconds from the epoch of NTP (1900) to that of Unix. */
const NTP_TO_UNIX_S = 2_208_988_800;
const NON_SYNC = 0x10000;

/** Cuts whole boxes into init segments and media fragments, in their order. */
export function readSegments(bytes: Uint8Array): Segment[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const segments: Segment[] = [];
  let start = 0;
  let moov: Box | undefined;
  let moof: Box | undefined;
  let capturedAt: number | undefined;
  for (const box of boxes(view, 0, view.byteLength)) {
    if (box.type === 'prft') capturedAt = producedAt(view, box);
    else if (box.type === 'moov') moov = box;
    else if (box.type === 'moof') moof = box;
    if (moov) {
      segments.push({ kind: 'init', bytes: bytes.subarray(start, box.end), tracks: trackHeaders(view, moov) });
    } else if (box.type === 'mdat' && moof) {
      segments.push({ kind: 'media', bytes: bytes.subarray(start, box.end), capturedAt, ...fragment(view, moof) });
    } else if (box.type === 'mdat') {
      throw new Mp4Error('mdat without moof');
    } else {
      continue;
    }
    start = box.end;
    moov = moof = capturedAt = undefined;
  }
  if (moof) throw new Mp4Error('moof without mdat');
  return segments;
}

function* boxes(view: DataView, from: number, to: number): Generator<Box> {
  let start = from;
  while (start < to) {
    if (to - start < 8) throw new Mp4Error('a box ends within its header');
    let size = view.getUint32(start);
    let body = start + 8;
    if (size === 1) {
      if (to - start < 16) throw new Mp4Error('a box ends within its header');
      size = u64(view, body);
      body += 8;
    }
    const end = start + size;
    if (end < body || end > to) throw new Mp4Error('a box reaches beyond its container');
    yield { type: fourCC(view, start + 4), start, body, end };
    start = end;
  }
}

function child(view: DataView, parent: { body: number; end: number }, ...path: string[]): Box | undefined {
  let box: Box | undefined;
  let { body, end } = parent;
  for (const type of path) {
    box = undefined;
    for (const candidate of boxes(view, body, end)) {
      if (candidate.type === type) {
        box = candidate;
        break;
      }
    }
    if (!box) return undefined;
    ({ body, end } = box);
  }
  return box;
}

function need(box: Box | undefined, name: string, bytes: number): Box {
  if (!box) throw new Mp4Error(`no ${name}`);
  if (box.end - box.body < bytes) throw new Mp4Error(`${name} is too short`);
  return box;
}

function trackHeaders(view: DataView, moov: Box): TrackHeader[] {
  const headers: TrackHeader[] = [];
  for (const trak of boxes(view, moov.body, moov.end)) {
    if (trak.type !== 'trak') continue;
    const tkhd = need(child(view, trak, 'tkhd'), 'tkhd', 84);
    const id = view.getUint32(tkhd.body + (view.getUint8(tkhd.body) === 1 ? 20 : 12));
    const mdhd = need(child(view, trak, 'mdia', 'mdhd'), 'mdhd', 24);
    const timescale = view.getUint32(mdhd.body + (view.getUint8(mdhd.body) === 1 ? 20 : 12));
    if (timescale === 0) throw new Mp4Error('mdhd without timescale');
    const stsd = need(child(view, trak, 'mdia', 'minf', 'stbl', 'stsd'), 'stsd', 8);
    const [entry] = boxes(view, stsd.body + 8, stsd.end);
    headers.push({ id, timescale, ...(entry ? codecOf(view, entry) : { codec: undefined, size: undefined }) });
  }
  return headers;
}

function fragment(view: DataView, moof: Box): Omit<MediaFragment, 'kind' | 'bytes' | 'capturedAt'> {
  const sequence = view.getUint32(need(child(view, moof, 'mfhd'), 'mfhd', 8).body + 4);
  const traf = need(child(view, moof, 'traf'), 'traf', 0);
  const tfhd = need(child(view, traf, 'tfhd'), 'tfhd', 8);
  const trackId = view.getUint32(tfhd.body + 4);
  const defaults = sampleDefaults(view, tfhd);
  const tfdt = need(child(view, traf, 'tfdt'), 'tfdt', 8);
  if (view.getUint8(tfdt.body) === 1) need(tfdt, 'tfdt', 12);
  const decodeTime = view.getUint8(tfdt.body) === 1 ? u64(view, tfdt.body + 4) : view.getUint32(tfdt.body + 4);

  let samples = 0;
  let sync = false;
  let compositionOffset = 0;
  let time = decodeTime;
  let lastDecodeTime = decodeTime;
  for (const box of boxes(view, traf.body, traf.end)) {
    if (box.type !== 'trun') continue;
    for (const sample of run(view, box, defaults)) {
      if (samples === 0) {
        sync = (sample.flags & NON_SYNC) === 0;
        compositionOffset = sample.compositionOffset;
      }
      samples += 1;
      lastDecodeTime = time;
      time += sample.duration;
    }
  }
  return { sequence, trackId, decodeTime, compositionOffset, lastDecodeTime, samples, sync };
}

interface SampleDefaults {
  readonly duration: number;
  readonly flags: number;
}

function sampleDefaults(view: DataView, tfhd: Box): SampleDefaults {
  const has = view.getUint32(tfhd.body) & 0xffffff;
  let at = tfhd.body + 8 + (has & 0x1 ? 8 : 0) + (has & 0x2 ? 4 : 0);
  const field = (bit: number): number => {
    if (!(has & bit)) return 0;
    at += 4;
    if (at > tfhd.end) throw new Mp4Error('tfhd is too short');
    return view.getUint32(at - 4);
  };
  const duration = field(0x8);
  field(0x10);
  return { duration, flags: field(0x20) };
}

interface Sample {
  readonly duration: number;
  readonly flags: number;
  readonly compositionOffset: number;
}

function* run(view: DataView, trun: Box, defaults: SampleDefaults): Generator<Sample> {
  need(trun, 'trun', 8);
  const signed = view.getUint8(trun.body) > 0;
  const has = view.getUint32(trun.body) & 0xffffff;
  const count = view.getUint32(trun.body + 4);
  let at = trun.body + 8 + (has & 0x1 ? 4 : 0);
  let firstFlags: number | undefined;
  if (has & 0x4) {
    need(trun, 'trun', at + 4 - trun.body);
    firstFlags = view.getUint32(at);
    at += 4;
  }
  const width = [0x100, 0x200, 0x400, 0x800].filter((bit) => has & bit).length * 4;
  if (at + width * count > trun.end) throw new Mp4Error('trun is too short');
  // Without any field of its own a sample takes no room, so nothing else bounds the count.
  if (width === 0 && count > 100_000) throw new Mp4Error('trun claims too many samples');
  for (let index = 0; index < count; index += 1) {
    let { duration, flags } = defaults;
    let compositionOffset = 0;
    if (has & 0x100) {
      duration = view.getUint32(at);
      at += 4;
    }
    if (has & 0x200) at += 4;
    if (has & 0x400) {
      flags = view.getUint32(at);
      at += 4;
    }
    if (has & 0x800) {
      compositionOffset = signed ? view.getInt32(at) : view.getUint32(at);
      at += 4;
    }
    if (index === 0 && firstFlags !== undefined) flags = firstFlags;
    yield { duration, flags, compositionOffset };
  }
}

/** prft: flags and version, reference track, NTP time of 32.32 bits. */
function producedAt(view: DataView, prft: Box): number {
  need(prft, 'prft', 16);
  const seconds = view.getUint32(prft.body + 8) - NTP_TO_UNIX_S;
  return (seconds + view.getUint32(prft.body + 12) / 2 ** 32) * 1000;
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

function fourCC(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}
