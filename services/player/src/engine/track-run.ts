// Track fragments and their runs (tfhd, trun of ISO/IEC 14496-12): the samples of a fragment, by their figures.
import { Mp4Error, need, type Box } from './boxes';

const NON_SYNC = 0x10000;

interface Defaults {
  readonly duration: number;
  readonly size: number;
  readonly flags: number;
}

export function runDefaults(view: DataView, tfhd: Box): Defaults {
  const has = view.getUint32(tfhd.body) & 0xffffff;
  let at = tfhd.body + 8 + (has & 0x1 ? 8 : 0) + (has & 0x2 ? 4 : 0);
  const field = (bit: number): number => {
    if (!(has & bit)) return 0;
    at += 4;
    if (at > tfhd.end) throw new Mp4Error('tfhd is too short');
    return view.getUint32(at - 4);
  };
  const duration = field(0x8);
  const size = field(0x10);
  return { duration, size, flags: field(0x20) };
}

/** What a track run says of a sample; times in the track's timescale. */
export interface RunEntry {
  readonly duration: number;
  readonly size: number;
  /** True: a decoder can begin here. */
  readonly sync: boolean;
  readonly compositionOffset: number;
}

export function* run(view: DataView, trun: Box, defaults: Defaults): Generator<RunEntry> {
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
    let { duration, size, flags } = defaults;
    let compositionOffset = 0;
    if (has & 0x100) {
      duration = view.getUint32(at);
      at += 4;
    }
    if (has & 0x200) {
      size = view.getUint32(at);
      at += 4;
    }
    if (has & 0x400) {
      flags = view.getUint32(at);
      at += 4;
    }
    if (has & 0x800) {
      compositionOffset = signed ? view.getInt32(at) : view.getUint32(at);
      at += 4;
    }
    if (index === 0 && firstFlags !== undefined) flags = firstFlags;
    yield { duration, size, sync: (flags & NON_SYNC) === 0, compositionOffset };
  }
}
