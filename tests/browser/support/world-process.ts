// Broker, cameras, gatekeeper and transcoders as one child process: the `world` binary of the end-to-end crate, whose header
// is the protocol.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

export interface Camera {
  readonly name: string;
  readonly kind?: 'aac' | 'silent' | 'g711' | 'h265' | 'bframes' | 'gop4' | 'slices';
  readonly size?: string;
  readonly fps?: number;
  readonly bitrate?: number;
  readonly gop?: number;
  /** One frame in so many is lost. */
  readonly loss?: number;
  /** Without the stamp in the picture. */
  readonly plain?: boolean;
  readonly running?: boolean;
}

export interface Description {
  readonly cameras: readonly Camera[];
  /** The gatekeeper's file of sources, in place of one that names the cameras; `{NAME}` is a camera's URL. */
  readonly sources?: string;
  /** Further arguments of each transcoder. */
  readonly transcoders?: readonly (readonly string[])[];
  readonly gatekeeper?: readonly string[];
  /** Environment variables of the transcoders. */
  readonly transcoder_environment?: Readonly<Record<string, string>>;
}

export interface Started {
  readonly page: string;
  readonly ws: string;
  readonly ws_direct: string;
  readonly mqtt: string;
  readonly metrics: Readonly<Record<string, string>>;
  readonly rtsp: Readonly<Record<string, string>>;
  readonly pids: Readonly<Record<string, number>>;
  readonly error?: string;
}

/** What the world's `stat` tells. */
export interface Stat {
  /** How many run, by transcoder. */
  readonly ffmpeg: Readonly<Record<string, number>>;
  /** RTSP connections, by camera. */
  readonly clients: Readonly<Record<string, number>>;
  readonly ffmpeg_pids: readonly number[];
}

type Command = { readonly do: string; readonly what?: string } & Partial<Camera>;

const ROOT = resolve(import.meta.dirname, '../../..');
/** Of each part, when a test has failed. */
const LOG_LINES = 150;
const BINARY = process.env['WORLD_BIN'] ?? join(ROOT, 'target/debug/world');

export class WorldProcess {
  private readonly child: ChildProcess;
  private readonly answers: AsyncIterator<string>;
  private turn: Promise<unknown> = Promise.resolve();
  private started: Started | undefined;
  private complaints = '';

  constructor(binary = BINARY) {
    this.child = spawn(binary, [], { stdio: 'pipe' });
    const { stdout, stderr } = this.child;
    if (!stdout || !stderr) throw new Error('the world has no pipes');
    this.answers = createInterface(stdout)[Symbol.asyncIterator]();
    stderr.setEncoding('utf8').on('data', (text: string) => (this.complaints += text));
  }

  /** Starts all of it; rejects with what the parts have printed. */
  async begin(description: Description): Promise<this> {
    this.child.stdin?.write(`${JSON.stringify(description)}\n`);
    const started = JSON.parse(await this.line()) as Started;
    if (started.error) throw new Error(`the world did not start: ${started.error}\n${this.complaints}`);
    this.started = started;
    return this;
  }

  /** Address of the player's page: `world.page('source=lobby&autoplay')`. */
  page(query: string, path = '/'): string {
    return `${this.parts.page}${path}?${query}`;
  }

  /** What the gatekeeper counts under a name, with its labels if it has any. */
  async counted(metric: string): Promise<number> {
    const text = await (await fetch(`${this.parts.page}/metrics`)).text();
    const line = text.split('\n').find((line) => line.startsWith(`${metric} `));
    if (line === undefined) throw new Error(`no ${metric} in\n${text}`);
    return Number(line.slice(metric.length));
  }

  /** What browsers dial. */
  get broker(): string {
    return this.parts.ws;
  }

  /** Where everything is, and which process it is. */
  get parts(): Started {
    if (!this.started) throw new Error('the world has not started');
    return this.started;
  }

  camera(name: string): string {
    return this.parts.rtsp[name] ?? '';
  }

  kill(what: string): Promise<unknown> {
    return this.ask({ do: 'kill', what });
  }

  stop(what: string): Promise<unknown> {
    return this.ask({ do: 'stop', what });
  }

  run(what: string, camera: Partial<Camera> = {}): Promise<unknown> {
    return this.ask({ do: 'start', what, ...camera });
  }

  restart(what: string, camera: Partial<Camera> = {}): Promise<unknown> {
    return this.ask({ do: 'restart', what, ...camera });
  }

  /** Resets every connection of a browser to the broker. */
  cut(): Promise<unknown> {
    return this.ask({ do: 'cut' });
  }

  freeze(): Promise<unknown> {
    return this.ask({ do: 'freeze' });
  }

  thaw(): Promise<unknown> {
    return this.ask({ do: 'thaw' });
  }

  stat(): Promise<Stat> {
    return this.ask({ do: 'stat' }) as Promise<Stat>;
  }

  /** How many ffmpegs run, on all transcoders. */
  async ffmpegs(): Promise<number> {
    const { ffmpeg } = await this.stat();
    return Object.values(ffmpeg).reduce((sum, count) => sum + count, 0);
  }

  /** What every part has printed. */
  async logs(): Promise<string> {
    const sections = [this.complaints];
    for (const what of Object.keys(this.parts.pids)) {
      const { lines } = (await this.ask({ do: 'logs', what })) as { lines: string[] };
      sections.push(`--- ${what}\n${lines.slice(-LOG_LINES).join('\n')}`);
    }
    return sections.join('\n');
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.stdin?.end();
    await exit;
  }

  /** One command at a time: answers carry no name. */
  private ask(command: Command): Promise<unknown> {
    const answer = this.turn.then(async () => {
      this.child.stdin?.write(`${JSON.stringify(command)}\n`);
      const reply = JSON.parse(await this.line()) as { ok: boolean; error?: string };
      if (!reply.ok) throw new Error(`${JSON.stringify(command)}: ${reply.error}`);
      return reply;
    });
    this.turn = answer.catch(() => undefined);
    return answer;
  }

  private async line(): Promise<string> {
    const { done, value } = await this.answers.next();
    if (done) throw new Error(`the world has ended\n${this.complaints}`);
    return value;
  }
}
