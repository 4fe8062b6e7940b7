import { describe, expect, test } from 'vitest';
import { AHEAD_MS, ClockAhead } from '../src/engine/clock-ahead';

const FRAME = 1000 / 30;
/** Frames over which the rate to begin with is kept. */
const BEGINNING = 32;

/** Past its beginning. */
function settled(): ClockAhead {
  const ahead = new ClockAhead();
  ahead.begin(FRAME);
  for (let frame = 0; frame < BEGINNING; frame += 1) ahead.observe(-AHEAD_MS, FRAME);
  return ahead;
}

describe('rate', () => {
  test.each([10, 15, 25, 30, 60])('begins so that a frame lasts 1 ms longer, at %d frames a second', (fps) => {
    const frameMs = 1000 / fps;
    const ahead = new ClockAhead();
    expect(frameMs / ahead.begin(frameMs)).toBeCloseTo(frameMs + 1);
    for (let frame = 0; frame < BEGINNING; frame += 1) {
      expect(frameMs / ahead.observe(-AHEAD_MS, frameMs).rate).toBeCloseTo(frameMs + 1);
    }
    expect(ahead.observe(-AHEAD_MS, frameMs).rate).toBe(1);
  });

  test('is 1 wherever the clock is well ahead of all frames', () => {
    for (const margin of [-21, -60, -99, -139]) expect(settled().observe(margin, FRAME).rate).toBe(1);
  });

  test.each([
    ['with the frames, it gets ahead again', 0, 1.05],
    ['far ahead, it falls back', -150, 1 / 1.05],
  ])('%s', (_, margin, rate) => {
    expect(settled().observe(margin, FRAME).rate).toBe(rate);
  });

  test('once it goes forward it does so up to its place', () => {
    const ahead = settled();
    ahead.observe(0, FRAME);
    expect(ahead.observe(-59, FRAME).rate).toBe(1.05);
    expect(ahead.observe(-61, FRAME).rate).toBe(1);
  });

  test('a clock that was held gets a second in which frames last 3 ms longer, no more than every ten', () => {
    const ahead = settled();
    ahead.held(1000);
    expect(FRAME / ahead.observe(-AHEAD_MS, FRAME).rate).toBeCloseTo(FRAME + 3);
    for (let frame = 1; frame < BEGINNING; frame += 1) ahead.observe(-AHEAD_MS, FRAME);
    ahead.held(10_900);
    expect(ahead.observe(-AHEAD_MS, FRAME).rate).toBe(1);
    ahead.held(11_000);
    expect(ahead.observe(-AHEAD_MS, FRAME).rate).toBeLessThan(0.95);
  });
});

test('a second behind is worth a jump, and so is the end of what the newest frame claims', () => {
  expect(settled().observe(939, FRAME).seek).toBe(false);
  expect(settled().observe(941, FRAME).seek).toBe(true);
  expect(settled().observe(-419, FRAME).seek).toBe(false);
  expect(settled().observe(-421, FRAME).seek).toBe(true);
});

describe('frames that are lost', () => {
  /** Every half second 15 frames are due; gives how many of them are lost. */
  const play = (ahead: ClockAhead, seconds: number, lost: (at: number) => number, from = 0): void => {
    let total = 0;
    for (let at = from; at < from + seconds; at += 0.5) {
      total += lost(at - from);
      ahead.count(at * 1000, at * 30, total);
    }
  };

  test('two in two seconds have the browser settle it anew', () => {
    const ahead = settled();
    play(ahead, 5, (at) => (at === 2 || at === 3 ? 1 : 0));
    expect(ahead.observe(-AHEAD_MS, FRAME).rate).toBeLessThan(0.95);
  });

  test('one now and then is nothing', () => {
    const ahead = settled();
    play(ahead, 60, (at) => (at % 3 === 0 ? 1 : 0));
    expect(ahead.observe(-AHEAD_MS, FRAME).rate).toBe(1);
    expect(ahead.inForce).toBe(true);
  });

  test('one in twenty is too many for 20 s, and then for 40', () => {
    const ahead = settled();
    play(ahead, 11, () => 2);
    expect(ahead.inForce).toBe(false);
    play(ahead, 20, () => 0, 11);
    expect(ahead.inForce).toBe(true);
    for (let frame = 0; frame < BEGINNING; frame += 1) ahead.observe(-AHEAD_MS, FRAME);
    play(ahead, 11, () => 2, 40);
    expect(ahead.inForce).toBe(false);
    play(ahead, 25, () => 0, 51);
    expect(ahead.inForce).toBe(false);
    play(ahead, 20, () => 0, 76);
    expect(ahead.inForce).toBe(true);
  });

  test('what is passed over while playback begins is not lost', () => {
    const ahead = new ClockAhead();
    ahead.count(0, 0, 0);
    ahead.count(500, 60, 45);
    for (let frame = 0; frame <= BEGINNING; frame += 1) ahead.observe(-AHEAD_MS, FRAME);
    play(ahead, 10, () => 0, 2);
    expect(ahead.inForce).toBe(true);
  });
});
