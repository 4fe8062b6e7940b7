// One stage from its making to its end, and the viewer that feeds it: viewing → intake → stage, with the supervisor that
// decides what to ask.
//
// Its set of tracks is fixed, and so is how they are shown. It outlives connections and generations, so that the picture
// stays; what it does not outlive (another set of tracks, a decoder that gave up) is reported, and the player seats a new
// one. It owns no timer: tick() is called several times a second.
import type { WorkerClock } from './clock';
import type { Connection, Incoming } from './connection';
import { PlayerError } from './errors';
import { Freshness } from './freshness';
import { Intake } from './intake';
import { BitrateMeter } from './meters';
import type { MediaFragment } from './mp4';
import type { Origin, Step } from './splice';
import type { Stage, StageEvents } from './stage';
import { Supervisor, type Ask } from './supervisor';
import { Timeline } from './timeline';
import { Viewing, type TrackName } from './viewing';
import type { Described, Status, Tick, Wanted } from './wire';

export interface SittingEvents extends Omit<StageEvents, 'unfit'> {
  /** Something that shows: phase, job, media. */
  changed(): void;
  generation(generation: number, first: boolean): void;
  /** Autoplay with sound was refused. */
  blocked(): void;
  /** Another set of tracks is called for. */
  tracksChanged(media: Described): void;
  /** Audio was promised and does not come; it holds the picture. */
  audioLost(): void;
  /** Another renderer is called for: this one does not take such media. */
  unfit(): void;
}

export interface SittingPlan {
  readonly connection: Connection;
  readonly prefix: string;
  readonly wanted: Wanted;
  readonly video: HTMLVideoElement;
  readonly tracks: readonly TrackName[];
  readonly makeStage: (timeline: Timeline, events: StageEvents) => Stage;
  readonly clock: WorkerClock;
  /** What the stream is made of, when the sitting before this one has asked. */
  readonly described: Described | undefined;
}

export interface Picture {
  readonly codec: string | undefined;
  readonly audioCodec: string | undefined;
  readonly width: number | undefined;
  readonly height: number | undefined;
}

const AUDIO_LOST_MS = 2000;

export class Sitting {
  readonly supervisor: Supervisor;
  readonly timeline: Timeline;
  readonly bitrate = new BitrateMeter();
  readonly stage: Stage;
  readonly intake: Intake;
  described: Described | undefined;
  lastTick: Tick | undefined;
  status: Status | undefined;
  generation: number | undefined;
  /** When the first media came. */
  firstMediaAt: number | undefined;
  picture: Picture = { codec: undefined, audioCodec: undefined, width: undefined, height: undefined };
  private readonly viewing: Viewing;
  private readonly freshness = new Freshness();
  private wasFlowing = false;
  private connectionIsNew = true;
  private lastAudio: number | undefined;
  /** Generation whose place on the timeline is known. */
  private placed: number | undefined;
  private closed = false;

  constructor(
    private readonly plan: SittingPlan,
    private readonly events: SittingEvents,
  ) {
    const { connection, prefix, wanted, video, tracks, described } = plan;
    this.supervisor = new Supervisor(described !== undefined);
    this.intake = new Intake(tracks);
    this.timeline = new Timeline(tracks);
    this.viewing = new Viewing(connection, prefix, wanted, tracks, {
      described: (media) => this.onDescribed(media),
      refused: (error) => this.refused(error),
      status: (status) => this.onStatus(status),
      tick: (tick) => this.onTick(tick),
      media: (origin, track, message) => this.onMedia(origin, track, message),
    });
    // The browser opens what it plays from while the question is on its way.
    this.stage = plan.makeStage(this.timeline, {
      stalled: () => events.stalled(),
      broken: (error) => events.broken(error),
      unfit: (detail) => this.onUnfit(detail),
    });
    if (described) this.prepare(described);
    if (connection.up) this.connected();
    void video.play().catch((error: unknown) => {
      if (!this.closed && error instanceof DOMException && error.name === 'NotAllowedError') events.blocked();
    });
  }

  get tracks(): readonly TrackName[] {
    return this.plan.tracks;
  }

  connected(): void {
    this.connectionIsNew = true;
    this.freshness.reset();
    this.ask(this.supervisor.connected(performance.now()));
  }

  disconnected(): void {
    this.supervisor.disconnected();
    this.events.changed();
  }

  refused(error: PlayerError): void {
    this.supervisor.refused(error, performance.now());
    this.events.changed();
  }

  /** The broker does not let us subscribe to these. */
  unsubscribed(topics: readonly string[], error: PlayerError): void {
    if (topics.some((topic) => this.viewing.listensTo(topic))) this.refused(error);
  }

  /** Asks again what the stream is made of, while it plays. */
  inquire(): void {
    if (this.plan.connection.up) this.send(this.viewing.describe());
  }

