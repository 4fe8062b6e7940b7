import { describe, expect, test, vi } from 'vitest';
import { VIDEO_ONLY } from '../src/engine/live-edge';
import { Pilot } from '../src/engine/pilot';

/** As much of a video element as the pilot moves. */
function playing(currentTime: number) {
  return { currentTime, playbackRate: 1, paused: false, ended: false, seeking: false };
}

describe('a picture that is under way', () => {
  /** Behind by so many seconds, it gets a frame; where it is when that frame is appended, `ms` later. */
  const after = (behind: number, ms: number): { currentTime: number; playbackRate: number } => {
    const video = playing(10);
    const pilot = new Pilot(video as HTMLVideoElement, VIDEO_ONLY, { stalled: vi.fn(), seeked: vi.fn() });
    const edge = 10 + behind;
    pilot.edgeAt({ time: edge, frameMs: 33, depth: 5, live: true });
    pilot.start();
    // It moves: what stands is moved for another reason.
    const move = (now: number): void => {
      video.currentTime += 0.001;
      pilot.look(now, [{ start: 0, end: edge }]);
    };
    move(4999);
    pilot.beforeAppend(5000, true);
    move(5000 + ms);
    return video;
  };

  test.each([1, 20, 200])('jumps when it is seconds behind, however long the append takes: %d ms', (ms) => {
    expect(after(3, ms).currentTime).toBeGreaterThan(12.8);
  });

  test('makes up for less by speed', () => {
    const video = after(0.4, 20);
    expect(video.currentTime).toBeLessThan(10.1);
    expect(video.playbackRate).toBe(1.1);
  });
});

describe('a clock that the browser holds', () => {
  /** Frames for 20 s, 34 ms ahead of the playhead; every so often the clock stands for the time of one. */
  const targetAfter = (holdEveryMs: number): number => {
    const video = playing(10);
    const pilot = new Pilot(video as HTMLVideoElement, VIDEO_ONLY, { stalled: vi.fn(), seeked: vi.fn() });
    pilot.start();
    let heldAt = 0;
    for (let now = 0; now < 20_000; now += 33) {
      const holds = now - heldAt >= holdEveryMs;
      if (holds) heldAt = now;
      else video.currentTime += 0.033 * video.playbackRate;
      pilot.edgeAt({ time: video.currentTime + 0.034, frameMs: 33, depth: 5, live: true });
      pilot.beforeAppend(now, true);
    }
    return pilot.target;
  };

  test('gets more to go on with', () => {
    expect(targetAfter(2000)).toBeGreaterThan(70);
  });

  test('does not for what happens once', () => {
    expect(targetAfter(15_000)).toBe(VIDEO_ONLY.floor);
  });
});

describe('where the browser can run ahead', () => {
  const begin = (quality: () => { totalVideoFrames: number; droppedVideoFrames: number }) => {
    const video = { ...playing(10), getVideoPlaybackQuality: quality };
    const pilot = new Pilot(video as unknown as HTMLVideoElement, VIDEO_ONLY, { stalled: vi.fn(), seeked: vi.fn() }, true);
    pilot.edgeAt({ time: 10.2, frameMs: 33, depth: 5, live: true });
    return { video, pilot };
  };

  test('the catch-up ends ahead of all frames, at a rate of its own', () => {
    const { video, pilot } = begin(() => ({ totalVideoFrames: 0, droppedVideoFrames: 0 }));
    pilot.start();
    pilot.catchUp(1000, 500);
    pilot.look(1000, [{ start: 9, end: 10.7 }]);
    expect(video.currentTime).toBeGreaterThan(10.22);
    expect(video.playbackRate).toBeCloseTo(33 / 34);
  });

  test('frames that come too unevenly for it are played from a margin', () => {
    let due = 0;
    const { pilot } = begin(() => ({ totalVideoFrames: due, droppedVideoFrames: due / 10 }));
    pilot.start();
    for (let now = 0; now < 12_000; now += 33) {
      due += 1;
      pilot.beforeAppend(now, true);
      pilot.meter(now);
    }
    expect(pilot.runsAhead).toBe(false);
    expect(pilot.target).toBeGreaterThanOrEqual(VIDEO_ONLY.start);
  });
});

describe('what is counted', () => {
  const watched = (steps: readonly { readonly ms: number; readonly moves?: boolean; readonly paused?: boolean }[], started = true) => {
    const video = playing(10);
    const pilot = new Pilot(video as HTMLVideoElement, VIDEO_ONLY, { stalled: vi.fn(), seeked: vi.fn() });
    if (started) pilot.start();
    let now = 1000;
    pilot.meter(now);
    for (const { ms, moves = true, paused = false } of steps) {
      for (const end = now + ms; now < end; ) {
        now += 100;
        video.paused = paused;
        if (moves && !paused) video.currentTime += 0.1;
        // Nothing more is there than what is on screen, or plenty.
        const edge = video.currentTime + (moves ? 1 : 0);
        pilot.edgeAt({ time: edge, frameMs: 33, depth: 5, live: true });
        pilot.look(now, [{ start: 0, end: edge }]);
        pilot.meter(now);
      }
    }
    return pilot.counts;
  };

  test('watched is while a picture is due, standing or not', () => {
    expect(watched([{ ms: 5000 }])).toEqual({ watchedMs: 5000, stalls: 0, rebufferMs: 0 });
    const counts = watched([{ ms: 5000 }, { ms: 2000, moves: false }, { ms: 3000 }]);
    expect(counts.watchedMs).toBe(10_000);
    expect(counts.stalls).toBe(1);
    expect(counts.rebufferMs).toBeLessThanOrEqual(2000);
    expect(counts.rebufferMs).toBeGreaterThan(1500);
  });

  test('nobody watches before the first picture, or while it is paused', () => {
    expect(watched([{ ms: 5000 }], false).watchedMs).toBe(0);
    expect(watched([{ ms: 1000 }, { ms: 5000, paused: true }, { ms: 1000 }]).watchedMs).toBe(2000);
  });
});
