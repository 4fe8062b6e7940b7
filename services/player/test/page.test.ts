import { describe, expect, test } from 'vitest';
import { bits, figures, milliseconds, stateWords } from '../src/element/words';
import { readConfig } from '../src/engine/config';
import { PlayerError } from '../src/engine/errors';
import type { PlayerStats } from '../src/engine/stats';
import { gridFor } from '../src/pages/grid';

describe('config', () => {
  test.each([
    ['the broker that it names', { brokerWebsocket: 'wss://b.example/mqtt', topicPrefix: 'v' }, 'https://p.example/config.json', 'wss://b.example/mqtt', 'v'],
    ['else the host of the page', { brokerWebsocket: null }, 'http://10.0.0.7:8080/config.json', 'ws://10.0.0.7:9001', 'video'],
    ['encrypted when the page is', {}, 'https://p.example/config.json', 'wss://p.example:9001', 'video'],
    ['an IPv6 host keeps its brackets', {}, 'http://[::1]:8080/config.json', 'ws://[::1]:9001', 'video'],
    ['nonsense reads as nothing', null, 'http://h/config.json', 'ws://h:9001', 'video'],
  ])('%s', (_, json, page, broker, topicPrefix) => {
    expect(readConfig(json, new URL(page))).toMatchObject({ broker, topicPrefix });
  });
});

describe('grid', () => {
  test.each([
    ['one picture fills the height', 1, 1440, 800, 1, 1422],
    ['two on a wide screen are side by side', 2, 1440, 800, 2, 716],
    ['four make a square', 4, 1440, 800, 2, 704],
    ['ten', 10, 1440, 800, 4, 354],
    ['a phone has one column', 4, 390, 700, 1, 300],
    ['more than a phone shows at once scroll, at its full width', 9, 390, 700, 1, 390],
    ['more than fit scroll, at a useful size', 200, 1440, 800, 5, 281],
  ])('%s', (_, tiles, width, height, columns, tileWidth) => {
    expect(gridFor(tiles, width, height, 8)).toEqual({ columns, width: tileWidth });
  });
});

describe('words', () => {
  test('a lost camera is called that', () => {
    expect(stateWords('restarting')).toBe('Camera lost, reconnecting…');
  });

  test('a refusal says what and that it goes on', () => {
    const error = new PlayerError('no_capacity', 'all slots are taken');
    expect(stateWords('waiting', error)).toBe('All places are taken. Trying again…');
    expect(stateWords('failed', new PlayerError('not_allowed'))).toBe('This camera is not on the list');
  });

  test.each([
    [undefined, '–'],
    [74.4, '74 ms'],
    [12_345, '12.3 s'],
  ])('milliseconds %s', (value, text) => {
    expect(milliseconds(value)).toBe(text);
  });

  test.each([
    [0, '–'],
    [192_000, '192 kbit/s'],
    [2_540_000, '2.5 Mbit/s'],
  ])('bits %s', (value, text) => {
    expect(bits(value)).toBe(text);
  });

  test('a player that knows nothing yet shows dashes', () => {
    const nothing = { tracks: [], bitrate: 0, stalls: 0, droppedFrames: 0, decodedFrames: 0 } as unknown as PlayerStats;
    expect(figures(nothing).filter(([, value]) => value === '–')).toHaveLength(5);
  });
});
