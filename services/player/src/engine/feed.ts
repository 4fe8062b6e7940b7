// What a decoder gets of the samples that come, and which of its pictures are shown: the decisions of a stage without a
// buffer, where every picture is shown when it is there.
//
// Two things keep a picture off the screen: a catch-up, whose pictures are the past and are worth decoding for the last of
// them only; and order, which a decoder may get wrong for a moment after it began. Two keep a sample from the decoder: it
// cannot begin there, or it is so late that the next keyframe is sooner decoded than all that waits before it.
//
// Pure: presentation times in microseconds, as WebCodecs has them; `now` in milliseconds on any steady clock.

export type Verdict = 'decode' | 'skip' | 'restart';

/** A keyframe is worth throwing away what waits, when that is so much of the picture. */
const LATE_US = 300_000;
/** Samples that wait for the decoder, at most: a GOP of 10 s at 60 frames a second, which a catch-up may bring at once. */
const MOST_WAITING = 600;
/** A catch-up that takes longer is a slow one: the first picture is better than none. */
const CATCH_UP_MS = 300;
/** Back by more is another timeline, and no disorder. */
const DISORDER_US = 1_000_000;

export class Feed {
  /** Samples that were left out since the first one that was decoded. */
  skipped = 0;
  private needsSync = true;
  private begun = false;
  /** Newest that was decoded or waits for it. */
  private newest = -Infinity;
  private decoded = -Infinity;
  private shown = -Infinity;
  private isLive = false;
  private catchUpSince: number | undefined;
  /** What is older is not shown until then, for newer is about to come. */
  private hidden = { before: -Infinity, until: -Infinity };

  /** The decoder begins anew: at a sync sample. */
  reset(): void {
    this.needsSync = true;
  }

  /** Whether what comes is live now, or the catch-up to it. */
  at(now: number, isLive: boolean): void {
    if (!isLive && (this.isLive || this.catchUpSince === undefined)) this.catchUpSince = now;
    this.isLive = isLive;
  }

  /** What has come until now is decoded for the last picture only. */
  catchUp(now: number, forMs: number): void {
    this.hidden = { before: this.newest, until: now + forMs };
  }

  /** What to do with a sample. @param waiting samples that the decoder has not begun with */
  take(time: number, sync: boolean, waiting: number): Verdict {
    if (sync) {
      const isLate = waiting > 0 && this.isLive && this.newest - this.decoded > LATE_US;
      const verdict = this.begun && isLate ? 'restart' : 'decode';
      if (verdict === 'restart') this.skipped += waiting;
      // A timeline that went back has a newest of its own.
      this.newest = time;
      this.needsSync = false;
      this.begun = true;
      return verdict;
    }
    if (waiting >= MOST_WAITING) this.needsSync = true;
    if (this.needsSync) {
      if (this.begun) this.skipped += 1;
      return 'skip';
    }
    this.newest = Math.max(this.newest, time);
    return 'decode';
  }

  /** Whether a picture that was decoded is shown. */
  shows(time: number, now: number): boolean {
    this.decoded = time;
    if (time <= this.shown && this.shown - time < DISORDER_US) return false;
    if (!this.isLive && now - (this.catchUpSince ?? now) < CATCH_UP_MS) return false;
    if (time < this.hidden.before && now < this.hidden.until) return false;
    this.shown = time;
    return true;
  }
}
