// How far behind the live edge to play, and how fast: the control law of the playhead.
//
// The margin is what is left to play when the next fragment comes: edge − currentTime just before an append. The law holds
// its mean at a target and finds the smallest target that this network and this machine allow: a margin that nearly
// ran out raises it at once, calm lowers it slowly. Each constant was measured; see the table tests for what they mean.
//
// Pure arithmetic on times that are passed in. It knows no video element, and does not decide about gaps or stalls.

export interface LawLimits {
  /** Smallest target: the delay of a stream that arrives evenly. Milliseconds. */
  readonly floor: number;
  /** Target to begin with, before anything is known about the network. Milliseconds. */
  readonly start: number;
  /** A margin below this nearly ran out. Milliseconds. */
  readonly dry: number;
}

/**
 * Video alone. A browser asks for the frame of a display refresh two refreshes ahead, 33 ms at 60 Hz. When the next one is
 * not there by then Chromium holds the clock, for as long as a frame or two, and throws away what comes meanwhile: nearer
 * than this, the picture is not sooner on screen, but later and in jolts.
 */
export const VIDEO_ONLY: LawLimits = { floor: 40, start: 40, dry: 30 };
/**
 * With audio the browser takes more than 100 ms ahead for its own buffer, and stalls when it cannot. In Chromium each such
 * stall doubles what it wants to have before it goes on, so it is worth some distance.
 */
export const WITH_AUDIO: LawLimits = { floor: 150, start: 200, dry: 140 };

export interface Verdict {
  /** Playback rate to set. */
  readonly rate: number;
  /** True: too far behind to catch up by speed. */
  readonly seek: boolean;
}

const SPACING_MS = 50;
const WINDOW_MS = 1000;
const DEAD_BAND_MS = 5;
const RAISE_MS = 10;
const RAISE_SPACING_MS = 500;
const CEILING_MS = 600;
const CALM_MS = 10_000;
const LOWER_MS = 1;
const SEEK_BEYOND_MS = 1000;
const SLOWEST = 0.9;
const FASTEST = 1.1;

export class LiveEdgeLaw {
  private samples: { at: number; margin: number }[] = [];
  private dips: { at: number; margin: number }[] = [];
  private sampled = -Infinity;
  private raised = -Infinity;
  private calmSince: number | undefined;
  private wanted: number;

  constructor(private readonly limits: LawLimits) {
    this.wanted = limits.start;
  }

  /** The margin that is aimed at, milliseconds. */
  get target(): number {
    return this.wanted;
  }

  /**
   * Takes the margin just before an append; gives the rate to play at, or undefined when the last verdict still holds.
   * Both in milliseconds; `now` on any steady clock.
   */
  observe(now: number, margin: number): Verdict | undefined {
    if (now - this.sampled < SPACING_MS) return undefined;
    this.sampled = now;
    this.samples.push({ at: now, margin });
    this.samples = this.samples.filter(({ at }) => now - at < WINDOW_MS);
    this.calmSince ??= now;

    this.dips = this.dips.filter(({ at }) => now - at < WINDOW_MS);
    const low = [...this.samples, ...this.dips].filter(({ margin }) => margin < this.limits.dry);
    if (low.length > 0) {
      this.calmSince = now;
      // What came before a raise had time to work is the reason for that one, not for the next.
      if (low.some(({ at }) => at - this.raised >= RAISE_SPACING_MS)) {
        this.raised = now;
        this.wanted = Math.min(CEILING_MS, this.wanted + RAISE_MS);
      }
    } else if (now - this.calmSince >= CALM_MS) {
      this.wanted = Math.max(this.limits.floor, this.wanted - LOWER_MS);
    }

    const mean = this.samples.reduce((sum, sample) => sum + sample.margin, 0) / this.samples.length;
    const error = mean - this.wanted;
    const rate = Math.abs(error) <= DEAD_BAND_MS ? 1 : Math.min(FASTEST, Math.max(SLOWEST, 1 + error / 1000));
    return { rate, seek: margin > this.wanted + SEEK_BEYOND_MS };
  }

  /** Takes the margin before an append of audio: it counts as a low point, for audio may come in lumps. */
  dip(now: number, margin: number): void {
    this.dips.push({ at: now, margin });
  }

  /** The playhead jumped: what was measured before says nothing about now. The target stays, it was hard won. */
  jumped(): void {
    this.samples = [];
    this.dips = [];
  }
}
