// What the next sitting is to be: with which tracks, by which renderer. It remembers what earlier ones could not do.
import { rendererFor } from './renderer';
import type { Renderer } from './stage';
import type { TrackName } from './viewing';
import type { Described } from './wire';

/** Decoders that fail more often than this in a minute are not going to succeed. */
const MOST_DECODER_ERRORS = 3;
const MINUTE_MS = 60_000;

export class Seating {
  /** Audio was promised and did not come; not asked for again before the next generation. */
  private audioIsSilent = false;
  /** The renderer that was wanted failed with this camera. */
  private usesFallback = false;
  private brokenAt: number[] = [];

  constructor(private readonly wanted: Renderer | undefined) {}

  /** @param known what the stream is made of; undefined: nobody has asked yet */
  tracks(isMuted: boolean, known: Pick<Described, 'audio'> | undefined): readonly TrackName[] {
    const audio = !isMuted && !this.audioIsSilent && (known === undefined || known.audio !== undefined);
    return audio ? ['video', 'audio'] : ['video'];
  }

  /** Undefined: this browser has none for these tracks. */
  renderer(tracks: readonly TrackName[]): Renderer | undefined {
    return rendererFor(this.usesFallback ? 'mse' : this.wanted, tracks);
  }

  /** Another play may do better. */
  anew(): void {
    this.usesFallback = false;
  }

  audioLost(): void {
    this.audioIsSilent = true;
  }

  audioMayCome(): void {
    this.audioIsSilent = false;
  }

  fallBack(): void {
    this.usesFallback = true;
  }

  /** A stage broke. False: another sitting will not do better. */
  broke(now: number, renderer: Renderer): boolean {
    this.brokenAt = [...this.brokenAt, now].filter((at) => now - at < MINUTE_MS);
    if (this.brokenAt.length <= MOST_DECODER_ERRORS) return true;
    if (renderer === 'mse') return false;
    this.brokenAt = [];
    this.fallBack();
    return true;
  }
}
