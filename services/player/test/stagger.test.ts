import { describe, expect, test } from 'vitest';
import { readSegments, type MediaFragment } from '../src/engine/mp4';
import { Stagger } from '../src/engine/stagger';
import { fragment, type FragmentFields } from './boxes';

function media(fields: FragmentFields): MediaFragment {
  const [segment] = readSegments(fragment(fields));
  if (segment?.kind !== 'media') throw new Error('not a media fragment');
  return segment;
}

/** What the browser reads from it. */
function decodeTime({ bytes }: MediaFragment): number {
  const [segment] = readSegments(bytes);
  return segment?.kind === 'media' ? segment.decodeTime : NaN;
}

/** Decode times in milliseconds after they were staggered, of frames at so many a second. */
function staggered(fps: number, count: number): number[] {
  const stagger = new Stagger();
  return Array.from({ length: count }, (_, index) => {
    const one = media({ decodeTime: 2 ** 33 + (index * 90_000) / fps, sync: index === 0, ntp: [1, 2] });
    stagger.put(one, 90_000, 1 / fps);
    return (decodeTime(one) - 2 ** 33) / 90;
  });
}

describe('frames last unequally long', () => {
  // Chromium takes a stream for one of variable frame rate when its frames deviate by more than 0.55 refreshes.
  test.each([
    [30, 20],
    [25, 20],
    [15, 20],
    [60, 1000 / 60],
  ])('at %d a second, more so than 0.55 refreshes of %d ms', (fps, refreshMs) => {
    const times = staggered(fps, 33);
    const durations = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    const mean = durations.reduce((sum, one) => sum + one, 0) / durations.length;
    expect(mean).toBeCloseTo(1000 / fps, 0);
    expect(Math.sqrt(durations.reduce((sum, one) => sum + (one - mean) ** 2, 0) / durations.length)).toBeGreaterThan(0.55 * refreshMs);
    expect(Math.min(...durations)).toBeGreaterThan(0);
  });
});

test('it tells by how much', () => {
  const stagger = new Stagger();
  const later = [0, 1, 2, 3].map(() => stagger.put(media({}), 90_000, 1 / 30));
  expect(later).toEqual([0.012, 0, 0.012, 0]);
});

test('what holds several frames stays as it is', () => {
  const burst = media({ decodeTime: 9000, durations: [3000, 3000] });
  expect(new Stagger().put(burst, 90_000, 1 / 30)).toBe(0);
  expect(decodeTime(burst)).toBe(9000);
});
