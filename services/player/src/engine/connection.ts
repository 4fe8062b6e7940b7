// One MQTT 5 connection to one broker, shared by everything on the page that speaks to it: a wall of tiles is one client.
//
// It owns the only retry of the connection, and re-subscribes what is routed before anyone hears 'up', so that a player
// that asks for media on 'up' is subscribed to it already (the broker handles a client's packets in their order). Every try
// is a new client with a new session: what was queued for the old one is stale. It knows topics, not what they mean.
import mqtt, { type IPublishPacket, type MqttClient } from 'mqtt';
import { Backoff } from './backoff';
import { Emitter } from './emitter';
import { PlayerError } from './errors';
import { Patience } from './patience';
import { RoundTrip } from './round-trip';

export type QoS = 0 | 1;

export interface Incoming {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly correlation: Uint8Array | undefined;
}

export interface Route {
  readonly topic: string;
  readonly qos: QoS;
  readonly receive: (message: Incoming) => void;
}

export interface ConnectionEvents {
  up: undefined;
  /** The connection is gone, or could not be made; it is tried again. */
  down: PlayerError;
  /** The broker refused a subscription. */
  refused: { readonly topics: readonly string[]; readonly error: PlayerError };
}

export interface Published {
  /** False: the broker said that nobody listens (MQTT 5 reason 0x10). */
  readonly heard: boolean;
}

/** What goes along with a message. */
export interface Extras {
  readonly correlation?: Uint8Array;
  /** W3C Trace Context, as a User Property. */
  readonly traceparent?: string | undefined;
}

const NO_MATCHING_SUBSCRIBERS = 0x10;
/** A broker on a working connection acknowledges within this, however slow the link. */
const ACK_TIMEOUT_MS = 5000;
/** A reset asked for more often than this is not going to help; the backoff decides. */
const RESET_SPACING_MS = 10_000;

export class Connection {
  readonly events = new Emitter<ConnectionEvents>();
  readonly roundTrip = new RoundTrip();
  private client: MqttClient | undefined;
  private readonly routes = new Map<string, Set<Route>>();
  private readonly backoff = new Backoff({ min: 500, max: 1000 });
  private readonly patience = new Patience();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isUp = false;
  private closed = false;
  private resetAt = -Infinity;
  /** Message ids whose acknowledgement said that nobody listens; mqtt.js does not hand that on to the publisher. */
  private readonly unheard = new Set<number>();
  private readonly online = (): void => {
    if (!this.isUp && this.timer !== undefined) this.connect();
  };

  /** @throws when the browser does not take the address */
  constructor(private readonly url: string) {
    this.connect();
    addEventListener('online', this.online);
  }

  get up(): boolean {
    return this.isUp;
  }

  /** Routes topics until the returned function is called. One SUBSCRIBE for all that nobody had routed yet. */
  subscribe(routes: readonly Route[]): () => void {
    const fresh: Route[] = [];
    for (const route of routes) {
      const set = this.routes.get(route.topic);
      if (set) set.add(route);
      else {
        this.routes.set(route.topic, new Set([route]));
        fresh.push(route);
      }
    }
    if (this.isUp) this.sendSubscribe(fresh);
    return () => this.unsubscribe(routes);
  }

