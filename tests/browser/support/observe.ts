// What a viewer sees of a video, in figures: an observation counts from one presented frame on, for a given time.
//
// It looks at the <video> element alone, never at the player around it, so that it judges any page.
import { expect, type Page } from '@playwright/test';

export interface Observation {
  /** How long it took, and how far the picture's clock went in that time. */
  readonly wallMs: number;
  readonly mediaMs: number;
  readonly decoded: number;
  readonly dropped: number;
  /** Longest time for which the picture's clock stood still. */
  readonly longestStandMs: number;
  /** Media times of the frames that were shown, in seconds. */
  readonly shown: readonly number[];
  /** What the video plays from; another one is another MediaSource. */
  readonly src: string;
}

/** The element that plays: <mqtt-video>, or a bare <video>. */
export const PLAYER = 'mqtt-video';

/** Waits until the element shows frames, then watches it for `seconds`. */
export async function observe(page: Page, seconds: number, selector = PLAYER): Promise<Observation> {
  await awaitFrame(page, selector);
  return page.evaluate(
    ({ selector, seconds }) =>
      new Promise<Observation>((resolve) => {
        const found = document.querySelector(selector) as HTMLVideoElement & { video?: HTMLVideoElement };
        const video = found.video ?? found;
        const shown: number[] = [];
        let longestStandMs = 0;
        let movedAt = performance.now();
        let last = video.currentTime;
        const onFrame: VideoFrameRequestCallback = (_, { mediaTime }) => {
          shown.push(mediaTime);
          video.requestVideoFrameCallback(onFrame);
        };
        video.requestVideoFrameCallback(onFrame);
        const before = { at: performance.now(), time: last, quality: video.getVideoPlaybackQuality() };
        const timer = setInterval(() => {
          const now = performance.now();
          if (video.currentTime !== last) {
            last = video.currentTime;
            movedAt = now;
          }
          longestStandMs = Math.max(longestStandMs, now - movedAt);
          if (now - before.at < seconds * 1000) return;
          clearInterval(timer);
          const quality = video.getVideoPlaybackQuality();
          resolve({
            wallMs: now - before.at,
            mediaMs: (video.currentTime - before.time) * 1000,
            decoded: quality.totalVideoFrames - before.quality.totalVideoFrames,
            dropped: quality.droppedVideoFrames - before.quality.droppedVideoFrames,
            longestStandMs,
            shown,
            src: video.src,
          });
        }, 20);
      }),
    { selector, seconds },
  );
}

/** Waits for the next frame that comes on screen. */
export async function awaitFrame(page: Page, selector = PLAYER): Promise<void> {
  await page.waitForFunction(
    (selector) => {
      const found = document.querySelector(selector) as (HTMLVideoElement & { video?: HTMLVideoElement }) | null;
      const video = found?.video ?? found;
      return video && new Promise<boolean>((resolve) => video.requestVideoFrameCallback(() => resolve(true)));
    },
    selector,
    { timeout: 30_000 },
  );
}

/** Claims that the picture went at real time, at the source's rate, and never stood. */
export function expectSmooth(seen: Observation, fps = 30): void {
  const summary = JSON.stringify({ ...seen, shown: `${seen.shown.length} frames` });
  // Holding the live edge may take or give a little: a picture that lags or runs away differs by seconds.
  expect(Math.abs(seen.mediaMs - seen.wallMs), `the clock goes at real time: ${summary}`).toBeLessThan(500);
  const rate = seen.decoded / (seen.mediaMs / 1000);
  expect(rate, `frames are decoded at the source's rate: ${summary}`).toBeGreaterThan(fps * 0.95);
  expect(rate, `frames are decoded at the source's rate: ${summary}`).toBeLessThan(fps * 1.05);
  expect(seen.longestStandMs, `the picture never stands: ${summary}`).toBeLessThan(300);
  expect(seen.dropped, `hardly any frame is dropped: ${summary}`).toBeLessThan(seen.decoded * 0.1);
}

/** Longest run of frames that were skipped on screen. */
export function longestSkip(seen: Observation, fps = 30): number {
  let longest = 0;
  for (const [index, time] of seen.shown.entries()) {
    const before = seen.shown[index - 1];
    if (before !== undefined) longest = Math.max(longest, Math.round((time - before) * fps) - 1);
  }
  return longest;
}
