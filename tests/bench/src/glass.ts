// What comes on screen in Chromium, and when: the stamp of each presented frame of a page's <video>, read in the page.
//
// It looks at the element alone, so that it judges any page. Latency is the clock when the browser tells that a frame is
// presented, less the stamp: one clock. A stamp that fails its check bits is a miss.
import { chromium, type Browser, type Page } from 'playwright-core';
import { CHROMIUM } from '../../browser/support/chromium.ts';
import { VIDEO_STAMP, type VideoStamp } from '../../browser/support/stamp.ts';

export interface Shown {
  /** When the browser told of it, Unix milliseconds. */
  readonly at: number;
  /** By the camera's clock, Unix milliseconds; absent when it cannot be read. */
  readonly stamp?: number;
  /** Frames that the browser had put on screen by then. */
  readonly presented: number;
}

export interface Start {
  /** When the page made its first WebSocket, Unix milliseconds. */
  readonly asked: number;
  /** When its first frame was presented. */
  readonly shown: number;
  /** The stamp of that frame. */
  readonly stamp?: number;
}

interface Glass {
  asked?: number;
  readonly frames: Shown[];
}

export function launch(): Promise<Browser> {
  return chromium.launch(CHROMIUM);
}

/** A page of its own caches; unless told otherwise, its frames are noted from the first one on. */
export async function openPage(browser: Browser, noted = true): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, bypassCSP: true });
  // The compiler names functions by it.
  await page.addInitScript('globalThis.__name = (of) => of');
  if (noted) {
    await page.addInitScript(VIDEO_STAMP);
    await page.addInitScript(note);
  }
  return page;
}

/** Waits for the first frame. */
export async function firstFrame(page: Page, timeout = 30_000): Promise<Start> {
  await page.waitForFunction(() => (globalThis as unknown as { glass: Glass }).glass.frames.length > 0, undefined, {
    timeout,
    polling: 50,
  });
  const { asked = NaN, frame } = await page.evaluate(() => {
    const { glass } = globalThis as unknown as { glass: Glass };
    return { asked: glass.asked, frame: glass.frames[0] };
  });
  return { asked, shown: frame?.at ?? NaN, ...(frame?.stamp !== undefined && { stamp: frame.stamp }) };
}

/** The frames that come on screen in so many seconds. */
export async function watch(page: Page, seconds: number): Promise<readonly Shown[]> {
  const from = await page.evaluate(() => (globalThis as unknown as { glass: Glass }).glass.frames.length);
  await page.waitForTimeout(seconds * 1000);
  return page.evaluate((from) => (globalThis as unknown as { glass: Glass }).glass.frames.slice(from), from);
}

/** Ages in milliseconds. */
export function ages(frames: readonly Shown[]): number[] {
  return frames.flatMap(({ at, stamp }) => (stamp === undefined ? [] : [at - stamp]));
}

/**
 * Per cent of the camera's frames, between the first and the last that were seen, that never came on screen. The browser
 * counts what it presents: of two frames at successive refreshes the page may hear of the later one alone.
 */
export function missing(frames: readonly Shown[], fps: number): number {
  const stamped = frames.flatMap(({ stamp, presented }) => (stamp === undefined ? [] : [{ stamp, presented }]));
  const [first, last] = [stamped[0], stamped.at(-1)];
  if (!first || !last) return 100;
  const expected = Math.round(((last.stamp - first.stamp) * fps) / 1000) + 1;
  return Math.max(0, 100 * (1 - (last.presented - first.presented + 1) / expected));
}

/** Longest time between two frames on screen, milliseconds. */
export function longestPause(frames: readonly Shown[]): number {
  return Math.max(0, ...frames.slice(1).map(({ at }, index) => at - (frames[index]?.at ?? at)));
}

/** Runs in the page, before its scripts. */
function note(): void {
  const glass: Glass = { frames: [] };
  Object.assign(globalThis, { glass });
  const { videoStamp } = globalThis as unknown as { videoStamp: VideoStamp };
  globalThis.WebSocket = new Proxy(WebSocket, {
    construct(target, args: ConstructorParameters<typeof WebSocket>) {
      glass.asked ??= Date.now();
      return new target(...args);
    },
  });

  const followed = new WeakSet<HTMLVideoElement>();
  const follow = (video: HTMLVideoElement): void => {
    if (followed.has(video)) return;
    followed.add(video);
    const onFrame: VideoFrameRequestCallback = (_, { presentedFrames: presented }) => {
      video.requestVideoFrameCallback(onFrame);
      const at = Date.now();
      const stamp = videoStamp(video);
      glass.frames.push(stamp === undefined ? { at, presented } : { at, stamp, presented });
    };
    video.requestVideoFrameCallback(onFrame);
  };
  // Video elements in shadow trees are seen as they are made.
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (init) {
    const root = attach.call(this, init);
    new MutationObserver(() => root.querySelectorAll('video').forEach(follow)).observe(root, { childList: true, subtree: true });
    return root;
  };
  new MutationObserver(() => document.querySelectorAll('video').forEach(follow)).observe(document, {
    childList: true,
    subtree: true,
  });
}
