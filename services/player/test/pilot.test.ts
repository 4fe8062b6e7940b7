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
