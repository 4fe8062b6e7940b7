// The smallest of what was measured lately. What networks and busy pages do to a measurement only adds to it, so the smallest
// is the nearest to the truth; and what was true five minutes ago is let go.

const BUCKET_MS = 30_000;
const BUCKETS = 10;

export class RecentMinimum {
  private buckets: { since: number; min: number }[] = [];

  /** Takes what was measured at a time in milliseconds, on any clock. */
  observe(value: number, at: number): void {
    const last = this.buckets.at(-1);
    if (last && at - last.since < BUCKET_MS && at >= last.since) {
      last.min = Math.min(last.min, value);
      return;
    }
    this.buckets.push({ since: at, min: value });
    if (this.buckets.length > BUCKETS) this.buckets.shift();
  }

  /** Undefined before the first. */
  get value(): number | undefined {
    return this.buckets.length === 0 ? undefined : Math.min(...this.buckets.map(({ min }) => min));
  }

  /** When the first of what counts was measured. */
  get since(): number | undefined {
    return this.buckets[0]?.since;
  }

  clear(): void {
    this.buckets = [];
  }
}
