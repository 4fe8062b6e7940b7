// Processes of this machine, read from /proc: who descends from whom, and who is still there.
import { readdirSync, readFileSync } from 'node:fs';

/** A process that is not mistaken for a later one of the same id. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly startedAt: string;
  readonly command: string;
}

/** The processes below `pid`, itself included. */
export function family(pid: number): Process[] {
  const all = running();
  const found = all.filter((one) => one.pid === pid);
  for (const ancestor of found) found.push(...all.filter((one) => one.parent === ancestor.pid));
  return found;
}

/** Those of `processes` that still run. */
export function survivors(processes: readonly Process[]): Process[] {
  const now = new Map(running().map((one) => [one.pid, one]));
  return processes.filter(({ pid, startedAt }) => now.get(pid)?.startedAt === startedAt);
}

/** Kills what still runs of `processes`: the death of one may have been the end of the next. */
export function kill(processes: readonly Process[]): void {
  for (const { pid } of survivors(processes)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

function running(): Process[] {
  return readdirSync('/proc').flatMap((name) => {
    const one = /^\d+$/.test(name) ? read(Number(name)) : undefined;
    return one ? [one] : [];
  });
}

/** Undefined when it has ended, be it reaped or not. */
function read(pid: number): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, parent] = fields;
    if (state === 'Z' || state === 'X') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return { pid, parent: Number(parent), startedAt: fields[19] ?? '', command };
  } catch {
    return undefined;
  }
}
