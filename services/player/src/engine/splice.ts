// Where the catch-up burst ends and the live topic begins, and what may be appended after a loss: the order of one
// track, by generation and mfhd.sequence_number.
//
//   holding ──(burst reaches the predecessor of the first held fragment, or a live keyframe comes)──▶ flowing
//   holding ──(audio: no burst comes)──▶ flowing
//   flowing ──(a number is missing)──▶ waiting ──(next sync sample)──▶ flowing
//   any     ──(restart: play was sent again, a burst comes)──▶ holding
//
// Sans I/O: segments in, segments to append out. It does not know time; who gives up waiting is the engine.
import type { InitSegment, MediaFragment, Segment } from './mp4';

export type Origin = 'catch-up' | 'live';

export type Step =
  | { readonly kind: 'init'; readonly generation: number; readonly segment: InitSegment }
  | {
      readonly kind: 'media';
      readonly generation: number;
      readonly segment: MediaFragment;
      /** True: nothing is missing between it and the one before. */
      readonly follows: boolean;
    };

export interface SpliceCounts {
  /** Holes in the numbering of the live topic. */
  gaps: number;
}

interface Held {
  readonly generation: number;
  readonly segment: Segment;
}

/** Live fragments that wait for the burst, at most: a GOP of 10 s at 60 frames a second. */
const MOST_VIDEO_HELD = 600;
/** About one second of AAC. The tail of the burst was lost when it takes longer, and no keyframe comes to the rescue. */
const MOST_AUDIO_HELD = 48;

export class Splice {
  readonly counts: SpliceCounts = { gaps: 0 };
  private state: 'holding' | 'flowing' | 'waiting' = 'holding';
  private held: Held[] = [];
  /** Generation of the last init segment given out. */
  private generation = -1;
  /** Number of the last fragment given out. */
  private last: number | undefined;
  private missesInit = false;

  /** @param everySampleIsSync true for audio, where a loss is no reason to wait */
  constructor(private readonly everySampleIsSync: boolean) {}

  /** True once live fragments pass straight through. */
  get flowing(): boolean {
    return this.state === 'flowing';
  }

  /** True when fragments of a generation come whose init segment was lost: only a new burst brings it. */
  get needsInit(): boolean {
    return this.missesInit;
  }

  /** A new burst is on its way. */
  restart(): void {
    this.state = 'holding';
    this.held = [];
  }

  push(origin: Origin, generation: number, segment: Segment): Step[] {
    if (generation < this.generation) return [];
    if (origin === 'catch-up') return this.catchUp(generation, segment);
    if (this.state === 'holding') return this.hold(generation, segment);
    return this.live(generation, segment);
  }

  private catchUp(generation: number, segment: Segment): Step[] {
    if (segment.kind === 'init') return this.init(generation, segment);
    if (this.state !== 'holding' || generation !== this.generation) return [];
    const steps: Step[] = [];
    if (this.follows(segment)) steps.push(this.emit(generation, segment));
    else if (this.last === undefined || segment.sequence > this.last) return [];
    return [...steps, ...this.tryJoin()];
  }

  private hold(generation: number, segment: Segment): Step[] {
    if (segment.kind === 'media' && generation === this.generation) {
      if (this.last !== undefined && segment.sequence <= this.last) return [];
      // Contiguous with what was given out, or a keyframe: the rest of the burst is older, and not needed. The burst's
      // audio is: without it there is nothing to play beside the video before the edge.
      const contiguous = this.last !== undefined && segment.sequence === this.last + 1;
      if (contiguous || (segment.sync && !this.everySampleIsSync)) {
        this.state = 'flowing';
        this.held = [];
        return [this.emit(generation, segment)];
      }
    }
    this.held.push({ generation, segment });
    // A generation that begins on the live topic brings all that is needed.
    if (segment.kind === 'init' && generation > this.generation) return this.join();
    if (!this.everySampleIsSync) {
      if (this.held.length > MOST_VIDEO_HELD) this.held.shift();
    } else if (this.held.length > MOST_AUDIO_HELD) {
      if (generation === this.generation) return this.join();
      this.held.shift();
    }
    return [];
  }

  private live(generation: number, segment: Segment): Step[] {
    if (segment.kind === 'init') {
      const steps = this.init(generation, segment);
      // Numbers go up across generations, but not by one: the first fragment is a keyframe.
      if (steps.length > 0) this.state = 'waiting';
      return steps;
    }
    if (generation !== this.generation) {
      this.missesInit = true;
      this.state = 'waiting';
      return [];
    }
    if (this.last !== undefined && segment.sequence <= this.last) return [];
    if (this.state === 'flowing' && segment.sequence !== (this.last ?? 0) + 1) {
      this.counts.gaps += 1;
      this.state = 'waiting';
    }
    if (this.state === 'waiting' && !this.canBegin(segment)) return [];
    this.state = 'flowing';
    return [this.emit(generation, segment)];
  }

  private init(generation: number, segment: InitSegment): Step[] {
    this.missesInit = false;
    if (generation === this.generation) return [];
    this.generation = generation;
    return [{ kind: 'init', generation, segment }];
  }

  private tryJoin(): Step[] {
    const last = this.last ?? -1;
    this.held = this.held.filter(
      ({ generation, segment }) =>
        generation > this.generation ||
        (generation === this.generation && segment.kind === 'media' && segment.sequence > last),
    );
    const first = this.held[0]?.segment;
    return first?.kind === 'media' && first.sequence === last + 1 ? this.join() : [];
  }

  private join(): Step[] {
    const held = this.held;
    this.held = [];
    this.state = 'flowing';
    return held.flatMap(({ generation, segment }) =>
      generation < this.generation ? [] : this.live(generation, segment),
    );
  }

  private follows(segment: MediaFragment): boolean {
    if (this.last === undefined) return this.canBegin(segment);
    return segment.sequence === this.last + 1 || (segment.sequence > this.last && this.canBegin(segment));
  }

  private canBegin(segment: MediaFragment): boolean {
    return this.everySampleIsSync || segment.sync;
  }

  private emit(generation: number, segment: MediaFragment): Step {
    const follows = this.last !== undefined && segment.sequence === this.last + 1;
    this.last = segment.sequence;
    return { kind: 'media', generation, segment, follows };
  }
}
