// Reads what a player must know from the boxes of ISO/IEC 14496-12: where init segments and media fragments begin and
// end, whose they are, their number and time, and whether one can begin there.
//
// It copies nothing and changes nothing: segments are views on the message. It is strict about lengths, for the bytes are
// foreign, and knows only the boxes that it needs.
import { boxes, child, Mp4Error, need, u64, type Box } from './boxes';
import { codecOf, UNKNOWN, type SampleEntry } from './codec';
import { run, runDefaults } from './track-run';

export { Mp4Error };

export interface InitSegment {
  readonly kind: 'init';
  readonly bytes: Uint8Array;
  readonly tracks: readonly TrackHeader[];
}

export interface TrackHeader extends SampleEntry {
  readonly id: number;
  /** Units of decode time in a second. */
  readonly timescale: number;
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

/** Seconds from the epoch of NTP (1900) to that of Unix. */
const NTP_TO_UNIX_S = 2_208_988_800;

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
    headers.push({ id, timescale, ...(entry ? codecOf(view, entry) : UNKNOWN) });
  }
  return headers;
}

function fragment(view: DataView, moof: Box): Omit<MediaFragment, 'kind' | 'bytes' | 'capturedAt'> {
  const sequence = view.getUint32(need(child(view, moof, 'mfhd'), 'mfhd', 8).body + 4);
  const traf = need(child(view, moof, 'traf'), 'traf', 0);
  const tfhd = need(child(view, traf, 'tfhd'), 'tfhd', 8);
  const trackId = view.getUint32(tfhd.body + 4);
  const defaults = runDefaults(view, tfhd);
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
        sync = sample.sync;
        compositionOffset = sample.compositionOffset;
      }
      samples += 1;
      lastDecodeTime = time;
      time += sample.duration;
    }
  }
  return { sequence, trackId, decodeTime, compositionOffset, lastDecodeTime, samples, sync };
}

/** prft: flags and version, reference track, NTP time of 32.32 bits. */
function producedAt(view: DataView, prft: Box): number {
  need(prft, 'prft', 16);
  const seconds = view.getUint32(prft.body + 8) - NTP_TO_UNIX_S;
  return (seconds + view.getUint32(prft.body + 12) / 2 ** 32) * 1000;
}
