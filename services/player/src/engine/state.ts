// What a player says it is doing, out of what its parts are doing.
//
//   idle → connecting → starting → playing ⇄ stalled / restarting (camera lost) / reconnecting (broker lost)
//                          ↕ waiting (refused, tries again)      ↘ failed (refused for good)
import type { Phase } from './supervisor';

export type PlayerState =
  | 'idle'
  | 'connecting'
  | 'starting'
  | 'playing'
  | 'stalled'
  | 'restarting'
  | 'reconnecting'
  | 'waiting'
  | 'failed';

export interface Circumstances {
  readonly phase: Phase;
  /** True: the current MediaSource has shown a frame. */
  readonly frameIsUp: boolean;
  /** Milliseconds since the picture of an earlier MediaSource was taken away; undefined: there was none. */
  readonly sinceSwapMs: number | undefined;
  /** For how long the picture has been standing for want of media, milliseconds. */
  readonly stalledMs: number;
}

/** What is over sooner is over before anybody has read about it. */
const SHOWS_MS = 1000;

export function stateOf({ phase, frameIsUp, sinceSwapMs, stalledMs }: Circumstances): PlayerState {
  switch (phase.kind) {
    case 'failed':
      return 'failed';
    case 'waiting':
      return 'waiting';
    case 'down':
      return frameIsUp ? 'reconnecting' : 'connecting';
    case 'describing':
      return frameIsUp ? 'reconnecting' : 'starting';
    case 'playing':
      if (phase.job === 'restarting') return 'restarting';
      if (!frameIsUp) return sinceSwapMs !== undefined && sinceSwapMs < SHOWS_MS ? 'playing' : 'starting';
      if (phase.job === 'starting') return 'restarting';
      return stalledMs > SHOWS_MS ? 'stalled' : 'playing';
  }
}
