// Small windows of measurements: bytes to a bit rate, latencies to percentiles, and which frame was captured when.

const RATE_WINDOW_MS = 2000;

export class BitrateMeter {
  private entries: { at: number; bytes: number }[] = [];
  private since: number | undefined;

  add(now: number, bytes: number): void {
    this.since ??= now;
    this.entries.push({ at: now, bytes });
  }

  /** Bits a second over the last two seconds. */
  value(now: number): number {
    this.entries = this.entries.filter(({ at }) => now - at <= RATE_WINDOW_MS);
    const window = Math.min(RATE_WINDOW_MS, Math.max(250, now - (this.since ?? now)));
    return (this.entries.reduce((sum, { bytes }) => sum + bytes, 0) * 8000) / window;
  }
}

/** The most samples that ten seconds can bring, at the refresh rate of any screen. */
const MOST_SAMPLES = 1200;

export class Percentiles {
  private samples: number[] = [];

  add(value: number): void {
    this.samples.push(value);
    if (this.samples.length > MOST_SAMPLES) this.samples.shift();
  }

  /** The value below which the fraction lies; undefined without samples. */
  at(fraction: number): number | undefined {
    const sorted = this.samples.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))];
  }

  clear(): void {
    this.samples = [];
  }
}

/** Twenty seconds at 60 frames a second: more than any buffer that is still called live. */
const MOST_STAMPS = 1200;
/** Browsers round media times to microseconds; frames are milliseconds apart. */
const SAME_FRAME_S = 0.002;

/** When the frame with a presentation time was captured, by the worker's clock. */
export class CaptureTimes {
  private stamps: { time: number; capturedAt: number }[] = [];

  add(time: number, capturedAt: number): void {
    this.stamps.push({ time, capturedAt });
    if (this.stamps.length > MOST_STAMPS) this.stamps.splice(0, MOST_STAMPS / 4);
  }

  of(time: number): number | undefined {
    return this.stamps.findLast((stamp) => Math.abs(stamp.time - time) < SAME_FRAME_S)?.capturedAt;
  }
}
