import { expect, test } from 'vitest';
import { readSegments, type MediaFragment } from '../src/engine/mp4';
import { Timeline } from '../src/engine/timeline';
import { fragment, type FragmentFields } from './boxes';

function media(fields: FragmentFields): MediaFragment {
  const [segment] = readSegments(fragment(fields));
  if (segment?.kind !== 'media') throw new Error('not a media fragment');
  return segment;
}

test('the edge is where every track can be played', () => {
  const timeline = new Timeline(['video', 'audio']);
  timeline.add('video', media({ decodeTime: 9_000_000, sync: true }));
  expect(timeline.edge).toBeUndefined();
  timeline.add('audio', media({ track: 2, decodeTime: 99 * 48_000 }));
  expect(timeline.edge).toBeCloseTo(99 + 1024 / 48_000);
});

test('times are read in the timescale of the track', () => {
  const timeline = new Timeline(['audio']);
  timeline.setTimescale('audio', 8000);
  timeline.add('audio', media({ track: 2, decodeTime: 80_000 }));
  expect(timeline.edgeOf('audio')).toBeCloseTo(10 + 1024 / 48_000);
});

test('the depth counts frames from the last keyframe on', () => {
  const timeline = new Timeline(['video']);
  for (const sync of [true, false, false, true, false]) timeline.add('video', media({ sync }));
  expect(timeline.depth).toBe(2);
});

test('keyframes are known by when they are shown, and until they are trimmed', () => {
  const timeline = new Timeline(['video']);
  timeline.add('video', media({ decodeTime: 90_000, compositionOffset: 9000, sync: true }));
  timeline.add('video', media({ decodeTime: 180_000, sync: false }));
  timeline.add('video', media({ decodeTime: 270_000, sync: true }));
  expect(timeline.keyframeTimes).toEqual([1.1, 3]);
  timeline.trimmed(2);
  expect(timeline.keyframeTimes).toEqual([3]);
});

test('capture times are those of the frames as they are shown', () => {
  const timeline = new Timeline(['video']);
  timeline.add('video', media({ decodeTime: 90_000, compositionOffset: 9000, ntp: [2_208_988_800 + 5, 0] }));
  expect(timeline.captures.of(1.1)).toBe(5000);
});

test('what a generation repeats is played at the edge, and what it leaves out stays a hole', () => {
  const timeline = new Timeline(['video', 'audio']);
  expect(timeline.join(media({ decodeTime: 90_000, sync: true }))).toBe(0);
  for (const frame of [0, 1, 2]) timeline.add('video', media({ decodeTime: 90_000 + frame * 3000 }));
  expect(timeline.edgeOf('video')).toBeCloseTo(1.1);

  const repeated = media({ decodeTime: 93_000, sync: true });
  expect(timeline.join(repeated)).toBeCloseTo(1.1 - 93_000 / 90_000);
  timeline.add('video', repeated);
  expect(timeline.keyframeTimes.at(-1)).toBeCloseTo(1.1);
  timeline.add('audio', media({ track: 2, decodeTime: 48_000 }));
  expect(timeline.edgeOf('audio')).toBeCloseTo(1 + 1.1 - 93_000 / 90_000 + 1024 / 48_000);

  expect(timeline.join(media({ decodeTime: 2 * 90_000, sync: true }))).toBe(0);
});

test('what was put off is known by when it is shown, and the edge by when it came', () => {
  const timeline = new Timeline(['video']);
  timeline.add('video', media({ decodeTime: 90_000, ntp: [2_208_988_900, 0], sync: true }), 0.012);
  expect(timeline.captures.of(1.012)).toBe(100_000);
  expect(timeline.edge).toBeCloseTo(1 + 1 / 30);
});
