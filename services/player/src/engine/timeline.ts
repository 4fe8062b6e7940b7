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
  /** Seconds by which what is added is played later than it says. */
  private shift = 0;
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

  timescaleOf(track: TrackName): number {
    return this.timescales[track];
  }

  setTimescale(track: TrackName, timescale: number): void {
    this.timescales[track] = timescale;
  }

  /**
   * A generation of another worker begins with this fragment of video. Both publish the same pictures for a moment. What
   * lies before the edge would replace frames that the decoder has got already, which then waits for the next keyframe: a
   * GOP. So it is played at the edge instead, a few frames late. Returns the shift in seconds, for all tracks.
   */
  join(fragment: MediaFragment): number {
    const { edge } = this.cadences.video;
    this.shift = edge === undefined ? 0 : Math.max(0, edge - fragment.decodeTime / this.timescales.video);
    return this.shift;
  }

  /** @param later seconds by which its presentation was put off */
  add(track: TrackName, fragment: MediaFragment, later = 0): void {
    const timescale = this.timescales[track];
    const first = fragment.decodeTime / timescale + this.shift;
    this.cadences[track].observe(first, fragment.lastDecodeTime / timescale + this.shift, fragment.samples);
    if (track === 'audio') return;
    const shown = first + later + fragment.compositionOffset / timescale;
    if (fragment.capturedAt !== undefined) this.captures.add(shown, fragment.capturedAt);
    if (fragment.sync) this.keyframes.push(shown);
    this.framesSinceKey = fragment.samples + (fragment.sync ? 0 : this.framesSinceKey);
  }

  /** What lies before is no longer in the buffer. */
  trimmed(before: number): void {
    this.keyframes = this.keyframes.filter((time) => time >= before);
  }
}
