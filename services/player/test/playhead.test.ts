import { describe, expect, test } from 'vitest';
import { decide, stalled, trimPoint, type Situation } from '../src/engine/playhead';

const calm: Situation = {
  now: 10_000,
  currentTime: 99.95,
  standingSince: 10_000,
  soughtAt: 0,
  buffered: [{ start: 90, end: 100.4 }],
  edge: 100,
  landing: 50,
  preroll: 0,
  live: true,
  catchUp: false,
};

const rows: [string, Partial<Situation>, string][] = [
  ['plays near the edge', {}, 'stay'],
  ['nothing is buffered', { buffered: [] }, 'stay'],
  ['nothing was appended', { edge: undefined }, 'stay'],
  ['before the first seek', { currentTime: 0 }, 'outside 99.95'],
  ['the first picture of a catch-up is its keyframe', { currentTime: 0, live: false }, 'outside 90.001'],
  ['a new range is on its way into the buffer', { currentTime: 95, edge: 200, catchUp: true }, 'stay'],
  ['the decoder needs longer than the last frame states', { currentTime: 0, preroll: 600 }, 'outside 100.35'],
  ['the edge moves on while the decoder works', { currentTime: 0, preroll: 200 }, 'outside 100.15'],
  ['what is buffered begins after the landing point', { currentTime: 0, buffered: [{ start: 99.99, end: 100.4 }] }, 'outside 99.991'],
  ['the front was trimmed away under a paused picture', { currentTime: 80 }, 'outside 99.95'],
  ['between two ranges', { currentTime: 95, buffered: [{ start: 90, end: 94 }, { start: 98, end: 100.4 }] }, 'gap 99.95'],
  ['the end of a range, the clock has just stopped', { currentTime: 94.5, standingSince: 9900, buffered: [{ start: 90, end: 95 }, { start: 98, end: 100.4 }] }, 'stay'],
  ['the end of a range, the clock stands', { currentTime: 94.5, standingSince: 9800, buffered: [{ start: 90, end: 95 }, { start: 98, end: 100.4 }] }, 'gap 98.001'],
  ['waits at the edge for the next frame', { currentTime: 100, standingSince: 0 }, 'stay'],
  ['beyond the edge, in the stated duration of the last frame', { currentTime: 100.3, standingSince: 0 }, 'stay'],
  ['behind, but nothing happened', { currentTime: 99 }, 'stay'],
  ['behind after a block', { currentTime: 99, catchUp: true }, 'behind 99.95'],
  ['a little behind after a block is for the law', { currentTime: 99.85, catchUp: true }, 'stay'],
  ['so far ahead as a landing takes it', { currentTime: 100.3, catchUp: true }, 'stay'],
  ['at the end of what the newest frame claims', { currentTime: 100.35, catchUp: true }, 'ahead 99.95'],
  ['the same, of itself', { currentTime: 100.35 }, 'stay'],
  ['the clock stands with data ahead, not long yet', { currentTime: 97, standingSince: 9750 }, 'stay'],
  ['the clock stands with data ahead', { currentTime: 97, standingSince: 9650 }, 'stuck 99.95'],
  ['the clock stands with data ahead, just after a seek', { currentTime: 97, standingSince: 9650, soughtAt: 9000 }, 'stay'],
  ['the timeline went back', { currentTime: 200 }, 'outside 99.95'],
];

test.each(rows)('%s', (_, change, expected) => {
  const decision = decide({ ...calm, ...change });
  expect(decision.kind === 'stay' ? 'stay' : `${decision.why} ${Number(decision.to.toFixed(3))}`).toBe(expected);
});

describe('stall', () => {
  test.each([
    ['standing at the edge', 100, 99.99, 150, true],
    ['standing at the edge for the time between two frames', 100, 99.99, 40, false],
    ['standing with data ahead', 100, 99.5, 150, false],
    ['standing for long with data ahead', 100, 99.5, 260, true],
    ['running at the edge', 100, 99.99, 0, false],
  ])('%s', (_, edge, currentTime, standing, expected) => {
    expect(stalled(edge, currentTime, standing)).toBe(expected);
  });
});

describe('trim', () => {
  test.each([
    ['keeps ten seconds and the GOP that they begin in', [60, 80, 85, 95], 100, 100.1, 85],
    ['nothing to remove yet', [95], 100, 100.1, undefined],
    ['a GOP longer than what is kept stays whole', [60, 120], 100, 100.1, 60],
    ['a paused picture is given up after a minute', [10, 100, 140, 190], 20, 200, 140],
  ])('%s', (_, keyframes, currentTime, edge, expected) => {
    expect(trimPoint(keyframes, currentTime, edge)).toBe(expected);
  });
});
