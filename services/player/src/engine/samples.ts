// The samples of a media fragment, each with its bytes: what a decoder takes that is fed by the page.
//
// A SourceBuffer finds them by itself, so only the renderer that has none reads this. Offsets count from the moof
// (default-base-is-moof, ISO/IEC 14496-12, 8.8.7), as the workers write them. Bytes are views on the message.
import { boxes, child, Mp4Error, need, type Box } from './boxes';
import type { MediaFragment } from './mp4';
import { run, runDefaults } from './track-run';

export interface Sample {
  /** In the track's timescale. */
  readonly presentationTime: number;
  /** True: a decoder can begin here. */
  readonly sync: boolean;
  readonly data: Uint8Array;
}

/** Throws Mp4Error where the fragment points beyond itself. */
export function readSamples({ bytes, decodeTime }: MediaFragment): Sample[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const top = [...boxes(view, 0, view.byteLength)];
  const moof = need(top.find(({ type }) => type === 'moof'), 'moof', 0);
  const traf = need(child(view, moof, 'traf'), 'traf', 0);
  const tfhd = need(child(view, traf, 'tfhd'), 'tfhd', 8);
  if (view.getUint32(tfhd.body) & 0x1) throw new Mp4Error('tfhd counts from the beginning of a file');
  const defaults = runDefaults(view, tfhd);
  const samples: Sample[] = [];
  let time = decodeTime;
  let at = need(top.find(({ type }) => type === 'mdat'), 'mdat', 0).body;
  for (const trun of boxes(view, traf.body, traf.end)) {
    if (trun.type !== 'trun') continue;
    at = dataOffset(view, moof, trun) ?? at;
    for (const { duration, size, sync, compositionOffset } of run(view, trun, defaults)) {
      if (at < 0 || at + size > bytes.length) throw new Mp4Error('a sample reaches beyond its fragment');
      const data = bytes.subarray(at, at + size);
      samples.push({ presentationTime: time + compositionOffset, sync, data });
      at += size;
      time += duration;
    }
  }
  return samples;
}

function dataOffset(view: DataView, moof: Box, trun: Box): number | undefined {
  need(trun, 'trun', 8);
  if (!(view.getUint32(trun.body) & 0x1)) return undefined;
  need(trun, 'trun', 12);
  return moof.start + view.getInt32(trun.body + 8);
}
