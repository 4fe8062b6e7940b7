// Moves the playhead: applies the live-edge law and the jump decisions to the video element, and counts stalls.
//
// The only code that writes currentTime and playbackRate. It owns no timer: the engine calls it before each append, after
// each append, and several times a second.
import { AHEAD_MS, ClockAhead } from './clock-ahead';
import { LiveEdgeLaw, type LawLimits } from './live-edge';
import { decide, stalled, type Range, type SeekReason } from './playhead';
import type { LiveEdge } from './stage';
import { StallMeter, type PlayCounts } from './stall-meter';

export interface PilotEvents {
  stalled(): void;
  seeked(why: SeekReason): void;
}

/** Setting the rate is not free; smaller steps cannot be told apart. */
const RATE_STEP = 0.002;
/** A catch-up that takes longer is a slow one. */
const CATCH_UP_MS = 300;
/** What decoding a frame costs at least, measured; a guess too low costs a short chase, one too high a short wait. */
const DECODE_MS = 1;
/** Landing beyond the newest frame works within the duration that it states. */
const MOST_PREROLL_MS = 350;
/** A seek that takes longer is stuck itself. */
const SEEK_MS = 3000;
/** An append is complete, and the playhead looked after, within this. */
const APPEND_MS = 500;
/** A clock that lags by more was held; its readings differ by less. */
const HELD_MS = 12;
/** A clock of sound goes in steps; one that does not go for so long stands. */
const STOOD_MS = 90;
/** Until the rhythm of the stream is known. */
const FRAME_MS = 1000 / 30;
const COUNT_EVERY_MS = 500;
/** Backlogs drain in steps; each seek decodes from a keyframe on. */
const CATCH_UP_SPACING_MS = 300;

export class Pilot {
  private readonly stalls: StallMeter;
  private readonly law: LiveEdgeLaw;
  private readonly ahead: ClockAhead | undefined;
  private edge: LiveEdge | undefined;
  private counted = -Infinity;
  private seekAt = -Infinity;
  private time = -1;
  private movedAt = 0;
  private catchUpUntil = -Infinity;
  private started = false;
  /** As it was at the last append. */
  private clock: { readonly at: number; readonly currentTime: number; readonly playbackRate: number } | undefined;
  private appendedAt: number | undefined;

  /** @param canRunAhead the browser plays on while the newest frame lasts, and shows what is due at once */
  constructor(
    private readonly video: HTMLVideoElement,
    limits: LawLimits,
    private readonly events: PilotEvents,
    canRunAhead = false,
  ) {
    this.law = new LiveEdgeLaw(limits);
    this.ahead = canRunAhead ? new ClockAhead() : undefined;
    this.stalls = new StallMeter(() => events.stalled());
  }

  get counts(): PlayCounts {
    return this.stalls.counts;
  }

  /** Milliseconds behind the edge that is aimed at, at the moment before an append; negative: ahead of all frames. */
  get target(): number {
    return this.leader ? -AHEAD_MS : this.law.target;
  }

  /** Each frame is shown when it is there, wherever the clock is. */
  get runsAhead(): boolean {
    return this.leader !== undefined;
  }

  /** Milliseconds between the playhead and the live edge. */
  get margin(): number | undefined {
    return this.edge && (this.edge.time - this.video.currentTime) * 1000;
  }

  /** How long the picture has been standing for want of media, milliseconds. */
  get stalledMs(): number {
    return this.stalls.stalledMs;
  }

  /** The picture is there: from now on standing still is a stall. */
  start(): void {
    this.started = true;
  }

  /**
   * Video is about to be appended; the edge is still the one before it.
   * @param follows false after a hole: the wait for it says nothing about the network's pace
   */
  beforeAppend(now: number, follows: boolean): void {
    const { margin } = this;
    if (!follows) {
      this.law.jumped();
      return;
    }
    if (margin === undefined || !this.isUnderWay(now)) return;
    this.watchClock(now);
    const verdict = this.leader?.observe(margin, this.frameMs) ?? this.law.observe(now, margin);
    if (!verdict) return;
    if (verdict.seek) this.catchUp(now, APPEND_MS);
    else if (Math.abs(this.video.playbackRate - verdict.rate) > RATE_STEP) this.video.playbackRate = verdict.rate;
  }

