import { expect, test } from 'vitest';
import { Patience } from '../src/engine/patience';

/** The limits of attempts that all take too long. */
function limits(patience: Patience, count: number): number[] {
  return Array.from({ length: count }, () => {
    const { limit } = patience;
    patience.ranOut();
    return limit;
  });
}

test('a broker of which nothing is known gets more time with each attempt', () => {
  expect(limits(new Patience(), 4)).toEqual([3000, 6000, 12_000, 12_000]);
});

test.each([
  { took: 20, next: [1000, 2000, 4000, 8000, 12_000] },
  { took: 400, next: [2000, 4000, 8000, 12_000, 12_000] },
  { took: 5000, next: [3000, 6000, 12_000, 12_000, 12_000] },
])('one that took $took ms is waited for accordingly when it is gone', ({ took, next }) => {
  const patience = new Patience();
  patience.ranOut();
  patience.connected(took);
  expect(limits(patience, 5)).toEqual(next);
});
