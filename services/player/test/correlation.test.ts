import { expect, test } from 'vitest';
import { parsePosition } from '../src/engine/correlation';
import { concat, u16, u32, u64 } from './boxes';

const GENERATION = 1_790_000_000_000;

test.each([
  ['whole fragment', concat(u64(GENERATION), u32(7)), { generation: GENERATION, number: 7, part: 0, count: 1 }],
  ['second of three parts', concat(u64(GENERATION), u32(8), u16(1), u16(3)), { generation: GENERATION, number: 8, part: 1, count: 3 }],
  ['highest number', concat(u64(1), u32(0xffffffff)), { generation: 1, number: 0xffffffff, part: 0, count: 1 }],
  ['part beyond the count', concat(u64(1), u32(0), u16(3), u16(3)), undefined],
  ['a count of no parts', concat(u64(1), u32(0), u16(0), u16(0)), undefined],
  ['a generation beyond what a number holds', concat(u32(0xffffffff), u32(0), u32(0)), undefined],
  ['nonce of a request', new Uint8Array(8), undefined],
  ['empty', new Uint8Array(), undefined],
  ['absent', undefined, undefined],
])('reads the position: %s', (_, data, expected) => {
  expect(parsePosition(data)).toEqual(expected);
});

test('reads a view into a larger buffer from where it begins', () => {
  const data = concat([9, 9, 9], u64(GENERATION), u32(4)).subarray(3);
  expect(parsePosition(data)?.number).toBe(4);
});
