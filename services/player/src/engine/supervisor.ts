// What to ask the service next, and when: the one owner of "try again" for a viewer.
//
//   down ─(connected)─▶ describing ─(described)─▶ playing ─(ended, refused, silent)─▶ waiting ─(time)─▶ describing
//                            └─(refused for good)─▶ failed
//
// Pure: time comes in as an argument (milliseconds, steady), what to send comes out. Whatever it asked for is sent by the
// engine, in order. A connection that goes takes everything back to down; the picture is not its business.
import { Backoff } from './backoff';
import { PlayerError } from './errors';
import type { JobState } from './wire';

export type Ask = 'describe' | 'play';

export type Phase =
  | { readonly kind: 'down' }
  | { readonly kind: 'describing'; readonly since: number }
  | { readonly kind: 'playing'; readonly since: number; heard: number; media: number; job: JobState | undefined }
  | { readonly kind: 'waiting'; readonly until: number; readonly error: PlayerError }
  | { readonly kind: 'failed'; readonly error: PlayerError };

/** A camera over a slow link takes seconds to begin; the service gives up before this. */
const DESCRIBE_MS = 20_000;
/** Three status messages, fifteen ticks. */
const SILENT_MS = 15_000;
/** No tick and no media either: the worker is gone, and nobody else will say so. */
const DEAD_MS = 5000;
/** A live job sends several frames a second. */
const NO_MEDIA_MS = 10_000;
/** Played this long, the next trouble is a new one. */
const STEADY_MS = 10_000;

export class Supervisor {
  private now: Phase = { kind: 'down' };
  /** Asked for media again without any coming since. */
  private futile = 0;

  /** @param described true when it is known already what the stream is made of */
  constructor(
    private described = false,
    private readonly backoff = new Backoff({ min: 1000, max: 30_000 }),
  ) {}

  get phase(): Phase {
    return this.now;
  }

  connected(at: number): Ask | undefined {
    if (this.now.kind === 'failed') return undefined;
    return this.described ? this.startPlaying(at) : this.startDescribing(at);
  }

  disconnected(): void {
    if (this.now.kind !== 'failed') this.now = { kind: 'down' };
  }

  answered(at: number): Ask | undefined {
    this.described = true;
    return this.now.kind === 'describing' ? this.startPlaying(at) : undefined;
  }

  refused(error: PlayerError, at: number): void {
    if (this.now.kind === 'down' || this.now.kind === 'failed') return;
    // The first refusal decides when to ask again; what repeats it is an echo.
    if (this.now.kind === 'waiting') return;
    this.now = error.advice.retry
      ? { kind: 'waiting', until: at + (error.retryAfter ?? this.backoff.next()), error }
      : { kind: 'failed', error };
    this.described = false;
  }

  /** A status of this viewer, or a tick of its stream. */
  heard(job: JobState | undefined, at: number): void {
    if (this.now.kind !== 'playing') return;
    this.now.heard = at;
    // What silences the camera is not the viewer's to repair; the count begins when it is back.
    if (job === 'live' && this.now.job !== 'live') this.now.media = at;
    if (job) this.now.job = job;
  }

  media(at: number): void {
    if (this.now.kind !== 'playing') return;
    this.now.media = at;
    this.futile = 0;
    if (at - this.now.since > STEADY_MS) this.backoff.reset();
  }

  /** Asks for another catch-up: the player lacks something that only it brings. */
  again(at: number): Ask | undefined {
    if (this.now.kind !== 'playing' || at - this.now.since < 1000) return undefined;
    return this.startPlaying(at);
  }

  /** What time alone brings about. */
  due(at: number): Ask | undefined {
    const phase = this.now;
    switch (phase.kind) {
      case 'describing':
        if (at - phase.since > DESCRIBE_MS) this.refused(new PlayerError('no_answer'), at);
        return undefined;
      case 'waiting':
        return at >= phase.until ? this.startDescribing(at) : undefined;
      case 'playing': {
        const dead = at - Math.max(phase.heard, phase.media) > DEAD_MS;
        const silent = dead || at - phase.heard > SILENT_MS;
        const dry = phase.job === 'live' && at - phase.media > NO_MEDIA_MS;
        if (!silent && !dry) return undefined;
        this.futile += 1;
        if (this.futile <= 1) return this.startPlaying(at);
        this.refused(new PlayerError(silent ? 'no_answer' : 'no_media'), at);
        return undefined;
      }
      default:
        return undefined;
    }
  }

  private startDescribing(at: number): Ask {
    this.now = { kind: 'describing', since: at };
    return 'describe';
  }

  private startPlaying(at: number): Ask {
    this.now = { kind: 'playing', since: at, heard: at, media: at, job: undefined };
    return 'play';
  }
}
