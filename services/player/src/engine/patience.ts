// How long an attempt to connect may take.
//
// The way to a broker that has just gone may swallow an attempt whole: what stands before it leads to its address for a moment
// longer, where nobody answers, and the attempt stays on that way even once there is another broker. A new one gets through.
// So a broker that was quick is not waited for long. Nothing is known of it before the first connection, and some networks
// are slow: each attempt that took too long is followed by one with twice the time. Pure; times are milliseconds.

const FIRST = 3000;
const SHORTEST = 1000;
const LONGEST = 12_000;
/** An attempt that takes so many times what the last connection took is lost rather than slow. */
const MARGIN = 5;

export class Patience {
  private now = FIRST;

  /** What the next attempt may take. */
  get limit(): number {
    return this.now;
  }

  /** An attempt took longer than that. */
  ranOut(): void {
    this.now = Math.min(2 * this.now, LONGEST);
  }

  /** There is a connection, and this is how long it took. */
  connected(took: number): void {
    this.now = Math.min(Math.max(MARGIN * took, SHORTEST), FIRST);
  }
}
