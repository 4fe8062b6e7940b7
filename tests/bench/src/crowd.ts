// Viewers that are no browsers: the command-line client's `load`, or its `play`, with their figures.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { RELEASE } from './setting.ts';

interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** What `load --json` tells; services/cli has the rest. */
export interface Crowd {
  readonly viewers: number;
  readonly failed: number;
  readonly frames: number;
  readonly gaps: number;
  readonly lost_messages: number;
  readonly first_frame_ms: Summary | null;
  /** From the picture's arrival at the worker to its arrival here. */
  readonly latency_ms: Summary | null;
}

export interface Watching {
  /** Ends it before its time, if it still goes on. */
  end(): void;
  /** Resolves when all have watched for as long as they should. */
  readonly crowd: Promise<Crowd>;
}

export interface Plan {
  readonly broker: string;
  readonly sources: readonly string[];
  readonly viewers: number;
  /** That the viewers share; without, one each. */
  readonly connections?: number;
  readonly profile?: string;
  readonly rampSeconds: number;
  readonly seconds: number;
}

/** Begins to watch. */
export function watching({ broker, sources, viewers, connections, profile, rampSeconds, seconds }: Plan): Watching {
  const args = ['load', '--broker', broker, '--json', '--video-only', '--timeout', '30s', '-n', String(viewers)];
  if (connections !== undefined) args.push('--connections', String(connections));
  if (profile !== undefined) args.push('--profile', profile);
  const child = start([...args, '--ramp', `${rampSeconds}s`, '--duration', `${seconds}s`, ...sources]);
  const crowd = Promise.all([text(child.stdout as NonNullable<typeof child.stdout>), once(child, 'exit')]).then(
    ([output]) => {
      if (output.trim() === '') throw new Error('the load generator told nothing');
      return JSON.parse(output) as Crowd;
    },
  );
  return { end: () => child.kill('SIGTERM'), crowd };
}

/** Keeps a stream running, at next to no cost; returns what ends it. */
export async function keepWarm(broker: string, source: string): Promise<() => Promise<void>> {
  const child = start(['play', '--broker', broker, '--video-only', source]);
  const exit = once(child, 'exit');
  return async () => {
    child.kill('SIGTERM');
    await exit;
  };
}

function start(args: readonly string[]): ChildProcess {
  return spawn(join(RELEASE, 'mqtt-video-cli'), args, { stdio: ['ignore', 'pipe', 'ignore'] });
}
