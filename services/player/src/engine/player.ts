// The engine: plays one camera in one video element until it is told to stop, whatever happens in between.
//
// It owns what lasts longer than a sitting: the lease on the connection, the one timer, the page's visibility, the counts,
// the report of quality. It knows no DOM beyond the video element. Whenever something has to be another way than a sitting
// can be (with audio, after a decoder error), it takes a new one. close() is idempotent and leaves no timer, listener, subscription or viewer behind.
import { WorkerClock } from './clock';
import { Emitter } from './emitter';
import { PlayerError } from './errors';
import { FrameWatch } from './frames';
import { acquire, type Lease } from './pool';
import { makeStage, rendererFor } from './renderer';
import { Sitting } from './sitting';
import type { Renderer } from './stage';
import { stateOf, type PlayerState } from './state';
import { noTotals, since, snapshot, type PlayerStats, type Totals } from './stats';
import { newTrace } from './trace';
import { randomName, type TrackName } from './viewing';
import { qualityReport, type Described, type Target, type Wanted } from './wire';

export interface PlayerOptions {
  /** WebSocket URL of the broker; may hold a login. */
  readonly broker: string;
  /** First level of the topics; "video" unless the service was told otherwise. */
  readonly topicPrefix?: string;
  /** What to play: a name, or an allowlisted URL. */
  readonly target: Target;
  readonly profile?: string | undefined;
  readonly token?: string | undefined;
  /** True: video alone, which starts sooner, stays nearer to the live edge, and is all that autoplay allows. */
  readonly muted?: boolean;
  /** How the picture gets on screen where there is a choice; default: mse. What it came to is in the stats. */
  readonly renderer?: Renderer;
}

export interface PlayerEvents {
  state: PlayerState;
  /** Once for each refusal or failure, in the words of PlayerError. */
  error: PlayerError;
  /** About once a second while it plays. */
  stats: PlayerStats;
  /** The first frame from the current stage is on screen; milliseconds since play(), or since the swap. */
  firstframe: number;
  stall: undefined;
  generation: number;
  /** The video element is about to lose its picture, to a new stage; draw it now to keep it. */
  swap: undefined;
  /** Muted or not, by the user or because autoplay asked for it. */
  muted: boolean;
}

const TICK_MS = 100;
const STATS_MS = 1000;
const QOE_MS = 10_000;
/** Decoders that fail more often than this in a minute are not going to succeed. */
const MOST_DECODER_ERRORS = 3;

export class Player {
  readonly events = new Emitter<PlayerEvents>();
  readonly session = randomName();
  private lease: Lease | undefined;
  private sitting: Sitting | undefined;
  private current: PlayerState = 'idle';
  private lastError: PlayerError | undefined;
  private connectionError: PlayerError | undefined;
  private readonly clock = new WorkerClock();
  private readonly frames: FrameWatch;
  private readonly totals = noTotals();
  /** What the last report of quality covered. */
  private reported = noTotals();
  private reportedFirstFrame = false;
  private readonly brokenAt: number[] = [];
  private startedAt = 0;
  private firstFrameMs: number | undefined;
  private firstMediaMs: number | undefined;
  /** Of this play; it ends with the first frame. */
  private traceparent: string | undefined;
  private seatedAt = 0;
  private frameIsUp = false;
  /** A frame was up since play(), from whatever stage. */
  private hadFrame = false;
  private wasUp = false;
  private timer: ReturnType<typeof setInterval> | undefined;
  private statsAt = 0;
  private qoeAt = 0;
  private isMuted: boolean;
  /** Audio was promised and did not come; not asked for again before the next generation. */
  private audioIsSilent = false;
  /** The renderer that was wanted failed with this camera. */
  private usesFallback = false;
  private cleanup: (() => void)[] = [];

  constructor(
    readonly video: HTMLVideoElement,
    readonly options: PlayerOptions,
  ) {
    this.frames = new FrameWatch(video, this.clock);
    this.isMuted = options.muted ?? false;
    video.muted = this.isMuted;
    video.playsInline = true;
  }

  get state(): PlayerState {
    return this.current;
  }

  /** Why it waits or failed. */
  get error(): PlayerError | undefined {
    return this.lastError;
  }

  get muted(): boolean {
    return this.isMuted;
  }

  set muted(muted: boolean) {
    if (muted === this.isMuted) return;
    this.isMuted = muted;
    this.video.muted = muted;
    this.events.emit('muted', muted);
    this.audioIsSilent = false;
    const { sitting } = this;
    if (!sitting) return;
    // Video alone starts sooner and stays nearer to the live edge, so muting is a change of tracks as well.
    if (sitting.described?.audio && sitting.tracks.includes('audio') === muted) this.seat();
  }

  get stats(): PlayerStats {
    return snapshot({
      player: this,
      sitting: this.sitting,
      totals: this.total(),
      latencyMs: this.frames.latency,
      firstFrameMs: this.firstFrameMs,
    });
  }

