import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Mp4Error, readSegments, type MediaFragment } from '../src/engine/mp4';
import { box, concat, fragment, init, u32 } from './boxes';

function onlyFragment(bytes: Uint8Array): MediaFragment {
  const [segment] = readSegments(bytes);
  if (segment?.kind !== 'media') throw new Error('not a media fragment');
  return segment;
}

describe('media fragments', () => {
  test('number, time and sync come from mfhd, tfdt and trun', () => {
    const read = onlyFragment(
      fragment({ track: 2, sequence: 4711, decodeTime: 2 ** 40 + 5, sync: true, compositionOffset: 3000 }),
    );
    expect(read).toMatchObject({ trackId: 2, sequence: 4711, decodeTime: 2 ** 40 + 5, sync: true, compositionOffset: 3000 });
  });

  test('a composition offset may be negative', () => {
    expect(onlyFragment(fragment({ compositionOffset: -1500 })).compositionOffset).toBe(-1500);
  });

  test('the stated duration of the last sample is not believed', () => {
    const read = onlyFragment(fragment({ decodeTime: 1000, durations: [30, 40, 45_000] }));
    expect(read).toMatchObject({ samples: 3, lastDecodeTime: 1070 });
  });

  test.each([
    ['first_sample_flags say sync', 0x05, [...u32(1), ...u32(0), ...u32(0x02000000)], true],
    ['first_sample_flags say non-sync', 0x05, [...u32(1), ...u32(0), ...u32(0x01010000)], false],
    ['the default flags say non-sync', 0x01, [...u32(1), ...u32(0)], false],
  ])('sync: %s', (_, flags, fields, sync) => {
    const moof = box(
      'moof',
      box('mfhd', u32(0), u32(1)),
      box(
        'traf',
        box('tfhd', u32(0x020020), u32(1), u32(0x01010000)),
        box('tfdt', u32(0), u32(77)),
        box('trun', u32(flags), fields),
      ),
    );
    expect(onlyFragment(concat(moof, box('mdat')))).toMatchObject({ sync, decodeTime: 77 });
  });

  test('prft gives the Unix time of capture, and belongs to the fragment', () => {
    const bytes = fragment({ ntp: [2_208_988_800 + 1_790_000_000, 2 ** 31] });
    const read = onlyFragment(bytes);
    expect(read.capturedAt).toBe(1_790_000_000_500);
    expect(read.bytes).toEqual(bytes);
  });

  test('several in one message come apart, in order, with their own stamps', () => {
    const first = fragment({ sequence: 1, ntp: [2_208_988_801, 0] });
    const second = fragment({ sequence: 2 });
    const read = readSegments(concat(init(), first, second)).map((segment) =>
      segment.kind === 'media' ? [segment.sequence, segment.capturedAt, segment.bytes.length] : segment.kind,
    );
    expect(read).toEqual(['init', [1, 1000, first.length], [2, undefined, second.length]]);
  });
});

describe('init segments', () => {
  test.each([
    ['H.264', init({ avc: [0x42, 0xc0, 0x1e] }), { id: 1, timescale: 90_000, codec: 'avc1.42C01E', size: { width: 640, height: 360 } }],
    ['H.264 of another size', init({ avc: [0x64, 0, 0x28], size: [1920, 1080] }), { codec: 'avc1.640028', size: { width: 1920, height: 1080 } }],
    ['AAC', init({ track: 2, timescale: 48_000, audio: true }), { id: 2, timescale: 48_000, codec: 'mp4a.40.2', size: undefined }],
  ])('tell the codec: %s', (_, bytes, expected) => {
    const [segment] = readSegments(bytes);
    expect(segment).toMatchObject({ kind: 'init', tracks: [expected] });
  });

  test('ftyp belongs to the segment', () => {
    const bytes = init();
    expect(readSegments(bytes)[0]?.bytes.length).toBe(bytes.length);
  });
});

describe('foreign bytes', () => {
  test.each([
    ['a box that ends within its header', Uint8Array.from([0, 0, 0])],
    ['a box smaller than its header', concat(u32(4), [102, 114, 101, 101])],
    ['a box larger than the message', concat(u32(400), [102, 114, 101, 101])],
    ['mdat without moof', box('mdat', [1])],
    ['moof without mdat', fragment().subarray(0, fragment().length - 11)],
    ['moof without traf', concat(box('moof', box('mfhd', u32(0), u32(1))), box('mdat'))],
    ['trun that claims more samples than it holds', truncatedRun()],
  ])('%s is an error', (_, bytes) => {
    expect(() => readSegments(bytes)).toThrow(Mp4Error);
  });

  test('any change of any byte is read or refused, never worse', () => {
    const whole = concat(init(), fragment({ sync: true, ntp: [1, 1] }), init({ track: 2, audio: true }));
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, value, length) => {
        const changed = whole.slice(0, length);
        if (at < changed.length) changed[at] = value;
        try {
          readSegments(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(Mp4Error);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

function truncatedRun(): Uint8Array {
  const traf = box(
    'traf',
    box('tfhd', u32(0), u32(1)),
    box('tfdt', u32(0), u32(0)),
    box('trun', u32(0x100), u32(1000), u32(1)),
  );
  return concat(box('moof', box('mfhd', u32(0), u32(1)), traf), box('mdat'));
}
