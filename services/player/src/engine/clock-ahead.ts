// Shows each frame when it is there: the clock runs ahead of all frames, so that each is due when it comes.
//
// For Chromium and video alone. It plays on for as long as the newest frame claims to last, 500 ms, and shows what is due at
// the next refresh of the screen. But of a video whose frames last two refreshes each on average it looks at every second
// refresh only, so that a frame that is a moment late is 33 ms late, or its successor is in its place. It settles that
// when it begins, and again whenever the average is 2 ms from where it settled it. So the clock begins at a rate at which
// frames last 1 ms longer, and goes to 1 from there; and a slower second has it settled anew. `Stagger` does the rest.
//
// Pure arithmetic on times that are passed in.
import { SEEK_BEYOND_MS, type Verdict } from './live-edge';

/** Where the clock is placed: so far ahead of the newest frame when the next one comes. Milliseconds. */
export const AHEAD_MS = 60;
/** It may be anywhere so near: what is shown does not depend on it. */
const SLACK_MS = 40;
/** By how much frames last longer at the rate to begin with, and at the one that has Chromium settle it anew. Milliseconds. */
const BEGIN_MS = 1;
const ANEW_MS = 3;
/** Frames that Chromium takes the average of. */
const AVERAGE_OF = 32;
const FORWARD = 1.05;
/** Further ahead than its place by so much it is near the end of what the newest frame claims, where it would stand. */
const BEYOND_MS = 360;
/** So many lost within so long are taken for a sign that it looks at every second refresh. */
const LOST = 2;
const LOST_WITHIN_MS = 2000;
const ANEW_SPACING_MS = 10_000;
/** Of so many frames a twentieth was lost: they come too unevenly to be shown at once. */
const WINDOW = 300;
const MOST_LOST = WINDOW / 20;
/** For so long they are played from a margin then, and for twice as long the next time. */
const FIRST_REFUGE_MS = 20_000;
const LONGEST_REFUGE_MS = 600_000;

interface Counted {
  readonly at: number;
  readonly due: number;
  readonly lost: number;
}

export class ClockAhead {
  /** Frames still to come at a rate of their own, and what that makes them longer. */
  private frames = AVERAGE_OF;
  private longerMs = BEGIN_MS;
  private anewAt = -Infinity;
  private goesForward = false;
  private counted: Counted[] = [];
  private refugeUntil: number | undefined;
  private refugeMs = FIRST_REFUGE_MS;

  /** False: too many frames were lost by it of late. */
  get inForce(): boolean {
    return this.refugeUntil === undefined;
  }

  /** Playback begins, or goes on elsewhere. Returns the rate to begin at. */
  begin(frameMs: number): number {
    this.frames = AVERAGE_OF;
    this.longerMs = BEGIN_MS;
    this.counted = [];
    return this.slower(frameMs);
  }

  /** Takes the margin just before an append, milliseconds; called for each frame. */
  observe(margin: number, frameMs: number): Verdict {
    const error = margin + AHEAD_MS;
    return { rate: this.rate(error, frameMs), seek: error > SEEK_BEYOND_MS || error < -BEYOND_MS };
  }

  /** The browser has held its clock, and settles things when it goes on. */
  held(now: number): void {
    if (now - this.anewAt < ANEW_SPACING_MS) return;
    this.anewAt = now;
    this.frames = AVERAGE_OF;
    this.longerMs = ANEW_MS;
  }

  /** Takes how many frames were due so far, and how many of them were never shown. Called every so often. */
  count(now: number, due: number, lost: number): void {
    if (this.refugeUntil !== undefined) {
      if (now >= this.refugeUntil) this.refugeUntil = undefined;
      return;
    }
    // What is passed over on the way to the edge is not lost.
    if (this.frames > 0 && this.longerMs === BEGIN_MS) this.counted = [];
    this.counted = [...this.counted.filter((one) => due - one.due <= WINDOW), { at: now, due, lost }];
    const recent = this.counted.find(({ at }) => now - at <= LOST_WITHIN_MS);
    if (recent && lost - recent.lost >= LOST) this.held(now);
    const [first] = this.counted;
    if (!first || lost - first.lost < MOST_LOST) return;
    this.refugeUntil = now + this.refugeMs;
    this.refugeMs = Math.min(LONGEST_REFUGE_MS, 2 * this.refugeMs);
    this.counted = [];
  }

  private slower(frameMs: number): number {
    return frameMs / (frameMs + this.longerMs);
  }

  private rate(error: number, frameMs: number): number {
    if (this.frames > 0) {
      this.frames -= 1;
      return this.slower(frameMs);
    }
    if (error > SLACK_MS) this.goesForward = true;
    else if (error < 0) this.goesForward = false;
    if (this.goesForward) return FORWARD;
    return error < -2 * SLACK_MS ? 1 / FORWARD : 1;
  }
}