  /** Begins; does nothing while it is at it, begins anew after a failure. */
  play(): void {
    if (this.sitting && this.current !== 'failed') return;
    this.stop();
    if (!rendererFor(this.options.renderer, this.isMuted ? ['video'] : ['video', 'audio'])) {
      this.lastError = new PlayerError('no_media_source');
      this.enter('failed');
      return;
    }
    this.startedAt = performance.now();
    this.firstFrameMs = undefined;
    this.firstMediaMs = undefined;
    this.traceparent = newTrace();
    this.reportedFirstFrame = false;
    this.hadFrame = false;
    this.usesFallback = false;
    this.qoeAt = this.startedAt;
    const lease = acquire(this.options.broker);
    this.lease = lease;
    const { events } = lease.connection;
    this.wasUp = lease.connection.up;
    this.cleanup = [
      events.on('up', () => this.onUp()),
      events.on('down', (error) => this.onDown(error)),
      events.on('refused', ({ topics, error }) => this.sitting?.unsubscribed(topics, error)),
      listen(document, 'visibilitychange', () => this.onVisible()),
      listen(this.video, 'play', () => this.sitting?.stage.catchUp(performance.now(), 1000)),
      listen(this.video, 'error', () => this.onBroken(this.video.error)),
    ];
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.seat();
  }

  /** Ends; unsubscribes first, then tells the service. Idempotent. */
  stop(): void {
    if (!this.lease) return;
    clearInterval(this.timer);
    this.report();
    this.frames.end();
    for (const undo of this.cleanup) undo();
    this.cleanup = [];
    this.absorb();
    this.sitting?.close();
    this.sitting = undefined;
    this.lease.release();
    this.lease = undefined;
    this.lastError = undefined;
    this.connectionError = undefined;
    this.video.removeAttribute('src');
    this.video.load();
    this.enter('idle');
  }

  /** Ends for good. Idempotent. */
  close(): void {
    this.stop();
    this.events.clear();
  }

  private get prefix(): string {
    return this.options.topicPrefix ?? 'video';
  }

  /** Takes a new stage, with audio if it is wanted. */
  private seat(): void {
    if (!this.lease) return;
    const known = this.sitting?.described;
    const audio = !this.isMuted && !this.audioIsSilent && (known === undefined || known.audio !== undefined);
    const tracks: readonly TrackName[] = audio ? ['video', 'audio'] : ['video'];
    const renderer = rendererFor(this.usesFallback ? 'mse' : this.options.renderer, tracks);
    if (!renderer) {
      this.sitting?.refused(new PlayerError('no_media_source'));
      return;
    }
    if (this.sitting) {
      this.events.emit('swap', undefined);
      this.absorb();
      this.sitting.close();
      this.sitting = undefined;
    }
    this.seatedAt = performance.now();
    this.frameIsUp = false;
    const { video } = this;
    const { target, profile, token } = this.options;
    const traceparent = (): string | undefined => (this.hadFrame ? undefined : this.traceparent);
    const wanted: Wanted = { target, profile, token, session: this.session, traceparent };
    const sitting = new Sitting(
      {
        connection: this.lease.connection,
        prefix: this.prefix,
        wanted,
        video,
        tracks,
        makeStage: (timeline, events) => makeStage(renderer, { video, tracks, timeline, events }),
        clock: this.clock,
        described: known,
      },
      {
        changed: () => this.update(),
        stalled: () => this.events.emit('stall', undefined),
        generation: (generation, first) => this.onGeneration(generation, first),
        blocked: () => this.onBlocked(),
        tracksChanged: (media) => this.onTracksChanged(media),
        audioLost: () => {
          this.audioIsSilent = true;
          this.seat();
        },
        broken: (error) => this.onBroken(error),
        unfit: () => this.fallBack(),
      },
    );
    this.sitting = sitting;
    this.frames.begin(sitting.timeline.captures, () => this.onFirstFrame(sitting));
    this.update();
  }

  private onUp(): void {
    if (this.wasUp) this.totals.reconnects += 1;
    this.wasUp = true;
    this.connectionError = undefined;
    this.clock.forget();
    this.sitting?.connected();
    this.update();
  }

  private onDown(error: PlayerError): void {
    this.connectionError = error;
    this.sitting?.disconnected();
    this.update();
  }

  private onVisible(): void {
    if (document.visibilityState !== 'visible') return;
    this.sitting?.stage.catchUp(performance.now(), 1500);
    // Browsers pause silent pictures that nobody sees.
    if (this.sitting && this.video.paused) void this.video.play().catch(() => undefined);
  }

  private onBlocked(): void {
    this.muted = true;
    if (this.sitting?.tracks.includes('audio')) this.seat();
    else void this.video.play().catch(() => undefined);
  }

  private onGeneration(generation: number, first: boolean): void {
    const wantsAudio = !this.isMuted && !this.sitting?.tracks.includes('audio');
    if (wantsAudio && !first) {
      this.audioIsSilent = false;
      this.sitting?.inquire();
    }
    this.events.emit('generation', generation);
  }

