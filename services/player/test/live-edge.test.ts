import { describe, expect, test } from 'vitest';
import { LiveEdgeLaw, VIDEO_ONLY, WITH_AUDIO } from '../src/engine/live-edge';

const FRAME = 1000 / 30;

interface Run {
  readonly law: LiveEdgeLaw;
  /** Milliseconds on the law's clock. */
  now: number;
  rate: number;
  seek: boolean;
}

function begin(limits = VIDEO_ONLY): Run {
  return { law: new LiveEdgeLaw(limits), now: 0, rate: 1, seek: false };
}

/** Observes margins, a frame apart, for so long. */
function hold(run: Run, margin: number, ms: number): Run {
  for (const end = run.now + ms; run.now < end; run.now += FRAME) {
    const verdict = run.law.observe(run.now, margin);
    if (verdict) Object.assign(run, verdict);
  }
  return run;
}

describe('rate', () => {
  test.each([
    ['on target', 40, 1],
    ['a little too near', 39.5, 0.996],
    ['a little behind', 40.5, 1.004],
    ['behind by 20 ms', 60, 1.04],
    ['far behind', 500, 1.1],
  ])('%s', (_, margin, rate) => {
    expect(hold(begin(), margin, 2000).rate).toBeCloseTo(rate, 3);
  });

  test.each([
    ['on target', 160, 1],
    ['within the dead band below', 155.5, 1],
    ['within the dead band above', 165, 1],
    ['beyond it', 170, 1.01],
  ])('sound is stretched for a reason only: %s', (_, margin, rate) => {
    expect(hold(begin(WITH_AUDIO), margin, 2000).rate).toBeCloseTo(rate, 3);
  });

  test('too near to the edge it slows down, no more than a tenth', () => {
    const law = { ...WITH_AUDIO, start: 150, dry: 0, empty: 0 };
    expect(hold(begin(law), 90, 2000).rate).toBeCloseTo(0.94, 3);
    expect(hold(begin(law), 10, 2000).rate).toBe(0.9);
  });

  test('one late fragment is one of many, not a jolt', () => {
    const run = hold(begin(), 40, 2000);
    hold(run, 80, FRAME);
    expect(run.rate).toBeLessThan(1.02);
  });

  test('at first it counts what there is', () => {
    expect(hold(begin(), 60, 60).rate).toBeCloseTo(1.04, 3);
  });

  test('after a jump nothing older counts', () => {
    const run = hold(begin(), 400, 2000);
    run.law.jumped();
    expect(hold(run, 40, 60).rate).toBe(1);
  });
});

describe('target', () => {
  test('starts near the edge with video alone, at a distance with audio', () => {
    expect(begin(VIDEO_ONLY).law.target).toBe(40);
    expect(begin(WITH_AUDIO).law.target).toBe(160);
  });

  test('a margin that nearly runs out once is chance', () => {
    const run = hold(begin(), 40, 1000);
    hold(run, 5, FRAME * 2);
    expect(hold(run, 40, 3000).law.target).toBe(40);
  });

  test.each([
    ['twice in ten seconds raises it by 10 ms', 6000, 50],
    ['and later than that is chance again', 11_000, 34],
  ])('%s', (_, pause, target) => {
    const run = hold(begin(), 40, 1000);
    hold(run, 21, FRAME);
    hold(run, 40, pause);
    hold(run, 21, FRAME);
    expect(run.law.target).toBe(target);
  });

  test('one that stays dry raises it once a second', () => {
    expect(hold(begin(), 21, 900).law.target).toBe(50);
    expect(hold(begin(), 21, 3000).law.target).toBe(70);
  });

  test('one that ran out raises it at once, and twice a second', () => {
    expect(hold(begin(), -1, 40).law.target).toBe(50);
    expect(hold(begin(), -1, 900).law.target).toBe(60);
  });

  test('with audio, dry is what the browser keeps for itself', () => {
    expect(hold(begin(WITH_AUDIO), 89, 40).law.target).toBe(170);
    expect(hold(begin(WITH_AUDIO), 101, 60_000).law.target).toBe(115);
  });

  test('audio that comes later than its picture is played from as much further behind', () => {
    const run = begin(WITH_AUDIO);
    const lag = (ms: number): void => Array.from({ length: 24 }, (_, index) => ms + (index % 2 ? 10 : -10)).forEach((one) => run.law.audioLags(one));
    lag(-9);
    expect(run.law.target).toBe(160);
    lag(45);
    lag(20);
    expect(run.law.target).toBe(205);
    expect(hold(run, 200, 60_000).law.target).toBe(160);
  });

  test('a clock that stood is remembered', () => {
    const run = hold(begin(WITH_AUDIO), 120, 60_000);
    expect(run.law.target).toBe(115);
    run.law.stood(run.now);
    run.law.stood(run.now + 1900);
    expect(run.law.target).toBe(135);
    expect(hold(run, 140, 60_000).law.target).toBe(135);
  });

  test('audio that comes in lumps raises it until its low points are high enough', () => {
    const run = begin(WITH_AUDIO);
    for (let lump = 0; lump < 40; lump += 1) {
      run.law.dip(run.now, run.law.target - 60);
      hold(run, run.law.target, 128);
    }
    expect(run.law.target).toBeGreaterThanOrEqual(150);
    expect(run.law.target).toBeLessThanOrEqual(170);
  });

  test('a clock that was held twice raises it, unless it is that of sound', () => {
    for (const [limits, target] of [[VIDEO_ONLY, 50], [WITH_AUDIO, 160]] as const) {
      const { law } = hold(begin(limits), limits.start, 1000);
      law.held(1000);
      law.held(3000);
      expect(law.target).toBe(target);
    }
  });

  test('never goes beyond 600 ms', () => {
    expect(hold(begin(), -1, 120_000).law.target).toBe(600);
  });

  test('after ten calm seconds it comes down by 1 ms at a time, to the floor', () => {
    const run = hold(begin(), -1, 40);
    hold(run, 45, 9000);
    expect(run.law.target).toBe(50);
    hold(run, 45, 1500);
    expect(run.law.target).toBeLessThan(50);
    hold(run, 45, 60_000);
    expect(run.law.target).toBe(VIDEO_ONLY.floor);
  });
});

describe('seek', () => {
  test.each([
    ['a second behind is caught up by speed', 1000, false],
    ['more than the target and a second is not', 1041, true],
  ])('%s', (_, margin, seek) => {
    expect(hold(begin(), margin, 40).seek).toBe(seek);
  });
});

test('is asked at most every 50 ms', () => {
  const law = new LiveEdgeLaw(VIDEO_ONLY);
  expect(law.observe(0, 20)).toBeDefined();
  expect(law.observe(49, 20)).toBeUndefined();
  expect(law.observe(50, 20)).toBeDefined();
});

test('a simulated player settles on its target and stays there', () => {
  const law = new LiveEdgeLaw(VIDEO_ONLY);
  let edge = 300;
  let playhead = 0;
  let rate = 1;
  let low = Infinity;
  for (let now = 0; now < 30_000; now += FRAME) {
    playhead += FRAME * rate;
    rate = law.observe(now, edge - playhead)?.rate ?? rate;
    if (now > 15_000) low = Math.min(low, edge - playhead);
    edge += FRAME;
  }
  expect(edge - FRAME - playhead).toBeGreaterThan(VIDEO_ONLY.floor - 5);
  expect(edge - FRAME - playhead).toBeLessThan(VIDEO_ONLY.floor + 5);
  expect(low).toBeGreaterThan(VIDEO_ONLY.floor - 5);
});
