// The way from play() to the first frame: how long it took, and the trace that goes with what is asked on it.
//
// One for each play. Time comes in as an argument, milliseconds on a steady clock.
import { newTrace } from './trace';

export interface StartUpReport {
  readonly firstFrameMs: number;
  readonly firstMediaMs: number | undefined;
  readonly sincePlayMs: number;
  readonly traceparent: string;
}

export class StartUp {
  private readonly trace = newTrace();
  private frameMs: number | undefined;
  private mediaMs: number | undefined;
  private isTold = false;

  constructor(private readonly began: number) {}

  get firstFrameMs(): number | undefined {
    return this.frameMs;
  }

  /** For what is asked on the way; afterwards undefined. */
  get traceparent(): string | undefined {
    return this.frameMs === undefined ? this.trace : undefined;
  }

  /** A frame is on screen; only the first one counts. */
  shown(now: number, firstMediaAt: number | undefined): void {
    if (this.frameMs !== undefined) return;
    this.frameMs = now - this.began;
    this.mediaMs = firstMediaAt && firstMediaAt - this.began;
  }

  /** Once, when there is something to tell. */
  report(now: number): StartUpReport | undefined {
    if (this.isTold || this.frameMs === undefined) return undefined;
    this.isTold = true;
    return {
      firstFrameMs: this.frameMs,
      firstMediaMs: this.mediaMs,
      sincePlayMs: now - this.began,
      traceparent: this.trace,
    };
  }
}
