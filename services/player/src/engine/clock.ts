// What the worker's clock says now, learnt from the stamps that arrive: of ticks, of states, of live fragments.
//
// A stamp arrives late, never early, so the smallest difference seen is the nearest to the truth: the offset between the
// clocks plus the shortest way through the broker. That shortest way is therefore missing from latencies that are
// computed with it; nothing that one side alone can measure tells it apart from the offset.

const BUCKET_MS = 30_000;
const BUCKETS = 10;
/** So long it takes until a stamp has come on a quick way: those of a join come while the page is busy with it. */
const SETTLING_MS = 1500;

export class WorkerClock {
  private buckets: { since: number; min: number }[] = [];
  private worker: string | undefined;

  /** Whose clock it is from now on. */
  follow(worker: string): void {
    if (worker === this.worker) return;
    this.worker = worker;
    this.forget();
  }

  /** Takes a stamp: the worker's time, and when it arrived by our clock; both Unix milliseconds. */
  observe(workerTime: number, arrived: number): void {
    const difference = arrived - workerTime;
    const last = this.buckets.at(-1);
    if (last && arrived - last.since < BUCKET_MS && arrived >= last.since) {
      last.min = Math.min(last.min, difference);
      return;
    }
    this.buckets.push({ since: arrived, min: difference });
    // Clocks drift: what was true five minutes ago is let go.
    if (this.buckets.length > BUCKETS) this.buckets.shift();
  }

  /** Begins anew: an offset that a stepped clock made wrong would call everything old for minutes. */
  forget(): void {
    this.buckets = [];
  }

  /** Our clock minus the worker's, milliseconds; undefined until a stamp came. */
  get offset(): number | undefined {
    if (this.buckets.length === 0) return undefined;
    return Math.min(...this.buckets.map((bucket) => bucket.min));
  }

  /** Whether stamps have come for long enough that one of them was quick. */
  isSettled(now: number): boolean {
    const first = this.buckets[0];
    return first !== undefined && now - first.since >= SETTLING_MS;
  }

  /** Age in milliseconds of something that the worker stamped. */
  age(stamp: number, now: number): number | undefined {
    const offset = this.offset;
    return offset === undefined ? undefined : now - offset - stamp;
  }
}
