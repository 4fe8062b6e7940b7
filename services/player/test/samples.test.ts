import { describe, expect, test } from 'vitest';
import { Mp4Error, readSegments, type MediaFragment } from '../src/engine/mp4';
import { readSamples } from '../src/engine/samples';
import { box, concat, u32, u64 } from './boxes';

function onlyFragment(bytes: Uint8Array): MediaFragment {
  const [segment] = readSegments(bytes);
  if (segment?.kind !== 'media') throw new Error('not a media fragment');
  return segment;
}

/** A fragment of one track whose runs are `runs`: each of samples, as bytes, sync and composition offset. */
function withRuns(
  runs: { data: number[]; sync?: boolean; offset?: number }[][],
  { base = 0, flags = 0x020000 }: { base?: number; flags?: number } = {},
): Uint8Array {
  const build = (start: number): Uint8Array => {
    let at = start + base;
    return box(
      'moof',
      box('mfhd', u32(0), u32(1)),
      box(
        'traf',
        box('tfhd', u32(flags), u32(1), flags & 1 ? u64(0) : []),
        box('tfdt', u32(0x01000000), u64(1000)),
        ...runs.map((samples) => {
          const offset = at;
          at += samples.reduce((sum, { data }) => sum + data.length, 0);
          const entries = samples.flatMap(({ data, sync = false, offset: shift = 0 }) => [
            ...u32(30),
            ...u32(data.length),
            ...u32(sync ? 0x02000000 : 0x01010000),
            ...u32(shift),
          ]);
          return box('trun', u32(0x01000f01), u32(samples.length), u32(offset), entries);
        }),
      ),
    );
  };
  const { length } = build(0);
  return concat(build(length + 8), box('mdat', runs.flat().flatMap(({ data }) => data)));
}

describe('samples', () => {
  test('each has its bytes, its times and whether a decoder can begin there', () => {
    const bytes = withRuns([[{ data: [1, 2], sync: true, offset: 60 }, { data: [3] }], [{ data: [4, 5, 6], offset: -30 }]]);
    expect(readSamples(onlyFragment(bytes))).toEqual([
      { presentationTime: 1060, sync: true, data: Uint8Array.of(1, 2) },
      { presentationTime: 1030, sync: false, data: Uint8Array.of(3) },
      { presentationTime: 1030, sync: false, data: Uint8Array.of(4, 5, 6) },
    ]);
  });

  test('offsets count from the moof, whatever stands before it', () => {
    const stamped = concat(box('prft', u32(0x01000000), u32(1), u32(0), u32(0), u64(1000)), withRuns([[{ data: [7] }]]));
    expect(readSamples(onlyFragment(stamped))[0]?.data).toEqual(Uint8Array.of(7));
  });

  test.each([
    ['a sample that reaches beyond the fragment', withRuns([[{ data: [1, 2] }]], { base: 1 })],
    ['a sample that lies before it', withRuns([[{ data: [1, 2] }]], { base: -1000 })],
    ['offsets from the beginning of a file', withRuns([[{ data: [1, 2] }]], { flags: 1 })],
  ])('%s is refused', (_, bytes) => {
    expect(() => readSamples(onlyFragment(bytes))).toThrow(Mp4Error);
  });
});
