// How far behind the live edge to play, and how fast: the control law of the playhead.
//
// The margin is what is left to play when the next fragment comes: edge − currentTime just before an append. The law holds
// its mean at a target and finds the smallest target that this network and this machine allow: margins that nearly ran out,
// and clocks that were held, raise it, calm lowers it. Each constant was measured; see the table tests for what they mean.
//
// Pure arithmetic on times that are passed in. It knows no video element, and does not decide about gaps or stalls.

export interface LawLimits {
  /** Smallest target: the delay of a stream that arrives evenly. Milliseconds. */
  readonly floor: number;
  /** Target to begin with, before anything is known about the network. Milliseconds. */
  readonly start: number;
  /** A margin below this nearly ran out. Milliseconds. */
  readonly dry: number;
  /** A margin below this did run out, and the picture stood. Milliseconds. */
  readonly empty: number;
  /** So near to the target it plays at its own speed. Milliseconds; 0: never. */
  readonly deadBand: number;
  /** The margin that is held is a mean over so long. Milliseconds. */
  readonly window: number;
  /** By how much a tenth of a second off the target changes the rate. */
  readonly gain: number;
  /** Whether a clock that was held tells of the target: that of sound goes in steps. */
  readonly heedsClock: boolean;
}

/**
 * Video alone. A browser takes a frame for a refresh of the screen that is one or two refreshes ahead; Chromium shows a video
 * of 30 frames a second at every second refresh. A frame that is not there then, it shows 33 ms later or never, and may hold
 * its clock besides. From 20 ms on, and what an append and the decoder take, most are there in time; how many, and how soon
 * they are shown, depends on how the camera's frames fall between the refreshes, which no margin changes.
 */
export const VIDEO_ONLY: LawLimits = {
  floor: 34,
  start: 40,
  dry: 22,
  empty: 0,
  deadBand: 0,
  window: 500,
  gain: 0.2,
  heedsClock: true,
};
/**
 * With audio the browser takes some 100 ms ahead for its own buffer, and stalls when it cannot. In Chromium each such
 * stall doubles what it wants to have before it goes on, so it is worth some distance, and once is enough: how much it needs
 * depends on the machine's sound, and is remembered. Sound is stretched slowly, and not without need.
 */
export const WITH_AUDIO: LawLimits = {
  floor: 115,
  start: 160,
  dry: 100,
  empty: 90,
  deadBand: 5,
  window: 1000,
  gain: 0.1,
  heedsClock: false,
};

export interface Verdict {
  /** Playback rate to set. */
  readonly rate: number;
  /** True: too far from where it should be to get there by speed. */
  readonly seek: boolean;
}

const SPACING_MS = 50;
/**
 * With video alone the rate is never quite 1. At 1 Chromium shows frames by a beat that it has once found, and keeps to it
 * while they are up to a frame later than they could be; off the beat it takes each frame for the refresh that suits it best.
 */
const SLIGHTEST = 0.004;
const RAISE_MS = 10;
const CEILING_MS = 600;
/** Frames of audio over which its lag is a mean: half a second. */
const LAGS = 24;
/** A clock that stood is worth more than a margin that was low, and takes longer to get over. */
const STOOD_RAISE_MS = 20;
const STOOD_SPACING_MS = 2000;
/** What nearly runs out again within this is the same trouble. */
const TROUBLE_SPACING_MS = 500;
const CALM_MS = 10_000;
const LOWER_MS = 1;
/** Behind by so much more than wanted, speed takes too long. */
export const SEEK_BEYOND_MS = 1000;
const SLOWEST = 0.9;
const FASTEST = 1.1;

export class LiveEdgeLaw {
  private samples: { at: number; margin: number }[] = [];
  private sampled = -Infinity;
  private wanted: number;
  /** Times of trouble since the last raise, of late. Once is chance, twice is not. */
  private troubles: number[] = [];
  private raised: number | undefined;
  /** It is known by now that less is too little. */
  private lowest: number;
  private lag: number[] = [];
  /** What it was at most, as a mean over some frames. */
  private lagging = 0;

  constructor(private readonly limits: LawLimits) {
    this.wanted = limits.start;
    this.lowest = limits.floor;
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
    this.dip(now, margin);
    if (now - this.sampled < SPACING_MS) return undefined;
    this.sampled = now;
    this.samples.push({ at: now, margin });
    this.samples = this.samples.filter(({ at }) => now - at < this.limits.window);

    this.raised ??= now;
    if (now - this.raised >= CALM_MS) this.wanted = Math.max(this.lowest, this.wanted - LOWER_MS);

    const mean = this.samples.reduce((sum, sample) => sum + sample.margin, 0) / this.samples.length;
    const error = mean - this.wanted;
    const change = Math.max(SLIGHTEST, (Math.abs(error) / 100) * this.limits.gain) * Math.sign(error);
    const rests = Math.abs(error) <= this.limits.deadBand;
    const rate = rests ? 1 : Math.min(FASTEST, Math.max(SLOWEST, 1 + change));
    return { rate, seek: margin > this.wanted + SEEK_BEYOND_MS };
  }

  /** Takes a margin that matters only if it is low, such as that before an append of audio, which may come in lumps. */
  dip(now: number, margin: number): void {
    if (margin < this.limits.dry) this.trouble(now, margin < this.limits.empty);
  }

  /** The browser has held its clock for a moment, for want of a frame. */
  held(now: number): void {
    if (this.limits.heedsClock) this.trouble(now, false);
  }

  /** How much later than its picture the audio of the same time comes, milliseconds: as much more is needed. */
  audioLags(ms: number): void {
    this.lag.push(ms);
    if (this.lag.length < LAGS) return;
    const mean = this.lag.reduce((sum, one) => sum + one, 0) / LAGS;
    this.lag = [];
    if (mean <= this.lagging) return;
    this.lagging = mean;
    this.lowest = Math.max(this.lowest, this.limits.floor + mean);
    this.wanted = Math.max(this.wanted, this.limits.start + mean);
  }

  /** The clock stood with something to play ahead: at this target the browser has too little. */
  stood(now: number): void {
    if (this.raised !== undefined && now - this.raised < STOOD_SPACING_MS) return;
    this.raised = now;
    this.wanted = Math.min(CEILING_MS, this.wanted + STOOD_RAISE_MS);
    this.lowest = Math.max(this.lowest, this.wanted);
  }

  /** The playhead jumped: what was measured before says nothing about now. The target stays, it was hard won. */
  jumped(): void {
    this.samples = [];
  }

  private trouble(now: number, isCertain: boolean): void {
    const last = Math.max(this.troubles.at(-1) ?? -Infinity, this.raised ?? -Infinity);
    if (now - last < TROUBLE_SPACING_MS) return;
    this.troubles = [...this.troubles.filter((at) => now - at < CALM_MS), now];
    if (this.troubles.length < 2 && !isCertain) return;
    this.troubles = [];
    this.raised = now;
    this.wanted = Math.min(CEILING_MS, this.wanted + RAISE_MS);
  }
}
