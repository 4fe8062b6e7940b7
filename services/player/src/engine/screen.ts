// Decoded pictures as what the video element plays: a MediaStreamTrackGenerator makes a track of them. So the element stays
// the one that pages know, with its size, its full screen, its frame callbacks and its still picture.
//
// Only Chromium has it for a page (Mediacapture Transform); what others have of it works in workers alone.

interface TrackGenerator extends MediaStreamTrack {
  readonly writable: WritableStream<VideoFrame>;
}

type Generator = new (init: { readonly kind: 'video' }) => TrackGenerator;

/** Pictures that the browser has not taken yet, at most: it takes each at once, unless it is held up. */
const MOST_WAITING = 4;

function generatorClass(): Generator | undefined {
  return (globalThis as { MediaStreamTrackGenerator?: Generator }).MediaStreamTrackGenerator;
}

export function hasScreen(): boolean {
  return generatorClass() !== undefined;
}

export class Screen {
  private readonly writer: WritableStreamDefaultWriter<VideoFrame>;
  private waiting = 0;
  private refused = 0;

  constructor(private readonly video: HTMLVideoElement) {
    const Generator = generatorClass();
    if (!Generator) throw new Error('this browser makes no track of pictures');
    const track = new Generator({ kind: 'video' });
    this.writer = track.writable.getWriter();
    video.srcObject = new MediaStream([track]);
  }

  /** Pictures that were shown, and then replaced before the display came to them; or not taken at all. */
  get dropped(): number {
    return this.refused + this.video.getVideoPlaybackQuality().droppedVideoFrames;
  }

  /** Shows a picture and closes it. */
  show(frame: VideoFrame): void {
    if (this.waiting >= MOST_WAITING) {
      this.refused += 1;
      frame.close();
      return;
    }
    this.waiting += 1;
    this.writer.write(frame).then(
      () => (this.waiting -= 1),
      // The track has ended under it.
      () => frame.close(),
    );
  }

  /** Idempotent. */
  close(): void {
    void this.writer.close().catch(() => undefined);
    if (this.video.srcObject) this.video.srcObject = null;
  }
}
