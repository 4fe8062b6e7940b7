// The engine: plays one camera in one video element until it is told to stop, whatever happens in between.
//
// It owns what lasts longer than a sitting: the lease on the connection, the one timer, the page's visibility. What it says
// it is doing is in standing, what it counts in tally, what the next sitting is to be in seating. Whenever something has to
// be another way than a sitting can be (with audio, after a decoder error), it takes a new one. It knows no DOM beyond the
// video element. close() is idempotent and leaves no timer, listener, subscription or viewer behind.
import { WorkerClock } from './clock';
import type { PlayerEvents, PlayerOptions } from './contract';
import { Emitter } from './emitter';
import { PlayerError } from './errors';
import { FrameWatch } from './frames';
import { acquire, type Lease } from './pool';
import { makeStage } from './renderer';
import { Seating } from './seating';
import { Sitting } from './sitting';
import { StartUp } from './start-up';
import { Standing } from './standing';
import type { PlayerState } from './state';
import { snapshot, type PlayerStats } from './stats';
import { Tally } from './tally';
import { randomName } from './viewing';
import { qualityReport, type Described, type Quality, type Wanted } from './wire';

const TICK_MS = 100;
const STATS_MS = 1000;
const QOE_MS = 10_000;

export class Player {
  readonly events = new Emitter<PlayerEvents>();
  readonly session = randomName();
  private lease: Lease | undefined;
  private sitting: Sitting | undefined;
  private readonly standing = new Standing(this.events);
  private readonly clock = new WorkerClock();
  private readonly frames: FrameWatch;
  private readonly tally = new Tally();
  private readonly seating: Seating;
  /** Of the current play, or the last one. */
  private startUp: StartUp | undefined;
  private seatedAt = 0;
  private frameIsUp = false;
  private wasUp = false;
  private timer: ReturnType<typeof setInterval> | undefined;
  private statsAt = 0;
  private qoeAt = 0;
  private isMuted: boolean;
  private cleanup: (() => void)[] = [];

  constructor(
    readonly video: HTMLVideoElement,
    readonly options: PlayerOptions,
  ) {
    this.frames = new FrameWatch(video, this.clock);
    this.seating = new Seating(options.renderer);
    this.isMuted = options.muted ?? false;
    video.muted = this.isMuted;
    video.playsInline = true;
  }

  get state(): PlayerState {
    return this.standing.state;
  }

  /** Why it waits or failed. */
  get error(): PlayerError | undefined {
    return this.standing.error;
  }

  get muted(): boolean {
    return this.isMuted;
  }

  set muted(muted: boolean) {
    if (muted === this.isMuted) return;
    this.isMuted = muted;
    this.video.muted = muted;
    this.events.emit('muted', muted);
    this.seating.audioMayCome();
    const { sitting } = this;
    if (!sitting) return;
    // Video alone starts sooner and stays nearer to the live edge, so muting is a change of tracks as well.
    if (sitting.described?.audio && sitting.tracks.includes('audio') === muted) this.seat();
  }

  get stats(): PlayerStats {
    return snapshot({
      player: this,
      sitting: this.sitting,
      totals: this.tally.total(this.sitting),
      latencyMs: this.frames.latency,
      firstFrameMs: this.startUp?.firstFrameMs,
    });
  }

  /** Begins; does nothing while it is at it, begins anew after a failure. */
  play(): void {
    if (this.sitting && this.state !== 'failed') return;
    this.stop();
    this.seating.anew();
    if (!this.seating.renderer(this.seating.tracks(this.isMuted, undefined))) {
      this.standing.rest(new PlayerError('no_media_source'));
      return;
    }
    const lease = this.connect();
    if (!lease) return;
    this.lease = lease;
    const now = performance.now();
    this.startUp = new StartUp(now);
    this.qoeAt = now;
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
    this.tally.absorb(this.sitting);
    this.sitting?.close();
    this.sitting = undefined;
    this.lease.release();
    this.lease = undefined;
    this.video.removeAttribute('src');
    this.video.load();
    this.standing.rest();
  }

