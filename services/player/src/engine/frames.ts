// Watches the frames that come on screen: when the first one does, and how old each is then.
import type { WorkerClock } from './clock';
import { Percentiles, type CaptureTimes } from './meters';

export class FrameWatch {
  /** Ages of the frames shown since the last report, milliseconds. */
  readonly latencies = new Percentiles();
  /** Age of the last frame. */
  latency: number | undefined;
  private handle: number | undefined;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly clock: WorkerClock,
  ) {}

  /** Watches the frames of a new MediaSource, whose stamps are in `captures`; tells of the first. */
  begin(captures: CaptureTimes, onFirst: () => void): void {
    this.end();
    let isFirst = true;
    const onFrame: VideoFrameRequestCallback = (_, { mediaTime, expectedDisplayTime }) => {
      this.handle = this.video.requestVideoFrameCallback(onFrame);
      this.measure(captures.of(mediaTime), Date.now() + expectedDisplayTime - performance.now());
      if (!isFirst) return;
      isFirst = false;
      onFirst();
    };
    this.handle = this.video.requestVideoFrameCallback(onFrame);
  }

  /** Idempotent. */
  end(): void {
    if (this.handle !== undefined) this.video.cancelVideoFrameCallback(this.handle);
    this.handle = undefined;
  }

  private measure(capturedAt: number | undefined, shownAt: number): void {
    if (!this.clock.isSettled(shownAt)) return;
    const latency = capturedAt === undefined ? undefined : this.clock.age(capturedAt, shownAt);
    if (latency === undefined) return;
    this.latency = latency;
    this.latencies.add(latency);
  }
}
