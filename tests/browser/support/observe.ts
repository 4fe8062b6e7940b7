// What a viewer sees of a video, in figures: an observation counts from one shown frame on, for a given time.
//
// It looks at the <video> element alone, never at the player around it, so that it judges any page. The cameras burn the
// wall clock into each frame (deploy/local/camera.py says how); reading it back tells what is truly on screen, and how old.
import { expect, type Page } from '@playwright/test';
import { VIDEO_STAMP, type VideoStamp } from './stamp.ts';

export interface Frame {
  /** Its place on the video's clock, in seconds. */
  readonly mediaTime: number;
  /** How many the browser has put on screen by then; the page is told of most of them, unless it is held up. */
  readonly presented: number;
  /** When the camera made it, in Unix milliseconds; absent when the stamp cannot be read. */
  readonly stamp?: number;
  /** How old it was when it was shown, in milliseconds. */
  readonly age?: number;
}

export interface Observation {
  /** How long it took, and how far the video's clock went in that time. */
  readonly wallMs: number;
  readonly mediaMs: number;
  readonly decoded: number;
  readonly dropped: number;
  /** Longest time for which the video's clock stood still. */
  readonly longestStandMs: number;
  /** Longest time for which the machine let the browser's process stand, as a thread of it that does nothing else knows. */
  readonly heldUpMs: number;
  /** The frames that came on screen. */
  readonly frames: readonly Frame[];
  /** Bytes of audio that were decoded. */
  readonly audioBytes: number;
  /** What the video plays from; another one is another MediaSource. */
  readonly src: string;
}

/** The element that plays: <mqtt-video>, or a bare <video>. */
export const PLAYER = 'mqtt-video';

