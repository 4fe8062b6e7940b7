// What is known about the media that was appended: where the live edge is, which frames are keyframes, when each was captured.
//
// Per MediaSource. It keeps figures, never bytes, and forgets what was trimmed.
import { Cadence } from './cadence';
import { CaptureTimes } from './meters';
import type { MediaFragment } from './mp4';
import type { TrackName } from './viewing';

export class Timeline {
  readonly captures = new CaptureTimes();
  private readonly cadences: Record<TrackName, Cadence> = { video: new Cadence(1 / 30), audio: new Cadence(1024 / 48_000) };
  private readonly timescales: Record<TrackName, number> = { video: 90_000, audio: 48_000 };
  private keyframes: number[] = [];
  private framesSinceKey = 0;

  constructor(private readonly tracks: readonly TrackName[]) {}

  /** Seconds that a frame of video lasts. */
  get frameDuration(): number {
    return this.cadences.video.frameDuration;
  }

  /** Up to where everything can be played, seconds; undefined until each track has something. */
  get edge(): number | undefined {
    const edges = this.tracks.map((track) => this.cadences[track].edge);
    return edges.every((edge) => edge !== undefined) ? Math.min(...edges) : undefined;
  }

  /** Frames that a decoder must work through to get from a keyframe to the edge. */
  get depth(): number {
    return this.framesSinceKey;
  }

  /** Presentation times of the keyframes that are still in the buffer, seconds. */
  get keyframeTimes(): readonly number[] {
    return this.keyframes;
  }

  edgeOf(track: TrackName): number | undefined {
    return this.cadences[track].edge;
  }

  setTimescale(track: TrackName, timescale: number): void {
    this.timescales[track] = timescale;
  }

  add(track: TrackName, fragment: MediaFragment): void {
    const timescale = this.timescales[track];
    const first = fragment.decodeTime / timescale;
    this.cadences[track].observe(first, fragment.lastDecodeTime / timescale, fragment.samples);
    if (track === 'audio') return;
    const shown = first + fragment.compositionOffset / timescale;
    if (fragment.capturedAt !== undefined) this.captures.add(shown, fragment.capturedAt);
    if (fragment.sync) this.keyframes.push(shown);
    this.framesSinceKey = fragment.samples + (fragment.sync ? 0 : this.framesSinceKey);
  }

  /** What lies before is no longer in the buffer. */
  trimmed(before: number): void {
    this.keyframes = this.keyframes.filter((time) => time >= before);
  }
}
