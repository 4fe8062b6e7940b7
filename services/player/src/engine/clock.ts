// What the worker's clock says now, learnt from the stamps of what it publishes: of ticks and of states.
//
// A stamp arrives late, never early, so the smallest difference seen is the nearest to the truth:
//
//     smallest difference = offset between the clocks + shortest way from the worker through the broker to us
//
// The two cannot be told apart from stamps alone. But each end knows its own round trip to the broker, and half of the
// smallest is what its part of the way takes: the worker tells its half with each tick, ours is the connection's. So
//
//     age = now − smallest difference − stamp + the worker's half + our half
//
// What remains: half the difference between ways there and back that are not alike; a millisecond of rounding; what the
// clocks drift apart in five minutes, while the smallest difference is kept (15 ms at 50 parts in a million, less with NTP).
import { RecentMinimum } from './recent-minimum';

/** So long it takes until a stamp has come on a quick way: those of a join come while the page is busy with it. */
const SETTLING_MS = 1500;

export class WorkerClock {
  private readonly difference = new RecentMinimum();
  private worker: string | undefined;
  /** From the worker to the broker, and from the broker to us; milliseconds. */
  private readonly ways = { worker: 0, own: 0 };

  /** Whose clock it is from now on. */
  follow(worker: string): void {
    if (worker === this.worker) return;
    this.worker = worker;
    this.forget();
  }

  /** Takes a stamp: the worker's time, and when it arrived by our clock; both Unix milliseconds. */
  observe(workerTime: number, arrived: number): void {
    this.difference.observe(arrived - workerTime, arrived);
  }

  /** How long it takes from the worker to the broker, as the worker says; milliseconds. */
  workerIsAway(way: number): void {
    this.ways.worker = way;
  }

  /** How long it takes from us to the broker and back, milliseconds. */
  brokerAnswersIn(roundTrip: number): void {
    this.ways.own = roundTrip / 2;
  }

  /** Begins anew: an offset that a stepped clock made wrong would call everything old for minutes. */
  forget(): void {
    this.difference.clear();
    this.ways.worker = 0;
  }

  /** Our clock minus the worker's, milliseconds; undefined until a stamp came. */
  get offset(): number | undefined {
    const difference = this.difference.value;
    return difference === undefined ? undefined : difference - this.ways.worker - this.ways.own;
  }

  /** Whether stamps have come for long enough that one of them was quick. */
  isSettled(now: number): boolean {
    const { since } = this.difference;
    return since !== undefined && now - since >= SETTLING_MS;
  }

  /** Age in milliseconds of something that the worker stamped. */
  age(stamp: number, now: number): number | undefined {
    const offset = this.offset;
    return offset === undefined ? undefined : now - offset - stamp;
  }
}
