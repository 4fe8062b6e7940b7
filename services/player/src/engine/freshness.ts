// Whether what arrives is a backlog: media that the broker queued while this page did not read. The newest of it is what
// the broker dropped, and some brokers (mosquitto before 2.1) work it off no faster than new media comes, so that a picture
// would stay late for good. A new connection begins without one.
//
// On a link that is too slow for the stream a new connection helps for a moment only; so each one within a minute of the
// last has to be twice as well founded. Pure; ages come from the worker's stamps and its clock.

/** Nobody waits for this to be worked off, except what the socket alone held. */
const STALE = { age: 3000, for: 500 };
/** Late, in milliseconds, and for how long before it is called a backlog. */
const LATE = { age: 1000, for: 3000 };
/** A link so slow is not made better by connecting anew. */
const MOST_TOLERANCE = 8;
const CALM_MS = 60_000;

export class Freshness {
  private staleSince: number | undefined;
  private lateSince: number | undefined;
  /** How many times over the limits must be exceeded. */
  private tolerance = 1;
  private toldAt = -Infinity;

  /** Takes how long ago a live fragment was published, both in milliseconds; true: the connection is not worth keeping. */
  observe(now: number, age: number): boolean {
    if (now - this.toldAt > CALM_MS) this.tolerance = 1;
    const { tolerance } = this;
    this.staleSince = age < STALE.age * tolerance ? undefined : (this.staleSince ?? now);
    this.lateSince = age < LATE.age * tolerance ? undefined : (this.lateSince ?? now);
    const lasts = (since: number | undefined, ms: number): boolean => since !== undefined && now - since > ms;
    if (!lasts(this.staleSince, STALE.for) && !lasts(this.lateSince, LATE.for * tolerance)) return false;
    this.tolerance = Math.min(MOST_TOLERANCE, tolerance * 2);
    this.toldAt = now;
    this.reset();
    return true;
  }

  /** Another connection: nothing of the old one counts. */
  reset(): void {
    this.staleSince = undefined;
    this.lateSince = undefined;
  }
}
