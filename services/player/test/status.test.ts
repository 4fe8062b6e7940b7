import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { area, bars, line, most, spoken, top, WINDOW_MS } from '../src/pages/status/chart';
import { readStatus, type Status } from '../src/pages/status/read';
import { duration, percent, picture, span, splitName, verdict, worstFirst } from '../src/pages/status/words';

const NOW = 1_790_000_000_000;

/** As the gatekeeper says it; its own tests have the same object. */
const ANSWER = {
  version: '0.1.0',
  time: NOW,
  uptime_s: 12,
  leader: true,
  several: false,
  broker: { connected: true },
  workers: [
    { name: 't0', state: 'ready', slots_total: 4, slots_used: 1, cpu_cores: 0.3, streams: 1, viewers: 2 },
    { name: 't1', state: 'ready', slots_total: 4, slots_used: 0, cpu_cores: 0, streams: 0, viewers: 0 },
  ],
  streams: [
    {
      source: 'lobby', profile: 'source', worker: 't0', state: 'live', viewers: 2, codec: 'avc1.42C01E',
      width: 640, height: 360, frames_per_second: 30, restarts: 0, last_error: null,
    },
  ],
  failures: [],
  viewers: { count: 2, reports: 6, latency_ms: { p50: 68, p95: 85 }, first_frame_ms: null, rebuffer_ratio: 0 },
  history: { time: [NOW - 5000], slots_total: [8], slots_used: [1], viewers: [2], latency_p50_ms: [null], restarts: [0] },
};

function read(change: object = {}): Status {
  const status = readStatus({ ...ANSWER, ...change });
  if (!status) throw new Error('not read');
  return status;
}

const [ready, second] = ANSWER.workers;
const [live] = ANSWER.streams;

describe('the answer', () => {
  test('is read as the gatekeeper writes it', () => {
    const status = read();
    expect(status.streams[0]).toMatchObject({ source: 'lobby', framesPerSecond: 30, lastError: undefined });
    expect(status).toMatchObject({ viewers: 2, latency: { p50: 68, p95: 85 }, firstFrame: undefined, rebufferRatio: 0 });
    expect(status.history).toMatchObject({ slotsUsed: [1], latencyP50: [undefined], latencyP95: [] });
  });

  test('of a gatekeeper that says less is shown as far as it goes', () => {
    expect(readStatus({ workers: [{}], streams: [{ state: 'dancing' }] })).toMatchObject({
      workers: [{ name: '', state: 'lost' }],
      streams: [{ state: 'starting', viewers: 0 }],
      history: { time: [] },
    });
  });

  test('of something else is none', () => {
    for (const other of [undefined, null, 'nginx', [], {}, { workers: {} }]) expect(readStatus(other)).toBeUndefined();
  });

  test('never breaks the page, whatever it is', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (worker, stream) => {
        const status = readStatus({ workers: [worker], streams: [stream], history: worker, viewers: stream });
        expect(status && verdict(status).title).toBeTruthy();
      }),
    );
  });
});

describe('the verdict', () => {
  test.each([
    ['all is well', {}, 'good', 'All is well'],
    ['the broker comes first', { broker: { connected: false }, workers: [] }, 'bad', 'no connection to the message broker'],
    ['nobody to run a stream', { workers: [{ ...ready, state: 'lost' }] }, 'bad', 'No transcoder is ready'],
    ['a camera without a picture', { streams: [{ ...live, state: 'restarting' }] }, 'bad', '1 camera has no picture: lobby'],
    ['a lost transcoder', { workers: [ready, { ...second, state: 'lost' }] }, 'warn', '1 transcoder lost: t1'],
    ['no room', { workers: [{ ...ready, slots_used: 4 }] }, 'warn', 'All slots are in use'],
    ['a camera that failed', { failures: [{ source: 'site~0ab1', error: 'internal' }] }, 'warn', '1 camera failed within the last minute: site'],
    ['a stream that just starts', { streams: [{ ...live, state: 'starting' }] }, 'good', 'All is well'],
  ])('%s', (_, change, level, title) => {
    const said = verdict(read(change));
    expect(said.level).toBe(level);
    expect(said.title).toContain(title);
  });

  test('what wants attention stands first', () => {
    const streams = ['live', 'starting', 'restarting', 'lingering'].map((state) => ({ ...live, source: state, state }));
    const order = worstFirst(read({ streams }).streams).map(({ source }) => source);
    expect(order).toEqual(['restarting', 'starting', 'live', 'lingering']);
  });
});

