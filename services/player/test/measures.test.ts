import { describe, expect, test } from 'vitest';
import { Backoff } from '../src/engine/backoff';
import { Cadence } from '../src/engine/cadence';
import { WorkerClock } from '../src/engine/clock';
import { displayTime } from '../src/engine/frames';
import { Freshness } from '../src/engine/freshness';
import { RoundTrip } from '../src/engine/round-trip';
import { BitrateMeter, CaptureTimes, Percentiles } from '../src/engine/meters';
import { StartUp } from '../src/engine/start-up';
import { noTotals, since, Tally } from '../src/engine/tally';

describe('backoff', () => {
  test('doubles to its cap, half of it by chance', () => {
    const low = new Backoff({ min: 100, max: 1000 }, () => 0);
    const high = new Backoff({ min: 100, max: 1000 }, () => 1);
    expect([0, 1, 2, 3, 4, 5].map(() => low.next())).toEqual([50, 100, 200, 400, 500, 500]);
    expect([0, 1, 2, 3, 4, 5].map(() => high.next())).toEqual([100, 200, 400, 800, 1000, 1000]);
  });

  test('begins anew after a reset', () => {
    const backoff = new Backoff({ min: 100, max: 1000 }, () => 1);
    backoff.next();
    backoff.next();
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });
});

describe('worker clock', () => {
  test('the least late stamp is the nearest to the truth', () => {
    const clock = new WorkerClock();
    expect(clock.age(0, 0)).toBeUndefined();
    for (const delay of [80, 5, 40]) clock.observe(1000, 1000 + 250 + delay);
    expect(clock.offset).toBe(255);
    expect(clock.age(2000, 2300)).toBe(45);
  });

  test('what the two ways through the broker take is no part of the offset', () => {
    const clock = new WorkerClock();
    clock.follow('a');
    clock.observe(1000, 1000 + 250 + 70);
    clock.workerIsAway(30);
    clock.brokerAnswersIn(80);
    expect(clock.offset).toBe(250);
    expect(clock.age(2000, 2000 + 250 + 100)).toBe(100);
    // Another worker may be elsewhere; we are where we were.
    clock.follow('b');
    clock.observe(0, 500);
    expect(clock.offset).toBe(460);
  });

  test('nobody is believed who has just begun to speak', () => {
    const clock = new WorkerClock();
    expect(clock.isSettled(0)).toBe(false);
    clock.observe(0, 100);
    expect(clock.isSettled(1500)).toBe(false);
    expect(clock.isSettled(1600)).toBe(true);
    clock.forget();
    expect(clock.isSettled(1600)).toBe(false);
  });

  test('another worker has another clock', () => {
    const clock = new WorkerClock();
    clock.follow('a');
    clock.observe(0, 10);
    clock.follow('a');
    expect(clock.offset).toBe(10);
    clock.follow('b');
    clock.observe(0, 500);
    expect(clock.offset).toBe(500);
  });

  test('what it learnt fades in five minutes, for clocks drift', () => {
    const clock = new WorkerClock();
    clock.observe(0, 0);
    for (let at = 1000; at < 300_000; at += 1000) clock.observe(at - 20, at);
    expect(clock.offset).toBe(0);
    for (let at = 300_000; at < 340_000; at += 1000) clock.observe(at - 20, at);
    expect(clock.offset).toBe(20);
  });
});

describe('round trip', () => {
  test('the quickest answer counts, and answers come in order', () => {
    const trip = new RoundTrip();
    expect(trip.value).toBeUndefined();
    for (const [asked, answered] of [[0, 40], [1000, 1008], [2000, 2300]] as const) {
      expect(trip.isDue(asked)).toBe(true);
      trip.sent(asked);
      expect(trip.isDue(asked + 2000), 'one question at a time').toBe(false);
      trip.answered(answered);
    }
    expect(trip.value).toBe(8);
    trip.sent(3000);
    trip.sent(3001);
    trip.answered(3010);
    trip.answered(3011);
    trip.answered(3012);
    expect(trip.value, 'an answer that nobody asked for says nothing').toBe(8);
    expect(trip.isDue(4500)).toBe(false);
    expect(trip.isDue(8001)).toBe(true);
    trip.reset();
    expect(trip.value).toBeUndefined();
    expect(trip.isDue(8001)).toBe(true);
  });
});

describe('report of quality', () => {
  test('tells what was added since the last one', () => {
    const before = { ...noTotals(), stalls: 2, decodedFrames: 300, droppedFrames: 4 };
    const now = { ...noTotals(), stalls: 2, decodedFrames: 600, droppedFrames: 1, reconnects: 1 };
    expect(since(now, before)).toEqual({ ...noTotals(), decodedFrames: 300, reconnects: 1 });
  });
});

describe('start-up', () => {
  test('ends with the first frame, of whatever stage', () => {
    const startUp = new StartUp(1000);
    expect(startUp.traceparent).toMatch(/^00-/);
    expect(startUp.report(1100)).toBeUndefined();
    startUp.shown(1200, 1150);
    startUp.shown(5000, 4900);
    expect(startUp.firstFrameMs).toBe(200);
    expect(startUp.traceparent).toBeUndefined();
  });

  test('is told once', () => {
    const startUp = new StartUp(1000);
    const { traceparent } = startUp;
    startUp.shown(1200, 1150);
    expect(startUp.report(3000)).toEqual({ firstFrameMs: 200, firstMediaMs: 150, sincePlayMs: 2000, traceparent });
    expect(startUp.report(4000)).toBeUndefined();
  });
});

