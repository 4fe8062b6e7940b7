// How long a viewer has watched, and for how much of that the picture stood for want of media.
//
// Pure bookkeeping; what standing is, differs by renderer and is said by whoever ticks.

export interface PlayCounts {
  /** For how long a picture was due: from the first one on, unless paused. Stalls are in it. */
  watchedMs: number;
  stalls: number;
  rebufferMs: number;
}

export class StallMeter {
  readonly counts: PlayCounts = { watchedMs: 0, stalls: 0, rebufferMs: 0 };
  private ticked: number | undefined;
  private standingSince: number | undefined;

  constructor(private readonly stalled: () => void) {}

  /** How long the picture has been standing, milliseconds. */
  get stalledMs(): number {
    return this.standingSince !== undefined && this.ticked !== undefined ? this.ticked - this.standingSince : 0;
  }

  /**
   * Called at a steady pace; times are milliseconds on a steady clock.
   * @param standingSince since when the picture has been standing for want of media; undefined: it does not
   */
  tick(now: number, isDue: boolean, standingSince: number | undefined): void {
    const elapsed = this.ticked === undefined ? 0 : now - this.ticked;
    this.ticked = now;
    if (isDue) this.counts.watchedMs += elapsed;
    const before = this.standingSince;
    this.standingSince = isDue ? standingSince : undefined;
    if (this.standingSince === undefined) return;
    if (before !== undefined) {
      this.counts.rebufferMs += elapsed;
      return;
    }
    this.counts.stalls += 1;
    this.counts.rebufferMs += now - this.standingSince;
    this.stalled();
  }
}