  private onTracksChanged(media: Described): void {
    const has = this.sitting?.tracks.includes('audio') ?? false;
    if (has && !media.audio) this.seat();
    else if (!has && media.audio && !this.isMuted && !this.audioIsSilent) this.seat();
  }

  private onBroken(error: unknown): void {
    if (!this.sitting) return;
    const now = performance.now();
    this.totals.decoderErrors += 1;
    this.brokenAt.push(now);
    const recent = this.brokenAt.filter((at) => now - at < 60_000).length;
    if (recent <= MOST_DECODER_ERRORS) {
      this.seat();
      return;
    }
    if (this.sitting.stage.renderer !== 'mse') {
      this.brokenAt.length = 0;
      this.fallBack();
      return;
    }
    const detail = error instanceof Error || error instanceof MediaError ? error.message : '';
    this.sitting.refused(new PlayerError('cannot_decode', detail));
  }

  private fallBack(): void {
    this.usesFallback = true;
    this.seat();
  }

  private onFirstFrame(sitting: Sitting): void {
    this.frameIsUp = true;
    this.hadFrame = true;
    if (this.firstFrameMs === undefined) {
      this.firstFrameMs = performance.now() - this.startedAt;
      this.firstMediaMs = sitting.firstMediaAt && sitting.firstMediaAt - this.startedAt;
    }
    sitting.stage.begin();
    this.events.emit('firstframe', performance.now() - this.seatedAt);
    this.update();
  }

  private tick(): void {
    const now = performance.now();
    this.sitting?.tick(now);
    this.measureWay(now);
    if (now - this.statsAt >= STATS_MS) {
      this.statsAt = now;
      this.events.emit('stats', this.stats);
    }
    if (now - this.qoeAt >= QOE_MS) {
      this.qoeAt = now;
      this.report();
    }
    this.update();
  }

  private measureWay(now: number): void {
    const { connection } = this.lease ?? {};
    connection?.tick(now);
    const roundTrip = connection?.roundTrip.value;
    if (roundTrip !== undefined) this.clock.brokerAnswersIn(roundTrip);
  }

  /** Tells how well it has played since the last time. */
  private report(): void {
    const { source, profile } = this.sitting?.described ?? {};
    if (source === undefined) return;
    const { latencies } = this.frames;
    const p50 = latencies.at(0.5);
    const p95 = latencies.at(0.95);
    latencies.clear();
    const latencyMs = p50 !== undefined && p95 !== undefined ? { p50, p95 } : undefined;
    const firstFrameMs = this.reportedFirstFrame ? undefined : this.firstFrameMs;
    this.reportedFirstFrame ||= firstFrameMs !== undefined;
    const totals = { ...this.total() };
    const started = firstFrameMs !== undefined;
    const report = {
      session: this.session,
      source,
      profile,
      firstFrameMs,
      firstMediaMs: started ? this.firstMediaMs : undefined,
      sincePlayMs: started ? performance.now() - this.startedAt : undefined,
      latencyMs,
      ...since(totals, this.reported),
    };
    this.reported = totals;
    const traceparent = started ? this.traceparent : undefined;
    this.lease?.connection.mention(`${this.prefix}/qoe`, qualityReport(report), { traceparent });
  }

  /** What the state is now, and whether anyone must hear of it. */
  private update(): void {
    const { sitting } = this;
    if (!sitting) return;
    const { phase } = sitting.supervisor;
    const ended = phase.kind === 'failed' || phase.kind === 'waiting';
    const error = ended ? phase.error : this.connectionError;
    const isNew = error !== this.lastError;
    this.lastError = error;
    this.enter(
      stateOf({
        phase,
        frameIsUp: this.frameIsUp,
        sinceSwapMs: this.hadFrame ? performance.now() - this.seatedAt : undefined,
        stalledMs: sitting.stage.stalledMs,
      }),
    );
    if (error && isNew) this.events.emit('error', error);
  }

  private enter(state: PlayerState): void {
    if (state === this.current) return;
    this.current = state;
    this.events.emit('state', state);
  }

  private total(): Totals {
    const { totals, sitting } = this;
    if (!sitting) return totals;
    const { stage, intake } = sitting;
    const { counts, frames } = stage;
    return {
      ...totals,
      watchedMs: totals.watchedMs + counts.watchedMs,
      stalls: totals.stalls + counts.stalls,
      rebufferMs: totals.rebufferMs + counts.rebufferMs,
      gaps: totals.gaps + intake.counts.gaps,
      lostMessages: totals.lostMessages + intake.counts.lostMessages,
      decodedFrames: totals.decodedFrames + frames.decoded,
      droppedFrames: totals.droppedFrames + frames.dropped,
    };
  }

  /** Keeps the counts of a sitting that ends. */
  private absorb(): void {
    Object.assign(this.totals, this.total());
  }
}

function listen(target: EventTarget, type: string, listener: () => void): () => void {
  target.addEventListener(type, listener);
  return () => target.removeEventListener(type, listener);
}