test('a tally goes on from sitting to sitting', () => {
  const sitting = (stalls: number, gaps: number): Parameters<Tally['total']>[0] =>
    ({
      stage: { counts: { watchedMs: 0, stalls, rebufferMs: 0 }, frames: { decoded: 0, dropped: 0 } },
      intake: { counts: { gaps, lostMessages: 0, damaged: 0 } },
    }) as unknown as Parameters<Tally['total']>[0];
  const tally = new Tally();
  tally.absorb(sitting(2, 1));
  tally.reconnected();
  expect(tally.total(sitting(1, 0))).toEqual({ ...noTotals(), stalls: 3, gaps: 1, reconnects: 1 });
  expect(tally.news(sitting(1, 0))).toMatchObject({ stalls: 3, reconnects: 1 });
  expect(tally.news(sitting(2, 0))).toEqual({ ...noTotals(), stalls: 1 });
});

describe('cadence', () => {
  test('the edge is the last decode time and one frame', () => {
    const cadence = new Cadence(1 / 30);
    for (let n = 0; n < 10; n += 1) cadence.observe(n / 25, n / 25, 1);
    expect(cadence.frameDuration).toBeCloseTo(0.04);
    expect(cadence.edge).toBeCloseTo(10 / 25);
  });

  test('times in whole milliseconds give the true rate', () => {
    const cadence = new Cadence(1);
    for (let n = 0; n < 31; n += 1) cadence.observe(Math.round((n * 1000) / 30) / 1000, Math.round((n * 1000) / 30) / 1000, 1);
    expect(1 / cadence.frameDuration).toBeCloseTo(30, 1);
  });

  test('lost frames and jumps of the timeline do not change it', () => {
    const cadence = new Cadence(1 / 30);
    for (const n of [0, 1, 2, 4, 5, 6, 8, 9, 500, 501]) cadence.observe(n / 25, n / 25, 1);
    expect(cadence.frameDuration).toBeCloseTo(0.04);
  });

  test('fragments of several samples count each', () => {
    const cadence = new Cadence(1);
    for (let n = 0; n < 5; n += 1) cadence.observe(n * 0.1, n * 0.1 + 0.08, 5);
    expect(cadence.frameDuration).toBeCloseTo(0.02);
    expect(cadence.edge).toBeCloseTo(0.5);
  });
});

describe('freshness', () => {
  /** An age each 100 ms; returns when the connection was given up. */
  const verdicts = (ages: readonly { readonly age: number; readonly seconds: number }[]): number[] => {
    const freshness = new Freshness();
    const each = ages.flatMap(({ age, seconds }) => new Array<number>(seconds * 10).fill(age));
    return each.flatMap((age, index) => (freshness.observe(index * 100, age) ? [index / 10] : []));
  };

  test.each([
    ['live', [{ age: 80, seconds: 60 }], []],
    ['slow, and no slower', [{ age: 900, seconds: 60 }], []],
    ['a backlog that is worked off at once', [{ age: 8000, seconds: 0.4 }, { age: 60, seconds: 10 }], []],
    ['a backlog that goes on', [{ age: 8000, seconds: 1 }], [0.6]],
    ['two short ones', [{ age: 4000, seconds: 0.3 }, { age: 100, seconds: 0.1 }, { age: 4000, seconds: 0.3 }], []],
    ['late for seconds', [{ age: 1200, seconds: 2.9 }, { age: 100, seconds: 1 }], []],
    ['late for good', [{ age: 1200, seconds: 4 }], [3.1]],
  ])('%s', (_, ages, expected) => {
    expect(verdicts(ages)).toEqual(expected);
  });

  test('a link that is too slow is given up ever less often', () => {
    const times = verdicts([{ age: 20_000, seconds: 40 }]);
    expect(times).toEqual([0.6, 1.3, 2, 26.2]);
    const late = verdicts([{ age: 2500, seconds: 70 }]);
    expect(late).toEqual([3.1, 9.3]);
  });

  test('a minute of calm makes it as strict as before', () => {
    expect(verdicts([{ age: 2500, seconds: 5 }, { age: 80, seconds: 65 }, { age: 2500, seconds: 5 }])).toHaveLength(2);
  });
});

test('bit rate is over the last two seconds', () => {
  const meter = new BitrateMeter();
  for (let now = 0; now <= 10_000; now += 100) meter.add(now, now < 5000 ? 100_000 : 12_500);
  expect(meter.value(10_000)).toBeCloseTo(1_050_000, -5);
  expect(meter.value(20_000)).toBe(0);
});

test('percentiles', () => {
  const percentiles = new Percentiles();
  expect(percentiles.at(0.5)).toBeUndefined();
  for (let value = 100; value > 0; value -= 1) percentiles.add(value);
  expect([percentiles.at(0.5), percentiles.at(0.95), percentiles.at(1)]).toEqual([51, 96, 100]);
});

test('capture times are found by presentation time, rounded as browsers do', () => {
  const times = new CaptureTimes();
  for (let n = 0; n < 3000; n += 1) times.add(1000 + n / 30, n);
  expect(times.of(1000 + Math.round((2990 / 30) * 1e6) / 1e6)).toBe(2990);
  expect(times.of(1)).toBeUndefined();
});

describe('when a frame is on screen', () => {
  test.each([
    ['what the browser expects, if it expects anything', 1000, 1001, 1016, 1016],
    ['a refresh after the one in which the page hears of it', 1000, 990, 990, 1000 + 1000 / 60],
    ['a refresh after it came, if that is later', 1000, 1003, 1003, 1003 + 1000 / 60],
  ])('%s', (_, now, presentationTime, expectedDisplayTime, shown) => {
    expect(displayTime(now, { presentationTime, expectedDisplayTime })).toBeCloseTo(shown);
  });
});
