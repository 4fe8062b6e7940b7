import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Feed } from '../src/engine/feed';

const FRAME_US = 33_333;

/** A feed that is live and has shown the frame of time 0. */
function live(): Feed {
  const feed = new Feed();
  feed.at(0, true);
  feed.take(0, true, 0);
  feed.shows(0, 0);
  return feed;
}

describe('what is decoded', () => {
  test('nothing before a keyframe, and that is no loss', () => {
    const feed = new Feed();
    expect([feed.take(0, false, 0), feed.take(1, true, 0), feed.take(2, false, 0)]).toEqual(['skip', 'decode', 'decode']);
    expect(feed.skipped).toBe(0);
  });

  test('nothing after a reset before the next keyframe, and that is a loss', () => {
    const feed = live();
    feed.reset();
    expect([feed.take(1, false, 0), feed.take(2, false, 0), feed.take(3, true, 0)]).toEqual(['skip', 'skip', 'decode']);
    expect(feed.skipped).toBe(2);
  });

  test.each([
    ['the decoder is in time', 2, 2, true, 'decode'],
    ['it is late', 20, 20, true, 'restart'],
    ['it is late with a catch-up, of which the end counts', 20, 20, false, 'decode'],
    ['it is late, and nothing waits', 20, 0, true, 'decode'],
  ])('a keyframe: %s', (_, frames, waiting, isLive, verdict) => {
    const feed = live();
    feed.at(1, isLive);
    for (let at = 1; at <= frames; at += 1) feed.take(at * FRAME_US, false, at);
    expect(feed.take((frames + 1) * FRAME_US, true, waiting)).toBe(verdict);
    expect(feed.skipped).toBe(verdict === 'restart' ? waiting : 0);
  });

  test('what waits is bounded: beyond that, nothing up to the next keyframe', () => {
    const feed = live();
    expect(feed.take(FRAME_US, false, 599)).toBe('decode');
    expect(feed.take(2 * FRAME_US, false, 600)).toBe('skip');
    expect(feed.take(3 * FRAME_US, false, 10)).toBe('skip');
    expect(feed.take(4 * FRAME_US, true, 10)).toBe('decode');
  });
});

describe('what is shown', () => {
  test('of a catch-up only the last picture, when it is quick', () => {
    const feed = new Feed();
    const shown: number[] = [];
    const show = (index: number, now: number): void => {
      if (feed.shows(index * FRAME_US, now)) shown.push(index);
    };
    feed.at(0, false);
    for (let index = 0; index < 30; index += 1) feed.take(index * FRAME_US, index === 0, index);
    for (let index = 0; index < 10; index += 1) show(index, index);
    feed.at(20, true);
    feed.catchUp(20, 500);
    for (let index = 10; index < 30; index += 1) show(index, 20 + index);
    feed.take(30 * FRAME_US, false, 0);
    show(30, 80);
    expect(shown).toEqual([29, 30]);
  });

  test('of a catch-up that is slow, what there is', () => {
    const feed = new Feed();
    feed.at(0, false);
    feed.take(0, true, 0);
    feed.take(FRAME_US, false, 0);
    expect(feed.shows(0, 10)).toBe(false);
    expect(feed.shows(FRAME_US, 400)).toBe(true);
  });

  test('of a catch-up that takes long to decode, what there is', () => {
    const feed = live();
    for (let index = 1; index < 30; index += 1) feed.take(index * FRAME_US, false, 0);
    feed.catchUp(100, 500);
    expect(feed.shows(FRAME_US, 200)).toBe(false);
    expect(feed.shows(2 * FRAME_US, 601)).toBe(true);
  });

  test('pictures in order only, whatever comes out of a decoder', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 900_000 })), (times) => {
        const feed = live();
        const shown = times.filter((time) => feed.shows(time, 1));
        expect(shown).toEqual(shown.toSorted((a, b) => a - b));
      }),
    );
  });

  test('a timeline that went back by more than disorder', () => {
    const feed = live();
    feed.shows(5_000_000, 1);
    expect(feed.shows(4_500_000, 2)).toBe(false);
    expect(feed.shows(3_000_000, 3)).toBe(true);
  });
});
