// The rhythm of a track: how long a frame lasts, and so where the live edge is. The stated duration of the open last sample
// is a promise of half a second, so frame times come from the distance of decode times, without those where one is missing.

const WINDOW = 31;

export class Cadence {
  private deltas: number[] = [];
  private last: number | undefined;
  private frame: number;

  /** @param guess seconds a frame lasts, until two have come */
  constructor(guess: number) {
    this.frame = guess;
  }

  /** Takes a fragment: decode times of its first and last sample, seconds. */
  observe(first: number, last: number, samples: number): void {
    if (this.last !== undefined && first > this.last && first - this.last < 1) this.note(first - this.last);
    if (samples > 1 && last > first) this.note((last - first) / (samples - 1));
    this.last = last;
  }

  /** Seconds a frame lasts. */
  get frameDuration(): number {
    return this.frame;
  }

  /** End of what can be shown: the newest decode time plus one frame, seconds. */
  get edge(): number | undefined {
    return this.last === undefined ? undefined : this.last + this.frame;
  }

  private note(delta: number): void {
    this.deltas.push(delta);
    if (this.deltas.length > WINDOW) this.deltas.shift();
    const sorted = this.deltas.toSorted((a, b) => a - b);
    const median = sorted[sorted.length >> 1] ?? this.frame;
    // Of those near the median the mean: times are in whole milliseconds, and frames are not.
    const near = sorted.filter((value) => Math.abs(value - median) < median / 4);
    this.frame = near.reduce((sum, value) => sum + value, 0) / near.length;
  }
}
