import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlayerError } from '../src/engine/errors';
import {
  describeRequest,
  playRequest,
  qualityReport,
  readReply,
  readSources,
  readStatus,
  readTick,
  stopRequest,
  type Wanted,
} from '../src/engine/wire';

const encode = (json: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(json));
const wanted: Wanted = { target: { source: 'lobby' }, profile: undefined, token: undefined, session: 's1', traceparent: () => undefined };

describe('requests', () => {
  test('leave out what is not set', () => {
    expect(JSON.parse(describeRequest(wanted, 'video/reply/a'))).toEqual({
      source: 'lobby',
      session: 's1',
      reply_topic: 'video/reply/a',
    });
  });

  test('play asks for live delivery of the tracks', () => {
    const full: Wanted = { target: { url: 'rtsp://h/1' }, profile: 'legacy', token: 't', session: 's', traceparent: () => 'x' };
    expect(JSON.parse(playRequest(full, 'video/reply/a', ['video']))).toEqual({
      url: 'rtsp://h/1',
      profile: 'legacy',
      token: 't',
      session: 's',
      reply_topic: 'video/reply/a',
      delivery: 'live',
      tracks: ['video'],
    });
  });

  test('stop names the viewer alone', () => {
    expect(JSON.parse(stopRequest('video/reply/a'))).toEqual({ reply_topic: 'video/reply/a' });
  });
});

test('the report of quality has whole numbers, and leaves out what was not measured', () => {
  const quality = {
    session: 's',
    source: 'lobby',
    profile: 'source',
    firstFrameMs: 148.6,
    firstMediaMs: 90.2,
    sincePlayMs: 10_002.7,
    latencyMs: { p50: 70.4, p95: 91.2 },
    watchedMs: 9998.7,
    stalls: 1,
    rebufferMs: 250.4,
    droppedFrames: 2,
    decodedFrames: 300,
    reconnects: 0,
    decoderErrors: 0,
  };
  expect(JSON.parse(qualityReport(quality))).toEqual({
    session: 's',
    source: 'lobby',
    profile: 'source',
    first_frame_ms: 149,
    first_media_ms: 90,
    since_play_ms: 10_003,
    latency_ms: { p50: 70, p95: 91 },
    watched_ms: 9999,
    stalls: 1,
    rebuffer_ms: 250,
    dropped_frames: 2,
    decoded_frames: 300,
    reconnects: 0,
    decoder_errors: 0,
  });
  expect(JSON.parse(qualityReport({ ...quality, latencyMs: undefined }))).not.toHaveProperty('latency_ms');
});

const described = {
  mimeCodec: 'video/mp4; codecs="avc1.42C01E"',
  source: 'lobby',
  profile: 'source',
  live_topic: 'video/live/lobby/source',
  generation: 1_790_000_000_000,
  tracks: { video: { mimeCodec: 'video/mp4; codecs="avc1.42C01E"', codec: 'avc1.42C01E', width: 640, height: 360 } },
  worker: 'transcoder-0',
  delivery: ['reply', 'live'],
};

describe('replies', () => {
  test('a silent stream has no audio', () => {
    expect(readReply(encode(described))).toMatchObject({ liveTopic: 'video/live/lobby/source', audio: undefined });
  });

  test('fields that are not known do not matter', () => {
    expect(readReply(encode({ ...described, future: { a: 1 } }))).toMatchObject({ worker: 'transcoder-0' });
  });

  test('a refusal keeps its words, its code and its time', () => {
    const refusal = readReply(encode({ error: 'all slots are taken', code: 'no_capacity', retry_after_s: 5 }));
    expect(refusal).toBeInstanceOf(PlayerError);
    expect(refusal).toMatchObject({ code: 'no_capacity', detail: 'all slots are taken', retryAfter: 5000 });
  });

  test('a code that is not known reads as internal', () => {
    expect(readReply(encode({ error: 'x', code: 'toString' }))).toMatchObject({ code: 'internal' });
  });

  test.each([
    ['without a live topic', { ...described, live_topic: undefined }],
    ['without video', { ...described, tracks: {} }],
    ['with tracks of another type', { ...described, tracks: [1] }],
    ['an array', [described]],
    ['a number', 4],
  ])('%s is not a reply', (_, json) => {
    expect(readReply(encode(json))).toBeUndefined();
  });
});

test('status: state, worker, and the error that ended it', () => {
  expect(readStatus(encode({ state: 'restarting', worker: 'w', generation: 3 }))).toEqual({
    state: 'restarting',
    worker: 'w',
    generation: 3,
    time: undefined,
    error: undefined,
  });
  const ended = readStatus(encode({ state: 'ended', error: 'removed', code: 'not_allowed' }));
  expect(ended?.error?.code).toBe('not_allowed');
});

test('tick: without a time it is none', () => {
  expect(readTick(encode({ time: 5, worker: 'w', state: 'live', fps: 30 }))).toMatchObject({ time: 5, fps: 30 });
  expect(readTick(encode({ worker: 'w' }))).toBeUndefined();
  expect(readTick(encode({ time: 5, held_ms: 41.3, latency_ms: -1 }))).toMatchObject({ heldMs: 41.3, latencyMs: undefined });
});

test('sources: entries without a name are left out', () => {
  const list = { sources: [{ name: 'lobby', profiles: ['source', 4] }, { profiles: [] }, null, { name: 'yard' }] };
  expect(readSources(encode(list))).toEqual([
    { name: 'lobby', profiles: ['source'] },
    { name: 'yard', profiles: [] },
  ]);
  expect(readSources(new Uint8Array())).toEqual([]);
});

test('any payload is read or ignored, never an exception', () => {
  const readers = [readReply, readStatus, readTick, readSources];
  fc.assert(
    fc.property(fc.oneof(fc.json().map((text) => new TextEncoder().encode(text)), fc.uint8Array()), (payload) => {
      for (const read of readers) read(payload);
    }),
  );
});
