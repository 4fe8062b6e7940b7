// Watches the frames that come on screen: when the first one does, and how old each is then.
import type { WorkerClock } from './clock';
import { Percentiles, type CaptureTimes } from './meters';

/** A refresh of most displays; nobody tells how long one takes. */
const REFRESH_MS = 1000 / 60;

/**
 * When a frame is on screen, as far as the browser knows. Of a MediaStream's frames older Chromium does not: it then names the
 * time when it took them, before they wait for the display. Such a frame is taken to be on screen a refresh after the one
 * in which the page hears of it.
 * @param now of the callback: the beginning of that refresh
 */
export function displayTime(
  now: number,
  { presentationTime, expectedDisplayTime }: Pick<VideoFrameCallbackMetadata, 'presentationTime' | 'expectedDisplayTime'>,
): number {
  return expectedDisplayTime > presentationTime ? expectedDisplayTime : Math.max(now, presentationTime) + REFRESH_MS;
}

export class FrameWatch {
  /** Ages of the frames shown since the last report, milliseconds. */
  private readonly latencies = new Percentiles();
  /** Age of the last frame. */
  latency: number | undefined;
  private handle: number | undefined;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly clock: WorkerClock,
  ) {}

  /** Watches the frames of a new stage, whose stamps are in `captures`; tells of the first. */
  begin(captures: CaptureTimes, onFirst: () => void): void {
    this.end();
    let isFirst = true;
    const onFrame: VideoFrameRequestCallback = (now, metadata) => {
      this.handle = this.video.requestVideoFrameCallback(onFrame);
      this.measure(captures.of(metadata.mediaTime), Date.now() + displayTime(now, metadata) - performance.now());
      if (!isFirst) return;
      isFirst = false;
      onFirst();
    };
    this.handle = this.video.requestVideoFrameCallback(onFrame);
  }

  /** What the latencies were since this was asked last. */
  take(): { readonly p50: number; readonly p95: number } | undefined {
    const p50 = this.latencies.at(0.5);
    const p95 = this.latencies.at(0.95);
    this.latencies.clear();
    return p50 !== undefined && p95 !== undefined ? { p50, p95 } : undefined;
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
