// Our player as a page offers it: the state in its data attribute, the figures that the element gives.
import type { Page } from '@playwright/test';
import { expect } from '@playwright/test';

/** Of the element's figures, those that tests ask for; services/player/src/engine/stats.ts has them all. */
export interface Stats {
  readonly state: string;
  readonly renderer?: 'mse' | 'webcodecs';
  readonly tracks: readonly string[];
  readonly worker?: string;
  readonly generation?: number;
  readonly width?: number;
  readonly height?: number;
  readonly stalls: number;
  readonly reconnects: number;
  readonly decoderErrors: number;
  readonly decodedFrames: number;
  readonly firstFrameMs?: number;
  readonly latencyMs?: number;
}

type Element = HTMLElement & { readonly stats: Stats; readonly video: HTMLVideoElement };

export function stats(page: Page): Promise<Stats> {
  return page.evaluate(() => (document.querySelector('mqtt-video') as Element).stats);
}

/** What the player says of the latency, in milliseconds, with each frame that comes on screen for `seconds`. */
export function latencies(page: Page, seconds: number): Promise<readonly number[]> {
  return page.evaluate(
    (seconds) =>
      new Promise<number[]>((resolve) => {
        const player = document.querySelector('mqtt-video') as Element;
        const until = performance.now() + seconds * 1000;
        const figures: number[] = [];
        // The player has asked for the frame earlier, and is called earlier.
        const onFrame = (now: number): void => {
          const { latencyMs } = player.stats;
          if (latencyMs !== undefined) figures.push(latencyMs);
          if (now < until) player.video.requestVideoFrameCallback(onFrame);
          else resolve(figures);
        };
        player.video.requestVideoFrameCallback(onFrame);
      }),
    seconds,
  );
}

export async function expectState(page: Page, state: string): Promise<void> {
  await expect(page.locator('#state')).toHaveAttribute('data-state', state);
}

/** Waits until the player has taken over to a run of ffmpeg after `generation`, and shows it. */
export async function awaitGenerationAfter(page: Page, generation: number | undefined): Promise<void> {
  await page.waitForFunction(
    (generation) => ((document.querySelector('mqtt-video') as Element).stats.generation ?? 0) > generation,
    generation ?? 0,
    { timeout: 30_000 },
  );
}

/** The size of the picture on screen changes with the frame that has it. */
export async function awaitPictureWidth(page: Page, width: number): Promise<void> {
  await page.waitForFunction(
    (width) => (document.querySelector('mqtt-video') as Element).video.videoWidth === width,
    width,
    { timeout: 30_000 },
  );
}

/** What the picture plays from; another one is another MediaSource. */
export function pictureSource(page: Page): Promise<string> {
  return page.evaluate(() => (document.querySelector('mqtt-video') as Element).video.src);
}
