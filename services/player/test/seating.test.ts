import { describe, expect, test } from 'vitest';
import { Seating } from '../src/engine/seating';

const WITH_AUDIO = { audio: { mimeCodec: 'audio/mp4; codecs="mp4a.40.2"', codec: 'mp4a.40.2' } };
const SILENT = { audio: undefined };

describe('tracks', () => {
  test.each([
    ['audio until it is known that there is none', false, undefined, 2],
    ['audio where there is some', false, WITH_AUDIO, 2],
    ['none where there is none', false, SILENT, 1],
    ['none that nobody hears', true, WITH_AUDIO, 1],
  ])('%s', (_, isMuted, known, count) => {
    expect(new Seating(undefined).tracks(isMuted, known)).toHaveLength(count);
  });

  test('audio that did not come is left out until it may come again', () => {
    const seating = new Seating(undefined);
    seating.audioLost();
    seating.anew();
    expect(seating.tracks(false, WITH_AUDIO)).toEqual(['video']);
    seating.audioMayCome();
    expect(seating.tracks(false, WITH_AUDIO)).toEqual(['video', 'audio']);
  });
});

describe('a stage that breaks', () => {
  test('is replaced three times a minute', () => {
    const seating = new Seating(undefined);
    expect([0, 10_000, 20_000, 30_000].map((at) => seating.broke(at, 'mse'))).toEqual([true, true, true, false]);
  });

  test('is replaced for ever, if it breaks seldom', () => {
    const seating = new Seating(undefined);
    expect([0, 1, 2, 3, 4, 5].every((n) => seating.broke(n * 20_000, 'mse'))).toBe(true);
  });

  test('gives way to the other renderer, which has as many tries', () => {
    const seating = new Seating('webcodecs');
    expect([0, 1, 2, 3].map((at) => seating.broke(at, 'webcodecs'))).toEqual([true, true, true, true]);
    expect([4, 5, 6, 7].map((at) => seating.broke(at, 'mse'))).toEqual([true, true, true, false]);
  });
});
