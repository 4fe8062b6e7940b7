// Which keyframes a page has been given: the init script notes each sync sample that is appended to a video buffer.
//
// Installed before the page loads, it sees the very bytes that the browser gets, whatever the player says about itself.
import type { Page } from '@playwright/test';

/** Begins to note; call before page.goto. */
export async function noteSyncSamples(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const noted: number[] = [];
    const playhead = (): number =>
      (document.querySelector('mqtt-video') as HTMLElement & { video: HTMLVideoElement }).video.currentTime;
    Object.assign(globalThis, { syncSamples: noted, playhead });

    interface Box {
      readonly type: string;
      readonly start: number;
      readonly end: number;
    }
    function* boxes(view: DataView, start: number, end: number): Generator<Box> {
      for (let at = start; at + 8 <= end; at += view.getUint32(at)) {
        const type = String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at + 4, 4));
        yield { type, start: at + 8, end: at + view.getUint32(at) };
      }
    }
    /** Presentation time, in units of the track's clock, of the fragment's first sample if that is a sync sample. */
    function syncTime(view: DataView, traf: Box): number | undefined {
      let decodeTime = 0;
      let time: number | undefined;
      for (const { type, start } of boxes(view, traf.start, traf.end)) {
        const flags = view.getUint32(start) & 0xffffff;
        if (type === 'tfdt') decodeTime = Number(view.getBigUint64(start + 4));
        if (type !== 'trun') continue;
        const present = (flag: number): number => (flags & flag ? 4 : 0);
        const first = start + 8 + present(0x1);
        const perSample = first + present(0x4);
        const sampleFlags = flags & 0x4 ? first : perSample + present(0x100) + present(0x200);
        const offset = perSample + present(0x100) + present(0x200) + present(0x400);
        const isSync = (view.getUint32(sampleFlags) & 0x10000) === 0;
        if (isSync) time = decodeTime + (flags & 0x800 ? view.getInt32(offset) : 0);
      }
      return time;
    }

    const VIDEO_TIMESCALE = 90_000;
    const append = SourceBuffer.prototype.appendBuffer;
    SourceBuffer.prototype.appendBuffer = function (data: BufferSource) {
      const view = ArrayBuffer.isView(data)
        ? new DataView(data.buffer, data.byteOffset, data.byteLength)
        : new DataView(data);
      for (const moof of boxes(view, 0, view.byteLength)) {
        if (moof.type !== 'moof') continue;
        for (const traf of boxes(view, moof.start, moof.end)) {
          if (traf.type !== 'traf') continue;
          const [tfhd] = boxes(view, traf.start, traf.end);
          const isVideo = tfhd !== undefined && view.getUint32(tfhd.start + 4) === 1;
          const time = isVideo ? syncTime(view, traf) : undefined;
          if (time !== undefined) noted.push(time / VIDEO_TIMESCALE);
        }
      }
      append.call(this, data);
    };
  });
}

/** Presentation times of the keyframes that the page has been given, in seconds. */
export function syncSamples(page: Page): Promise<number[]> {
  return page.evaluate(() => (globalThis as unknown as { syncSamples: number[] }).syncSamples);
}

declare global {
  /** Where the picture is, in seconds; in pages that note sync samples. */
  function playhead(): number;
}
