// Keeps Chromium from playing to a beat.
//
// Once the frames of a video last two refreshes of the screen each, Chromium decides at every second refresh only what to show,
// gives each frame its two refreshes whether they suit it or not, and stops its clock when the next one is not there for its
// turn. A live frame that comes a moment after its turn is then 33 ms late, or its successor is in its place. For a stream
// whose frames last unequally long it does none of this: it looks at every refresh. So every second frame is told to begin
// a little later than it does. Where the clock is ahead of all frames this changes nothing that can be seen.
import { boxes, child } from './boxes';
import type { MediaFragment } from './mp4';

/**
 * Frame times must deviate by more than 0.55 refreshes of the screen (Chromium's VideoCadenceEstimator); this is so at 50 Hz,
 * and at any faster rate.
 */
const PUT_OFF_S = 0.012;
/** Of a frame: it stays before the next one. */
const MOST = 0.6;

export class Stagger {
  private odd = false;

  /** Puts off every second fragment that is one frame; changes its bytes. Returns by how much, seconds. */
  put(fragment: MediaFragment, timescale: number, frameS: number): number {
    if (fragment.samples !== 1) return 0;
    this.odd = !this.odd;
    if (!this.odd) return 0;
    const ticks = Math.round(Math.min(PUT_OFF_S, MOST * frameS) * timescale);
    const view = new DataView(fragment.bytes.buffer, fragment.bytes.byteOffset, fragment.bytes.length);
    for (const box of boxes(view, 0, view.byteLength)) {
      const tfdt = box.type === 'moof' ? child(view, box, 'traf', 'tfdt') : undefined;
      if (!tfdt) continue;
      const at = tfdt.body + 4;
      if (view.getUint8(tfdt.body) === 1) view.setBigUint64(at, view.getBigUint64(at) + BigInt(ticks));
      else view.setUint32(at, view.getUint32(at) + ticks);
      return ticks / timescale;
    }
    return 0;
  }
}