  /** Ends for good. Idempotent. */
  close(): void {
    this.stop();
    this.events.clear();
  }

  private get prefix(): string {
    return this.options.topicPrefix ?? 'video';
  }

  /** Undefined, and the player rests, when the browser does not take the address. */
  private connect(): Lease | undefined {
    try {
      return acquire(this.options.broker);
    } catch (error) {
      this.standing.rest(new PlayerError('broker_address', error instanceof Error ? error.message : ''));
      return undefined;
    }
  }

  /** Takes a new stage, with audio if it is wanted. */
  private seat(): void {
    if (!this.lease) return;
    const known = this.sitting?.described;
    const tracks = this.seating.tracks(this.isMuted, known);
    const renderer = this.seating.renderer(tracks);
    if (!renderer) {
      this.sitting?.refused(new PlayerError('no_media_source'));
      return;
    }
    if (this.sitting) {
      this.events.emit('swap', undefined);
      this.tally.absorb(this.sitting);
      this.sitting.close();
      this.sitting = undefined;
    }
    this.seatedAt = performance.now();
    this.frameIsUp = false;
    const { video } = this;
    const { target, profile, token } = this.options;
    const wanted: Wanted = {
      target,
      profile,
      token,
      session: this.session,
      traceparent: () => this.startUp?.traceparent,
    };
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
          this.seating.audioLost();
          this.seat();
        },
        broken: (error) => this.onBroken(error),
        unfit: () => {
          this.seating.fallBack();
          this.seat();
        },
      },
    );
    this.sitting = sitting;
    this.frames.begin(sitting.timeline.captures, () => this.onFirstFrame(sitting));
    this.update();
  }

  private onUp(): void {
    if (this.wasUp) this.tally.reconnected();
    this.wasUp = true;
    this.standing.connectionError = undefined;
    this.clock.forget();
    this.sitting?.connected();
    this.update();
  }

  private onDown(error: PlayerError): void {
    this.standing.connectionError = error;
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
      this.seating.audioMayCome();
      this.sitting?.inquire();
    }
    this.events.emit('generation', generation);
  }

  private onTracksChanged(media: Described): void {
    if (this.seating.tracks(this.isMuted, media).length !== this.sitting?.tracks.length) this.seat();
  }

  private onBroken(error: unknown): void {
    if (!this.sitting) return;
    this.tally.decoderFailed();
    if (this.seating.broke(performance.now(), this.sitting.stage.renderer)) {
      this.seat();
      return;
    }
    const detail = error instanceof Error || error instanceof MediaError ? error.message : '';
    this.sitting.refused(new PlayerError('cannot_decode', detail));
  }

  private onFirstFrame(sitting: Sitting): void {
    const now = performance.now();
    this.frameIsUp = true;
    this.startUp?.shown(now, sitting.firstMediaAt);
    sitting.stage.begin();
    this.events.emit('firstframe', now - this.seatedAt);
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
    const { described } = this.sitting ?? {};
    if (!described) return;
    const startUp = this.startUp?.report(performance.now());
    const quality: Quality = {
      session: this.session,
      source: described.source,
      profile: described.profile,
      firstFrameMs: startUp?.firstFrameMs,
      firstMediaMs: startUp?.firstMediaMs,
      sincePlayMs: startUp?.sincePlayMs,
      latencyMs: this.frames.take(),
      ...this.tally.news(this.sitting),
    };
    const traceparent = startUp?.traceparent;
    this.lease?.connection.mention(`${this.prefix}/qoe`, qualityReport(quality), { traceparent });
  }

  private update(): void {
    const { sitting } = this;
    if (!sitting) return;
    const hadFrame = this.startUp?.firstFrameMs !== undefined;
    this.standing.update({
      phase: sitting.supervisor.phase,
      frameIsUp: this.frameIsUp,
      sinceSwapMs: hadFrame ? performance.now() - this.seatedAt : undefined,
      stalledMs: sitting.stage.stalledMs,
    });
  }
}

function listen(target: EventTarget, type: string, listener: () => void): () => void {
  target.addEventListener(type, listener);
  return () => target.removeEventListener(type, listener);
}