  /** Publishes with QoS 1; resolves at the acknowledgement, rejects when the connection goes before. */
  publish(topic: string, payload: string, { correlation, traceparent }: Extras = {}): Promise<Published> {
    const { client } = this;
    if (!client || !this.isUp) return Promise.reject(new PlayerError('broker_unreachable'));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new PlayerError('broker_unreachable', 'the broker does not acknowledge'));
        if (client === this.client) this.reset();
      }, ACK_TIMEOUT_MS);
      const properties = {
        contentType: 'application/json',
        ...(correlation && { correlationData: correlation as Buffer }),
        ...(traceparent !== undefined && { userProperties: { traceparent } }),
      };
      client.publish(topic, payload, { qos: 1, properties }, (error, packet) => {
        clearTimeout(timer);
        if (error) reject(new PlayerError('broker_unreachable', error.message));
        else resolve({ heard: !this.unheard.delete((packet as { messageId?: number } | undefined)?.messageId ?? 0) });
      });
      this.flush();
    });
  }

  /** Publishes with QoS 0, as far as the connection takes it. */
  mention(topic: string, payload: string, { traceparent }: Extras = {}): void {
    if (!this.isUp) return;
    const properties = {
      contentType: 'application/json',
      ...(traceparent !== undefined && { userProperties: { traceparent } }),
    };
    this.client?.publish(topic, payload, { qos: 0, properties });
    this.flush();
  }

  /** Called at a steady pace, by whoever wants to know the round trip. */
  tick(now: number): void {
    if (!this.isUp || !this.roundTrip.isDue(now)) return;
    this.client?.sendPing();
    this.flush();
  }

  /**
   * Hands what was sent to the browser now. mqtt.js collects packets until its next turn, which costs milliseconds, and on
   * a page that is being closed never comes.
   */
  private flush(): void {
    const stream = this.client?.stream;
    while (stream && stream.writableCorked > 0) stream.uncork();
  }

  /** Drops the connection with all that is under way on it, and makes a new one. */
  reset(): void {
    if (this.closed) return;
    const now = performance.now();
    const soon = now - this.resetAt < RESET_SPACING_MS;
    this.resetAt = now;
    this.lose(new PlayerError('broker_unreachable', 'the connection fell behind'), soon ? this.backoff.next() : 0);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    removeEventListener('online', this.online);
    clearTimeout(this.timer);
    this.events.clear();
    this.routes.clear();
    this.isUp = false;
    // A DISCONNECT after what was published already, without waiting for acknowledgements.
    this.client?.end(false, { reasonCode: 0 });
    this.client = undefined;
  }

  private connect(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { url, username, password } = credentials(this.url);
    const { limit } = this.patience;
    const began = performance.now();
    let connected = false;
    const client = mqtt.connect(url, {
      protocolVersion: 5,
      clientId: `mqtt-video-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`,
      clean: true,
      keepalive: 50,
      connectTimeout: limit,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      // The default is a worker from a blob: URL, which a strict Content-Security-Policy forbids.
      timerVariant: 'native',
      // A buffer made ahead for each of 65,536 message ids, between the opening of the socket and the first packet.
      writeCache: false,
      ...(username && { username }),
      ...(password && { password }),
    });
    this.client = client;
    this.unheard.clear();
    this.roundTrip.reset();
    // The client asks by itself, too, on a connection that is quiet.
    client.on('packetsend', (packet) => {
      if (packet.cmd === 'pingreq' && client === this.client) this.roundTrip.sent(performance.now());
    });
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'pingresp' && client === this.client) this.roundTrip.answered(performance.now());
      if (packet.cmd === 'puback' && packet.reasonCode === NO_MATCHING_SUBSCRIBERS) {
        this.unheard.add(packet.messageId ?? 0);
      }
    });
    let failure: PlayerError | undefined;
    client.on('connect', () => {
      if (client !== this.client) return;
      this.isUp = connected = true;
      this.patience.connected(performance.now() - began);
      this.backoff.reset();
      this.sendSubscribe([...this.routes.values()].flatMap((set) => [...set].slice(0, 1)));
      this.events.emit('up', undefined);
    });
    client.on('message', (topic, payload, packet) => {
      if (client === this.client) this.deliver(topic, payload, packet);
    });
    client.on('error', (error) => {
      const code = (error as { code?: unknown }).code;
      const refused = typeof code === 'number' && code >= 0x80;
      failure = new PlayerError(refused ? 'broker_refused' : 'broker_unreachable', error.message);
    });
    client.on('close', () => {
      if (!connected && performance.now() - began >= limit) this.patience.ranOut();
      if (client === this.client) this.lose(failure ?? new PlayerError('broker_unreachable'), this.backoff.next());
    });
  }

  private lose(error: PlayerError, delay: number): void {
    const { client } = this;
    this.client = undefined;
    this.isUp = false;
    client?.end(true);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), delay);
    this.events.emit('down', error);
  }

  private deliver(topic: string, payload: Uint8Array, packet: IPublishPacket): void {
    const correlation = packet.properties?.correlationData;
    for (const route of [...(this.routes.get(topic) ?? [])]) {
      try {
        route.receive({ topic, payload, correlation });
      } catch (error) {
        // mqtt.js would never finish with what it is reading, and nothing more would arrive, for anybody on the page.
        reportError(error);
      }
    }
  }

  private sendSubscribe(routes: readonly Route[]): void {
    if (routes.length === 0) return;
    const topics = routes.map((route) => route.topic);
    this.client?.subscribe(Object.fromEntries(routes.map(({ topic, qos }) => [topic, { qos }])), (error) => {
      // Without a SUBACK the connection went away before the answer, and the next one subscribes anew.
      const granted = (error as { packet?: { granted?: unknown[] } } | null)?.packet?.granted;
      if (!error || !granted) return;
      const refused = topics.filter((_, index) => Number(granted[index]) >= 0x80);
      this.events.emit('refused', { topics: refused, error: new PlayerError('broker_refused', error.message) });
    });
  }

  private unsubscribe(routes: readonly Route[]): void {
    const gone: string[] = [];
    for (const route of routes) {
      const set = this.routes.get(route.topic);
      if (set?.delete(route) && set.size === 0) {
        this.routes.delete(route.topic);
        gone.push(route.topic);
      }
    }
    if (!this.isUp || gone.length === 0) return;
    this.client?.unsubscribe(gone);
    this.flush();
  }
}

/** WebSocket URLs must not hold a login; MQTT has a place of its own for it. */
function credentials(broker: string): { url: string; username: string; password: string } {
  const url = new URL(broker);
  const username = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  url.username = url.password = '';
  return { url: url.href, username, password };
}
