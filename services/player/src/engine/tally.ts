// What a player counts over all its sittings, each of which counts from nothing.
import type { Sitting } from './sitting';

export interface Totals {
  watchedMs: number;
  stalls: number;
  rebufferMs: number;
  reconnects: number;
  decoderErrors: number;
  gaps: number;
  lostMessages: number;
  decodedFrames: number;
  droppedFrames: number;
}

/** Nothing has happened yet. */
export function noTotals(): Totals {
  return {
    watchedMs: 0,
    stalls: 0,
    rebufferMs: 0,
    reconnects: 0,
    decoderErrors: 0,
    gaps: 0,
    lostMessages: 0,
    decodedFrames: 0,
    droppedFrames: 0,
  };
}

/** What has been added since; never less than nothing, as a video element begins to count anew with each source. */
export function since(totals: Totals, before: Totals): Totals {
  const added = noTotals();
  for (const name of Object.keys(added) as (keyof Totals)[]) added[name] = Math.max(0, totals[name] - before[name]);
  return added;
}

type Counted = Pick<Sitting, 'stage' | 'intake'> | undefined;

export class Tally {
  /** Of the sittings that have ended, and of what is no sitting's. */
  private kept = noTotals();
  private told = noTotals();

  reconnected(): void {
    this.kept.reconnects += 1;
  }

  decoderFailed(): void {
    this.kept.decoderErrors += 1;
  }

  /** With those of the sitting that goes on. */
  total(sitting: Counted): Totals {
    const { kept } = this;
    if (!sitting) return { ...kept };
    const { stage, intake } = sitting;
    const { counts, frames } = stage;
    return {
      ...kept,
      watchedMs: kept.watchedMs + counts.watchedMs,
      stalls: kept.stalls + counts.stalls,
      rebufferMs: kept.rebufferMs + counts.rebufferMs,
      gaps: kept.gaps + intake.counts.gaps,
      lostMessages: kept.lostMessages + intake.counts.lostMessages,
      decodedFrames: kept.decodedFrames + frames.decoded,
      droppedFrames: kept.droppedFrames + frames.dropped,
    };
  }

  /** Keeps the counts of a sitting that ends. */
  absorb(sitting: Counted): void {
    this.kept = this.total(sitting);
  }

  /** What was added since this was asked last. */
  news(sitting: Counted): Totals {
    const total = this.total(sitting);
    const added = since(total, this.told);
    this.told = total;
    return added;
  }
}