  /** Audio is about to be appended; its own edge, seconds, is still the one before it, and so much behind that of the picture. */
  beforeAudio(now: number, edge: number, lagMs: number): void {
    if (!this.isUnderWay(now)) return;
    if (this.edge?.live === true) this.law.audioLags(lagMs);
    const margin = (edge - this.video.currentTime) * 1000;
    this.law.dip(now, margin);
    if (margin > 0 && now - this.movedAt > STOOD_MS && now - this.seekAt > APPEND_MS) this.law.stood(now);
  }

  /** A source was put into the element, which begins at the default rate. */
  attached(): void {
    this.video.playbackRate = this.video.defaultPlaybackRate = this.startingRate();
  }

  /** Leaves the element as it was. */
  detached(): void {
    this.video.defaultPlaybackRate = 1;
  }

  /** The live edge has moved. */
  edgeAt(edge: LiveEdge): void {
    this.edge = edge;
  }

  /** For this long, being behind is worth a seek: the page was blocked or hidden, or a catch-up is complete. */
  catchUp(now: number, forMs: number): void {
    this.catchUpUntil = Math.max(this.catchUpUntil, now + forMs);
  }

  /** Looks where the playhead stands, and moves it where it must not stay. */
  look(now: number, buffered: readonly Range[]): void {
    const { video } = this;
    const { currentTime } = video;
    if (currentTime !== this.time) {
      this.time = currentTime;
      this.movedAt = now;
    }
    if (this.isSeeking(now)) {
      this.movedAt = now;
      return;
    }
    const { edge } = this;
    this.appendedAt ??= edge && now;
    // A catch-up that is quick is best seen from its end; of one that is slow, the first picture is better than none.
    const quick = edge?.live === false && now - (this.appendedAt ?? now) < CATCH_UP_MS;
    if (quick && !this.started) return;
    const decision = decide({
      now,
      currentTime,
      standingSince: video.paused || video.ended ? now : this.movedAt,
      soughtAt: this.seekAt,
      buffered,
      edge: edge?.time,
      landing: this.target + (edge?.frameMs ?? 0),
      preroll: Math.min(MOST_PREROLL_MS, (edge?.depth ?? 0) * DECODE_MS),
      live: edge?.live ?? false,
      catchUp: now <= this.catchUpUntil && now - this.seekAt > CATCH_UP_SPACING_MS,
    });
    if (decision.kind === 'stay') return;
    this.seekAt = now;
    this.movedAt = now;
    this.law.jumped();
    video.playbackRate = this.startingRate();
    video.currentTime = decision.to;
    this.events.seeked(decision.why);
  }

  /** Called at a steady pace: counts the time that is watched, and that the clock stands for want of media. */
  meter(now: number): void {
    const { edge, video } = this;
    const isDue = this.started && edge !== undefined && !video.paused;
    const stands = isDue && stalled(edge.time, video.currentTime, now - this.movedAt);
    this.countLosses(now);
    this.stalls.tick(now, isDue, stands ? this.movedAt : undefined);
  }

  /** What decides about the rate in place of the law. */
  private get leader(): ClockAhead | undefined {
    return this.ahead?.inForce ? this.ahead : undefined;
  }

  /** To begin with, and after a jump. */
  private startingRate(): number {
    return this.leader?.begin(this.frameMs) ?? 1;
  }

  private get frameMs(): number {
    return this.edge?.frameMs ?? FRAME_MS;
  }

  private countLosses(now: number): void {
    if (!this.ahead || !this.started || now - this.counted < COUNT_EVERY_MS) return;
    this.counted = now;
    const { totalVideoFrames, droppedVideoFrames } = this.video.getVideoPlaybackQuality();
    this.ahead.count(now, totalVideoFrames, droppedVideoFrames);
  }

  /** Between two appends the clock should have gone as far as its rate says. */
  private watchClock(now: number): void {
    const { currentTime, playbackRate } = this.video;
    const { clock } = this;
    this.clock = { at: now, currentTime, playbackRate };
    if (!clock || now - clock.at > APPEND_MS || now - this.seekAt < APPEND_MS) return;
    const went = (currentTime - clock.currentTime) * 1000;
    if ((now - clock.at) * clock.playbackRate - went <= HELD_MS) return;
    (this.leader ?? this.law).held(now);
  }

  private isUnderWay(now: number): boolean {
    return this.started && !this.video.paused && !this.isSeeking(now);
  }

  private isSeeking(now: number): boolean {
    return this.video.seeking && now - this.seekAt < SEEK_MS;
  }
}
