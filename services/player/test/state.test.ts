import { expect, test } from 'vitest';
import { PlayerError } from '../src/engine/errors';
import { stateOf, type Circumstances, type PlayerState } from '../src/engine/state';
import type { Phase } from '../src/engine/supervisor';
import type { JobState } from '../src/engine/wire';

const playing = (job: JobState | undefined): Phase => ({ kind: 'playing', since: 0, heard: 0, media: 0, job });
const down: Phase = { kind: 'down' };
const describing: Phase = { kind: 'describing', since: 0 };
const waiting: Phase = { kind: 'waiting', until: 0, error: new PlayerError('no_capacity') };
const failed: Phase = { kind: 'failed', error: new PlayerError('not_allowed') };
const picture: Partial<Circumstances> = { frameIsUp: true };

const rows: [string, Phase, Partial<Circumstances>, PlayerState][] = [
  ['no connection yet', down, {}, 'connecting'],
  ['a connection that was lost', down, picture, 'reconnecting'],
  ['the first question', describing, {}, 'starting'],
  ['a question while a picture stands', describing, picture, 'reconnecting'],
  ['no frame yet', playing('live'), {}, 'starting'],
  ['frames', playing('live'), picture, 'playing'],
  ['frames, before the first status', playing(undefined), picture, 'playing'],
  ['the camera is lost', playing('restarting'), picture, 'restarting'],
  ['the camera was never there', playing('restarting'), {}, 'restarting'],
  ['the job begins anew under the picture', playing('starting'), picture, 'restarting'],
  ['a moment of standing', playing('live'), { ...picture, stalledMs: 900 }, 'playing'],
  ['standing', playing('live'), { ...picture, stalledMs: 1100 }, 'stalled'],
  ['a swap of the MediaSource', playing('live'), { sinceSwapMs: 100 }, 'playing'],
  ['a swap that takes long', playing('live'), { sinceSwapMs: 1100 }, 'starting'],
  ['refused for now', waiting, picture, 'waiting'],
  ['refused for good', failed, picture, 'failed'],
];

test.each(rows)('%s', (_, phase, circumstances, expected) => {
  expect(stateOf({ phase, frameIsUp: false, sinceSwapMs: undefined, stalledMs: 0, ...circumstances })).toBe(expected);
});