  tick(now: number): void {
    this.ask(this.supervisor.due(now));
    this.stage.tick(now);
    const audioIsLate = this.lastAudio !== undefined && now - this.lastAudio > AUDIO_LOST_MS;
    const { phase } = this.supervisor;
    if (audioIsLate && phase.kind === 'playing' && now - phase.media < 500) {
      this.lastAudio = undefined;
      this.events.audioLost();
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.viewing.close();
    this.stage.close();
  }

  private ask(ask: Ask | undefined): void {
    if (ask === 'describe') this.send(this.viewing.describe());
    else if (ask === 'play' && this.described) {
      this.intake.restart(this.connectionIsNew);
      this.connectionIsNew = false;
      this.wasFlowing = false;
      this.send(this.viewing.play(this.described));
    }
    if (ask) this.events.changed();
  }

  private send(request: ReturnType<Viewing['describe']>): void {
    request.then(
      ({ heard }) => {
        if (!heard && !this.closed) this.refused(new PlayerError('no_service'));
      },
      () => {
        // The connection went, and comes back with 'up'.
      },
    );
  }

  private onDescribed(media: Described): void {
    const before = this.described;
    this.described = media;
    if (this.tracks.includes('audio') !== (media.audio !== undefined)) {
      this.events.tracksChanged(media);
      if (this.closed) return;
    }
    if (!before) this.prepare(media);
    if (this.closed) return;
    this.ask(this.supervisor.answered(performance.now()));
    this.events.changed();
  }

  /** Declares the tracks to the browser. */
  private prepare(media: Described): void {
    this.described = media;
    const mimes = new Map<TrackName, string>([['video', media.video.mimeCodec]]);
    if (media.audio && this.tracks.includes('audio')) mimes.set('audio', media.audio.mimeCodec);
    const { codec, width, height } = media.video;
    this.picture = { codec, audioCodec: media.audio?.codec, width, height };
    this.stage.prepare(mimes);
  }

  private onUnfit(detail: string): void {
    if (this.stage.renderer === 'mse') this.refused(new PlayerError('cannot_decode', detail));
    else this.events.unfit();
  }

  private onStatus(status: Status): void {
    const now = performance.now();
    this.status = status;
    if (status.time !== undefined && status.worker !== undefined) {
      this.plan.clock.follow(status.worker);
      this.plan.clock.observe(status.time, Date.now());
    }
    this.supervisor.heard(status.state, now);
    if (status.state === 'ended') this.refused(status.error ?? new PlayerError('draining', 'the stream has ended'));
    else this.events.changed();
  }

  private onTick(tick: Tick): void {
    this.lastTick = tick;
    this.plan.clock.follow(tick.worker);
    this.plan.clock.observe(tick.time, Date.now());
    if (tick.latencyMs !== undefined) this.plan.clock.workerIsAway(tick.latencyMs);
    this.supervisor.heard(tick.state, performance.now());
    this.events.changed();
  }

  private onMedia(origin: Origin, topicTrack: TrackName | undefined, message: Incoming): void {
    const now = performance.now();
    this.firstMediaAt ??= now;
    this.bitrate.add(now, message.payload.length);
    for (const { track, steps } of this.intake.push(origin, topicTrack, message)) {
      for (const step of steps) this.take(now, track, step, origin);
    }
    if (this.intake.needsInit) this.ask(this.supervisor.again(now));
    const { flowing } = this.intake;
    // Complete: what was appended is the past, and the edge is somewhere else.
    if (flowing && !this.wasFlowing) this.stage.catchUp(now, 500);
    this.wasFlowing = flowing;
  }

  private take(now: number, track: TrackName, step: Step, origin: Origin): void {
    if (step.kind === 'init') {
      const [header] = step.segment.tracks;
      if (header) this.timeline.setTimescale(track, header.timescale);
      if (track === 'video') {
        this.picture = { ...this.picture, codec: header?.codec ?? this.picture.codec, ...header?.size };
        const first = this.generation === undefined;
        this.generation = step.generation;
        // Perhaps of another worker, with another clock.
        if (!first) this.plan.clock.forget();
        this.events.generation(step.generation, first);
      }
      this.stage.appendInit(track, step.segment);
      return;
    }
    if (track === 'video') {
      if (step.generation !== this.placed) {
        this.placed = step.generation;
        // A catch-up lies before the edge by its nature.
        if (origin === 'live') this.stage.offset(this.timeline.join(step.segment));
      }
      this.supervisor.media(now);
      if (origin === 'live') this.checkAge(now, step.segment);
    } else {
      this.lastAudio = now;
    }
    this.stage.arriving(now, track, step.follows);
    this.note(track, step.segment, this.stage.adapt(track, step.segment));
    this.stage.append(now, track, step.segment);
  }

  private note(track: TrackName, segment: MediaFragment, later: number): void {
    const { timeline } = this;
    timeline.add(track, segment, later);
    const { edge, depth, frameDuration } = timeline;
    if (edge === undefined) return;
    this.stage.edgeAt({ time: edge, frameMs: frameDuration * 1000, depth, live: this.intake.flowing });
  }

  private checkAge(now: number, segment: MediaFragment): void {
    if (segment.capturedAt === undefined) return;
    const age = this.plan.clock.age(segment.capturedAt, Date.now());
    // How long the worker had it is none of the broker's doing, and no better on another connection.
    const held = this.lastTick?.heldMs ?? 0;
    if (age !== undefined && this.freshness.observe(now, age - held)) this.plan.connection.reset();
  }
}
