// How long it takes to the broker and back, by MQTT's own PINGREQ and PINGRESP: two bytes each way, which need no right to
// any topic and which every broker answers. Answers come in the order of the questions.
//
// Pure bookkeeping; when to ask is said here, who asks is the connection.
import { RecentMinimum } from './recent-minimum';

/** Often enough that a minute has quick ones among the slow; at first oftener, as a page that has just begun is busy. */
const PERIOD_MS = 5000;
const FIRST_PERIOD_MS = 1000;
const FIRST = 5;

export class RoundTrip {
  private readonly least = new RecentMinimum();
  private asked: number[] = [];
  private askedAt = -Infinity;
  private answers = 0;

  /** Whether it is time to ask; all times are milliseconds on a steady clock. An answer that is awaited is enough. */
  isDue(now: number): boolean {
    const period = this.answers < FIRST ? FIRST_PERIOD_MS : PERIOD_MS;
    return this.asked.length === 0 && now - this.askedAt >= period;
  }

  sent(now: number): void {
    this.askedAt = now;
    this.asked.push(now);
  }

  answered(now: number): void {
    const asked = this.asked.shift();
    if (asked === undefined) return;
    this.answers += 1;
    this.least.observe(now - asked, now);
  }

  /** Another connection: another way. */
  reset(): void {
    this.asked = [];
    this.askedAt = -Infinity;
    this.answers = 0;
    this.least.clear();
  }

  /** The quickest of the last minutes, milliseconds. */
  get value(): number | undefined {
    return this.least.value;
  }
}
