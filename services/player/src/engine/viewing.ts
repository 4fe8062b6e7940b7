// One viewer as the service knows it: a reply topic, what is asked on it and what comes in on the topics around it.
//
// Mechanism only: it sends a request when it is told to and reports what it hears. When to ask again is the supervisor's,
// what to do with media is the intake's. Subscriptions always go out before the request that makes something come, and away
// before the stop.
import type { Connection, Incoming, Published, Route } from './connection';
import { PlayerError } from './errors';
import type { Origin } from './splice';
import {
  describeRequest,
  playRequest,
  readReply,
  readStatus,
  readTick,
  stopRequest,
  type Described,
  type Status,
  type Tick,
  type Wanted,
} from './wire';

export type TrackName = 'video' | 'audio';

export interface ViewingEvents {
  described(media: Described): void;
  /** A refusal on the reply topic. */
  refused(error: PlayerError): void;
  status(status: Status): void;
  tick(tick: Tick): void;
  /** `track` is undefined for a catch-up, which carries all of them. */
  media(origin: Origin, track: TrackName | undefined, message: Incoming): void;
}

export class Viewing {
  readonly replyTopic: string;
  private media: Described | undefined;
  private nonce: Uint8Array | undefined;
  private readonly unsubscribes: (() => void)[] = [];
  private live: (() => void) | undefined;
  private played = false;
  private closed = false;

  constructor(
    private readonly connection: Connection,
    private readonly prefix: string,
    private readonly wanted: Wanted,
    readonly tracks: readonly TrackName[],
    private readonly events: ViewingEvents,
  ) {
    this.replyTopic = `${prefix}/reply/${randomName()}`;
    this.unsubscribes.push(
      connection.subscribe([
        { topic: this.replyTopic, qos: 1, receive: (message) => this.reply(message) },
        { topic: `${this.replyTopic}/status`, qos: 1, receive: (message) => this.status(message) },
      ]),
    );
  }

  /** Asks what the stream is made of; the answer comes as `described` or `refused`. */
  describe(): Promise<Published> {
    // Tells the answer from a late one to an earlier question; its length, from media.
    this.nonce = crypto.getRandomValues(new Uint8Array(8));
    return this.connection.publish(`${this.prefix}/describe`, describeRequest(this.wanted, this.replyTopic), {
      correlation: this.nonce,
      traceparent: this.wanted.traceparent(),
    });
  }

  /** Asks for media, once it is known what it is made of; again, for another catch-up. */
  play(media: Described): Promise<Published> {
    this.listen(media);
    this.played = true;
    return this.connection.publish(`${this.prefix}/play`, playRequest(this.wanted, this.replyTopic, this.tracks), {
      traceparent: this.wanted.traceparent(),
    });
  }

  listensTo(topic: string): boolean {
    const roots = [this.replyTopic, this.media?.liveTopic];
    return roots.some((root) => root !== undefined && (topic === root || topic.startsWith(`${root}/`)));
  }

  /** Leaves: unsubscribes first, so that nothing that is still under way arrives, then tells the service. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.live?.();
    for (const unsubscribe of this.unsubscribes) unsubscribe();
    if (this.played || this.nonce) this.connection.mention(`${this.prefix}/stop`, stopRequest(this.replyTopic));
  }

  private listen(media: Described): void {
    if (this.live && this.media?.liveTopic === media.liveTopic) return;
    this.media = media;
    const topic = media.liveTopic;
    const routes: Route[] = this.tracks.map((track) => ({
      topic: `${topic}/${track}`,
      qos: 0,
      receive: (message) => this.events.media('live', track, message),
    }));
    routes.push({ topic: `${topic}/tick`, qos: 1, receive: (message) => this.tick(message) });
    const before = this.live;
    this.live = this.connection.subscribe(routes);
    before?.();
  }

  private reply(message: Incoming): void {
    const length = message.correlation?.length;
    if (length === 12 || length === 16) {
      this.events.media('catch-up', undefined, message);
      return;
    }
    const reply = readReply(message.payload);
    if (!reply) return;
    if (reply instanceof PlayerError) this.events.refused(reply);
    else if (!message.correlation || same(message.correlation, this.nonce)) this.events.described(reply);
  }

  private status(message: Incoming): void {
    const status = readStatus(message.payload);
    if (status) this.events.status(status);
  }

  private tick(message: Incoming): void {
    const tick = readTick(message.payload);
    if (tick) this.events.tick(tick);
  }
}

export function randomName(): string {
  return [...crypto.getRandomValues(new Uint8Array(9))].map((byte) => byte.toString(36).padStart(2, '0')).join('');
}

function same(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return a.length === b?.length && a.every((byte, index) => byte === b[index]);
}
