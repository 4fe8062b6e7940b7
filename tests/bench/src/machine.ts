// The machine that measures: what it is, what runs on it, and how busy it was meanwhile. All from /proc.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { CHROMIUM } from '../../browser/support/chromium.ts';

const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const PAGE = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }));

export interface Machine {
  readonly processor: string;
  readonly processors: number;
  readonly memory_gib: number;
  readonly kernel: string;
  readonly versions: Readonly<Record<string, string>>;
}

export function machine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    processors: cpus().length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
    versions: {
      mosquitto: version('mosquitto', ['-h'], /version (\S+)/),
      ffmpeg: version('ffmpeg', ['-version'], /version (\S+)/),
      chromium: version(CHROMIUM.executablePath, ['--version'], /(\d+\.\d+\.\d+\.\d+)/),
      node: process.versions.node,
      commit: version('git', ['-C', import.meta.dirname, 'describe', '--always', '--dirty'], /(\S+)/),
    },
  };
}

function version(program: string, args: readonly string[], pattern: RegExp): string {
  try {
    return pattern.exec(execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))?.[1] ?? '?';
  } catch (error) {
    // mosquitto prints its help with exit status 3.
    const { stdout } = error as { stdout?: string };
    return pattern.exec(stdout ?? '')?.[1] ?? 'absent';
  }
}

/** Load averages over 1, 5 and 15 minutes. */
export function load(): readonly number[] {
  return readFileSync('/proc/loadavg', 'latin1').split(' ').slice(0, 3).map(Number);
}

/** Measures from its making on how busy the machine is; stolen time counts, for it was not ours. */
export class BusyMeter {
  private readonly begin = processorTime();

  /** Per cent of all processors. */
  get percent(): number {
    const { busy, total } = processorTime();
    return Math.round((100 * (busy - this.begin.busy)) / Math.max(1, total - this.begin.total));
  }
}

function processorTime(): { busy: number; total: number } {
  const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n', 1);
  const times = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const total = times.reduce((sum, time) => sum + time, 0);
  return { busy: total - (times[3] ?? 0) - (times[4] ?? 0), total };
}

export interface Usage {
  /** User and system time, seconds. */
  readonly cpu: number;
  /** Resident set, MiB. */
  readonly rss: number;
}

/** Of one process alone; undefined when it is gone. */
export function usage(pid: number): Usage | undefined {
  const stat = readStat(pid);
  return stat && { cpu: stat.cpu, rss: stat.rss };
}

/** Of a process and everything that it has started and that still runs. */
export function usageOfTree(root: number): Usage {
  const all = new Map<number, NonNullable<ReturnType<typeof readStat>>>();
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? readStat(Number(name)) : undefined;
    if (stat) all.set(Number(name), stat);
  }
  const sum = (pid: number): Usage => {
    const own = all.get(pid) ?? { cpu: 0, rss: 0 };
    return [...all].filter(([, { parent }]) => parent === pid).reduce((total, [child]) => {
      const { cpu, rss } = sum(child);
      return { cpu: total.cpu + cpu, rss: total.rss + rss };
    }, own);
  };
  const { cpu, rss } = sum(root);
  return { cpu, rss };
}

function readStat(pid: number): { parent: number; cpu: number; rss: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number);
    const [, parent = 0] = fields;
    return { parent, cpu: ((fields[11] ?? 0) + (fields[12] ?? 0)) / TICKS, rss: ((fields[21] ?? 0) * PAGE) / 2 ** 20 };
  } catch {
    return undefined;
  }
}
