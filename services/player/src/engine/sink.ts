// One MediaSource in the video element, with a SourceBuffer for each track, all of them made before anything is appended
// (a SourceBuffer that comes later is refused, or never plays).
//
// The union below is its whole life. A sink is never repaired: what broke it, or what it was not made for (a second
// track), means a new one.
import { BufferQueue } from './buffer-queue';
import type { InitSegment } from './mp4';
import type { Range } from './playhead';
import type { TrackName } from './viewing';

export interface SinkEvents {
  /** Media of a track is in the buffer. */
  appended(track: TrackName): void;
  /** See BufferQueueOwner. */
  makeRoom(): number | undefined;
  failed(error: unknown): void;
}

type State =
  | { readonly kind: 'opening'; readonly early: (() => void)[] }
  | { readonly kind: 'open'; readonly tracks: ReadonlyMap<TrackName, Track> }
  | { readonly kind: 'closed' };

interface Track {
  readonly queue: BufferQueue;
  codec: string;
}

type Source = typeof MediaSource;

/** MediaSource, or on iPhones ManagedMediaSource, which is all that they have. */
export function mediaSourceClass(): Source | undefined {
  const scope = globalThis as { MediaSource?: Source; ManagedMediaSource?: Source };
  return scope.MediaSource ?? scope.ManagedMediaSource;
}

export function canPlay(mime: string): boolean {
  return mediaSourceClass()?.isTypeSupported(mime) ?? false;
}

export class Sink {
  /** When SourceBuffers can be added. */
  readonly opened: Promise<void>;
  private readonly source: MediaSource;
  private state: State = { kind: 'opening', early: [] };

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly events: SinkEvents,
  ) {
    const MediaSourceClass = mediaSourceClass();
    if (!MediaSourceClass) throw new Error('this browser has no MediaSource');
    const source = new MediaSourceClass();
    this.source = source;
    // A ManagedMediaSource does not open while the picture could go to another screen.
    if (!('MediaSource' in globalThis)) video.disableRemotePlayback = true;
    const url = URL.createObjectURL(source);
    this.opened = new Promise((resolve) => {
      source.addEventListener(
        'sourceopen',
        () => {
          URL.revokeObjectURL(url);
          resolve();
        },
        { once: true },
      );
    });
    // Before src, which counts for nothing beside it.
    if (video.srcObject) video.srcObject = null;
    video.src = url;
  }

  /** Declares the tracks; `opened` must have come. */
  start(mimes: ReadonlyMap<TrackName, string>): void {
    if (this.state.kind !== 'opening') return;
    const { early } = this.state;
    const tracks = new Map<TrackName, Track>();
    try {
      for (const [name, mime] of mimes) {
        const queue = new BufferQueue(this.source.addSourceBuffer(mime), {
          appended: () => this.events.appended(name),
          makeRoom: () => this.events.makeRoom(),
          failed: (error) => this.events.failed(error),
        });
        tracks.set(name, { queue, codec: codecIn(mime) });
      }
    } catch (error) {
      this.events.failed(error);
      return;
    }
    this.state = { kind: 'open', tracks };
    for (const append of early) append();
  }

  get started(): boolean {
    return this.state.kind === 'open';
  }

  /** Appends an init segment; one of another codec changes the type of the buffer first. */
  appendInit(name: TrackName, segment: InitSegment): void {
    if (this.state.kind === 'opening') {
      // A warm stream can answer before the browser has opened the MediaSource.
      this.state.early.push(() => this.appendInit(name, segment));
      return;
    }
    const track = this.track(name);
    const codec = segment.tracks[0]?.codec;
    if (track && codec !== undefined && codec.toLowerCase() !== track.codec.toLowerCase()) {
      track.codec = codec;
      track.queue.push({ kind: 'type', mime: `${name}/mp4; codecs="${codec}"` });
    }
    track?.queue.push({ kind: 'append', bytes: segment.bytes });
  }

  append(name: TrackName, bytes: Uint8Array): void {
    if (this.state.kind === 'opening') {
      this.state.early.push(() => this.append(name, bytes));
      return;
    }
    this.track(name)?.queue.push({ kind: 'append', bytes });
  }

  /** What is appended from now on is played so much later than it says. */
  offset(seconds: number): void {
    if (this.state.kind === 'opening') {
      this.state.early.push(() => this.offset(seconds));
      return;
    }
    if (this.state.kind === 'closed') return;
    for (const { queue } of this.state.tracks.values()) queue.push({ kind: 'offset', seconds });
  }

  /** Removes what lies before, in all tracks. */
  trim(end: number): void {
    if (this.state.kind !== 'open') return;
    for (const { queue } of this.state.tracks.values()) queue.push({ kind: 'remove', start: 0, end });
  }

  /** What can be played: where all tracks have something. */
  get buffered(): Range[] {
    const { buffered } = this.video;
    return Array.from({ length: buffered.length }, (_, index) => ({
      start: buffered.start(index),
      end: buffered.end(index),
    }));
  }

  /** Idempotent. Leaves the element to whoever comes next. */
  close(): void {
    if (this.state.kind === 'open') for (const { queue } of this.state.tracks.values()) queue.close();
    this.state = { kind: 'closed' };
  }

  private track(name: TrackName): Track | undefined {
    return this.state.kind === 'open' ? this.state.tracks.get(name) : undefined;
  }
}

function codecIn(mime: string): string {
  return /codecs="([^"]*)"/.exec(mime)?.[1] ?? '';
}