describe('words', () => {
  test.each([
    [0, '0 s'], [59.9, '59 s'], [60, '1 min'], [3600, '1 h'], [11_520, '3 h 12 min'], [86_400, '1 d'], [97_200, '1 d 3 h'],
  ])('a span of %s s', (seconds, text) => expect(span(seconds)).toBe(text));

  test.each([
    [undefined, '–'], [68.4, '68 ms'], [999, '999 ms'], [1395, '1.4 s'], [12_000, '12 s'],
  ])('a duration of %s ms', (ms, text) => expect(duration(ms)).toBe(text));

  test.each([
    [undefined, '–'], [0, '0 %'], [0.0004, '< 0.1 %'], [0.01, '1 %'], [0.012, '1.2 %'], [0.5, '50 %'],
  ])('a ratio of %s', (ratio, text) => expect(percent(ratio)).toBe(text));

  test('a picture is told as far as it is known', () => {
    const [stream] = read().streams;
    if (!stream) throw new Error('no stream');
    expect(picture(stream)).toBe('640 × 360, 30 fps');
    expect(picture({ ...stream, width: 0 })).toBe('30 fps');
    expect(picture({ ...stream, width: 0, framesPerSecond: 0 })).toBe('–');
  });

  test('a camera of a pattern goes by its entry', () => {
    expect(splitName('site~0ab1')).toEqual({ name: 'site', digest: '0ab1' });
    expect(splitName('lobby')).toEqual({ name: 'lobby', digest: undefined });
  });
});

describe('charts', () => {
  const BOX = { width: 300, height: 100 };

  test.each([
    [0, 0, 1], [0, 5, 5], [4, 5, 5], [6, 5, 10], [237, 100, 250], [260, 100, 500], [0.003, 0.01, 0.01], [0.3, 0.01, 0.5], [1000, 100, 1000],
  ])('the top above %s and %s is %s', (value, least, reach) => expect(top(value, least)).toBeCloseTo(reach, 9));

  test('the newest is at the right edge and the largest at the top', () => {
    const time = [NOW - WINDOW_MS, NOW - 10_000, NOW];
    expect(line(time, [0, 5, 10], NOW, 10, BOX)).toBe('M0 100h0M290 50h0L300 0');
  });

  test('what is unknown is a gap, and what is too old is not drawn', () => {
    const time = [NOW - WINDOW_MS - 1, NOW - 15_000, NOW - 10_000, NOW - 5000, NOW];
    expect(line(time, [9, 1, undefined, 5, 5], NOW, 10, BOX)).toBe('M285 90h0M295 50h0L300 50');
  });

  test('an area stands on the floor', () => {
    expect(area([NOW - 5000, NOW], [5, 10], NOW, 10, BOX)).toBe('M295 100L295 50L300 0L300 100Z');
    expect(area([NOW], [undefined], NOW, 10, BOX)).toBe('');
  });

  test('nothing happened is no bar', () => {
    expect(bars([NOW - 5000, NOW], [0, 2], NOW, 2, BOX)).toEqual([{ x: 300, y: 0, height: 100 }]);
  });

  test('the largest of nothing is nothing', () => {
    expect(most([])).toBe(0);
    expect(most([{ label: 'a', values: [undefined, 3] }, { label: 'b', values: [7] }])).toBe(7);
  });

  test.each([
    ['a range', [60, undefined, 75, 68], 'Median: between 60 and 75, now 68'],
    ['a constant', [2, 2], 'Median: 2 all the time, now 2'],
    ['what is over', [60, 70, undefined], 'Median: between 60 and 70, not known now'],
    ['nothing', [undefined], 'Median: nothing known'],
  ])('%s is told to who does not see it', (_, values, text) => {
    expect(spoken({ label: 'Median', values }, String)).toBe(text);
  });

  test('no line leaves the box', () => {
    const samples = fc.array(fc.tuple(fc.integer({ min: 0, max: 400_000 }), fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: undefined })));
    fc.assert(
      fc.property(samples, (samples) => {
        const sorted = samples.map(([ago, value]) => [NOW - ago, value] as const).sort(([a], [b]) => a - b);
        const values = sorted.map(([, value]) => value);
        const path = line(sorted.map(([at]) => at), values, NOW, top(most([{ label: '', values }]), 1), BOX);
        for (const point of path.split(/[ML]/).filter(Boolean)) {
          const [x, y] = point.replace('h0', '').split(' ').map(Number);
          expect(x).toBeGreaterThanOrEqual(0);
          expect(x).toBeLessThanOrEqual(300);
          expect(y).toBeGreaterThanOrEqual(0);
          expect(y).toBeLessThanOrEqual(100);
        }
      }),
    );
  });
});
