// Whether what arrives is a backlog: media that the broker queued while this page did not read. It would have to be played
// or thrown away before anything live comes, and the newest of it is what the broker dropped; a new connection is quicker.
//
// Pure; ages come from the worker's stamps and its clock.

const STALE_MS = 3000;
/** Time to work off what the socket alone held. */
const GRACE_MS = 500;

export class Freshness {
  private since: number | undefined;

  /** Takes the age of a live fragment, both in milliseconds; true: the connection is not worth keeping. */
  observe(now: number, age: number): boolean {
    if (age < STALE_MS) {
      this.since = undefined;
      return false;
    }
    this.since ??= now;
    return now - this.since > GRACE_MS;
  }

  reset(): void {
    this.since = undefined;
  }
}
