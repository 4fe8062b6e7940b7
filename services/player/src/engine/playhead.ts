// When the playhead stands where nothing more will come, or far behind, and where it goes then.
//
// One pure decision, asked several times a second. The control law handles the fine part by speed; this handles what speed
// cannot: gaps between buffered ranges, a clock that stands, a page that was blocked or hidden.

export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface Situation {
  /** Milliseconds on any steady clock. */
  readonly now: number;
  /** Seconds. */
  readonly currentTime: number;
  /** Since when currentTime has not changed, on the clock of `now`. */
  readonly standingSince: number;
  /** When the last seek was, on the clock of `now`. */
  readonly soughtAt: number;
  /** What can be played; seconds, in order. */
  readonly buffered: readonly Range[];
  /** Decode time of the newest appended frame plus one frame, seconds; undefined: nothing was appended. */
  readonly edge: number | undefined;
  /** Where to land behind the edge, milliseconds. */
  readonly landing: number;
  /** How long the decoder will need from the keyframe to there, while the edge moves on; milliseconds. */
  readonly preroll: number;
  /** False while the catch-up comes in: the edge is that of the past, and what matters is a first picture. */
  readonly live: boolean;
  /** True: the page was blocked or hidden, or the catch-up is complete; being elsewhere is no fault of the network. */
  readonly catchUp: boolean;
}

export type Decision = { readonly kind: 'stay' } | { readonly kind: 'seek'; readonly to: number; readonly why: SeekReason };
export type SeekReason = 'outside' | 'gap' | 'behind' | 'ahead' | 'stuck';

const STAY: Decision = { kind: 'stay' };
/** Ranges whose ends differ by less are the same place; browsers play through holes of this size. */
const SEAM_S = 0.05;
/** Behind by this much more than wanted, after a block, is worth the blink of a seek. */
const CATCH_UP_MS = 150;
/** Landing takes it ahead by up to 350 ms, for the time that the decoder will need; only beyond that it is lost in the future. */
const AHEAD_MS = 355;
/** A clock that stands this long while a later range exists has come to the end of its own. */
const AT_GAP_MS = 150;
/** A clock that stands this long with data ahead: Chromium fills its audio buffer anew, to twice of what it was. */
const STUCK_MS = 300;
/** A seek that did not help is not repeated sooner: perhaps the decoder is slow, and seeks make it slower. */
const SEEK_SPACING_MS = 2000;
/** Landing exactly on a range's start can fall before it, by rounding. */
const INSIDE_S = 0.001;

export function decide(s: Situation): Decision {
  const last = s.buffered.at(-1);
  // What the edge belongs to is not in the buffer yet; a seek to where nothing is would be taken for one to the end.
  if (!last || s.edge === undefined || s.edge > last.end + SEAM_S) return STAY;
  const target = s.live ? s.edge - (s.landing - s.preroll) / 1000 : last.start;
  const landing = Math.max(last.start + INSIDE_S, Math.min(target, last.end - SEAM_S));
  const inside = s.buffered.find((range) => s.currentTime >= range.start - SEAM_S && s.currentTime < range.end);
  // Before the first seek, or in data that was trimmed away.
  if (!inside && s.currentTime < last.start) {
    const earlier = s.buffered.some((range) => range.end <= s.currentTime + SEAM_S);
    return seek(landing, earlier ? 'gap' : 'outside');
  }
  // A timeline that went back, beyond what `edge` covers.
  if (!inside) return s.currentTime > s.edge + 1 ? seek(landing, 'outside') : STAY;
  const behind = (s.edge - s.currentTime) * 1000 - s.landing;
  if (s.catchUp && behind > CATCH_UP_MS) return seek(landing, 'behind');
  if (s.catchUp && behind < -AHEAD_MS) return seek(landing, 'ahead');
  const standing = s.now - s.standingSince;
  // The end of a range is no measure: its last frame states a longer duration than it has.
  if (inside !== last && standing > AT_GAP_MS) return seek(last.start + INSIDE_S, 'gap');
  const mayHelp = s.now - s.soughtAt > SEEK_SPACING_MS;
  if (standing > STUCK_MS && behind > SEAM_S * 1000 && mayHelp) return seek(landing, 'stuck');
  return STAY;
}

function seek(to: number, why: SeekReason): Decision {
  return { kind: 'seek', to, why };
}

/**
 * A stall is a clock that stands at the edge, or for long with something to play ahead, as when the browser's buffer of audio
 * has run dry; `waiting` events come without one.
 */
export function stalled(edge: number, currentTime: number, standingMs: number): boolean {
  return standingMs >= 100 && ((edge - currentTime) * 1000 < 20 || standingMs >= 250);
}

/** What may be removed from the front: up to a keyframe, for removal takes whole GOPs and must not reach the playhead. */
export function trimPoint(keyframes: readonly number[], currentTime: number, edge: number): number | undefined {
  // A paused picture keeps its place for a minute; then the buffer matters more.
  const limit = Math.max(currentTime - 10, edge - 60);
  return keyframes.findLast((time) => time <= limit);
}
