// How long to wait before the next try: doubles up to a cap, half of it random, so that a hall of screens that lost the
// same broker does not come back in one instant.

export interface BackoffLimits {
  /** First delay, milliseconds. */
  readonly min: number;
  /** Longest delay, milliseconds. */
  readonly max: number;
}

export class Backoff {
  private tries = 0;

  constructor(
    private readonly limits: BackoffLimits,
    private readonly random: () => number = Math.random,
  ) {}

  /** The next delay in milliseconds. */
  next(): number {
    const ceiling = Math.min(this.limits.max, this.limits.min * 2 ** Math.min(this.tries, 30));
    this.tries += 1;
    return ceiling / 2 + (ceiling / 2) * this.random();
  }

  reset(): void {
    this.tries = 0;
  }
}