/** Waits until the element shows a frame, then watches it for `seconds`. */
export async function observe(page: Page, seconds: number, selector = PLAYER): Promise<Observation> {
  await awaitFrame(page, selector);
  await page.evaluate(VIDEO_STAMP);
  return page.evaluate(
    ({ selector, seconds }) =>
      new Promise<Observation>((resolve) => {
        type Media = HTMLVideoElement & { webkitAudioDecodedByteCount?: number };
        const found = document.querySelector(selector) as Media & { video?: Media };
        const video = found.video ?? found;
        const { videoStamp } = globalThis as unknown as { videoStamp: VideoStamp };

        const frames: Frame[] = [];
        let watching = true;
        const onFrame: VideoFrameRequestCallback = (_, { mediaTime, presentedFrames: presented, expectedDisplayTime }) => {
          if (!watching) return;
          const stamp = videoStamp(video);
          const shownAt = Date.now() + expectedDisplayTime - performance.now();
          frames.push(stamp === undefined ? { mediaTime, presented } : { mediaTime, presented, stamp, age: shownAt - stamp });
          video.requestVideoFrameCallback(onFrame);
        };
        video.requestVideoFrameCallback(onFrame);

        const beat = (): void => {
          let last = performance.now();
          let late = 0;
          setInterval(() => {
            const now = performance.now();
            late = Math.max(late, now - last - 20);
            last = now;
          }, 20);
          onmessage = () => postMessage(late);
        };
        const witness = new Worker(URL.createObjectURL(new Blob([`(${beat.toString()})()`])));
        const heldUp = new Promise<number>((resolve) => {
          witness.onmessage = ({ data }: MessageEvent<number>) => resolve(data);
        });

        const figures = () => {
          const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
          const audioBytes = video.webkitAudioDecodedByteCount ?? 0;
          return { at: performance.now(), time: video.currentTime, totalVideoFrames, droppedVideoFrames, audioBytes };
        };
        const before = figures();
        let last = before.time;
        let movedAt = before.at;
        let longestStandMs = 0;
        const timer = setInterval(() => {
          const now = performance.now();
          if (video.currentTime !== last) {
            last = video.currentTime;
            movedAt = now;
          }
          longestStandMs = Math.max(longestStandMs, now - movedAt);
          if (now - before.at < seconds * 1000) return;
          clearInterval(timer);
          watching = false;
          const after = figures();
          witness.postMessage('report');
          void heldUp.then((heldUpMs) => {
            witness.terminate();
            resolve({
              wallMs: after.at - before.at,
              mediaMs: (after.time - before.time) * 1000,
              decoded: after.totalVideoFrames - before.totalVideoFrames,
              dropped: after.droppedVideoFrames - before.droppedVideoFrames,
              longestStandMs,
              heldUpMs,
              frames,
              audioBytes: after.audioBytes - before.audioBytes,
              src: video.src,
            });
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

/** Waits until what is on screen is live: after an outage it is older by as long as that was, until the player jumps. */
export async function awaitLive(page: Page): Promise<void> {
  await expect
    .poll(async () => (await observe(page, 0.5)).frames.at(-1)?.age, { message: 'age of the picture in ms' })
    .toBeLessThan(500);
}

/** What a picture must be like. */
export interface Expectation {
  readonly fps?: number;
  /** Longest time on the video's clock between two pictures that are shown one after the other, in milliseconds. */
  readonly longestJump?: number;
  /** Share of pictures whose stamp can be read: a lost frame leaves some unreadable up to the next keyframe. */
  readonly readable?: number;
}

/**
 * Claims that the picture went at real time, at the source's rate, in order, and stood no longer than the machine itself did:
 * a shared one lets everything stand at times.
 */
export function expectSmooth(seen: Observation, { fps = 30, longestJump = 500, readable = 0.9 }: Expectation = {}): void {
  const about = summary(seen);
  // Holding the live edge may take or give a little: a picture that lags or runs away differs by seconds.
  expect(Math.abs(seen.mediaMs - seen.wallMs), `the clock goes at real time: ${about}`).toBeLessThan(500);
  const rate = seen.decoded / (seen.wallMs / 1000);
  expect(rate, `frames are decoded at the source's rate: ${about}`).toBeGreaterThan(fps * 0.93);
  expect(rate, `frames are decoded at the source's rate: ${about}`).toBeLessThan(fps * 1.07);
  expectUnbroken(seen, longestJump);
  const jumps = steps(seen);
  expect(jumps.length, `stamps are readable: ${about}`).toBeGreaterThan(seen.frames.length * readable);
  // A player that ran dry may go back by a few pictures, to have more in hand; one that mixes groups of pictures goes back
  // by a second.
  expect(Math.min(...jumps), `pictures come in order: ${about}`).toBeGreaterThan(-400);
}

/** Claims that the picture stood no longer than the machine did, and that no run of pictures is missing. */
export function expectUnbroken(seen: Observation, longestJump = 500): void {
  const about = summary(seen);
  expect(seen.longestStandMs, `the picture never stands: ${about}`).toBeLessThan(400 + seen.heldUpMs);
  expect(Math.max(...pauses(seen)), `no run of pictures is missing: ${about}`).toBeLessThan(longestJump + seen.heldUpMs);
}

/**
 * Time on the video's clock between each two pictures shown one after the other, in milliseconds. It counts each picture,
 * also one whose stamp a lost frame has left unreadable up to the next keyframe; and of pictures that were shown while the
 * page was held up, the mean.
 */
function pauses(seen: Observation): number[] {
  return seen.frames.slice(1).map((frame, index) => {
    const before = seen.frames[index] ?? frame;
    return ((frame.mediaTime - before.mediaTime) * 1000) / Math.max(1, frame.presented - before.presented);
  });
}

/** Camera time between each two pictures shown one after the other, in milliseconds. */
function steps(seen: Observation): number[] {
  const stamps = seen.frames.flatMap(({ stamp }) => stamp ?? []);
  return stamps.slice(1).map((stamp, index) => stamp - (stamps[index] ?? stamp));
}

/** An observation in one line, for messages. */
export function summary(seen: Observation): string {
  const ages = seen.frames.flatMap(({ age }) => age ?? []).sort((a, b) => a - b);
  const quantile = (q: number): number => Math.round(ages[Math.floor(q * (ages.length - 1))] ?? NaN);
  const jumps = steps(seen);
  return [
    `${Math.round(seen.wallMs)} ms of wall, ${Math.round(seen.mediaMs)} ms of media`,
    `${seen.decoded} frames decoded, ${seen.dropped} dropped, ${seen.frames.length} seen`,
    `longest stand ${Math.round(seen.longestStandMs)} ms, held up for ${Math.round(seen.heldUpMs)} ms`,
    `steps ${Math.min(...jumps)} to ${Math.max(...jumps)} ms, pauses to ${Math.round(Math.max(...pauses(seen)))} ms`,
    `age p50/p95 ${quantile(0.5)}/${quantile(0.95)} ms`,
  ].join('; ');
}
