// kubectl, helm and the cluster's own script, as an operator calls them.
import { spawn } from 'node:child_process';

export class CommandError extends Error {
  constructor(
    line: string,
    readonly complaint: string,
  ) {
    super(`${line}\n${complaint}`);
  }
}

/** Runs a command to its end and gives what it printed; throws what it complained of if it failed. */
export async function run(command: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(command, args, { stdio: 'pipe' });
  let output = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  child.stdin.on('error', () => undefined).end(input);
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new CommandError(`${command} ${args.join(' ')}`, `${output}${complaint}`);
  return output;
}

/** Of the cluster that deploy/cluster/cluster.sh has brought up; absent on any other, whose machines are not ours to break. */
export const machines = process.env['CLUSTER_SCRIPT'];

/** A command to the machines of our own cluster. */
export function machine(...args: string[]): Promise<string> {
  if (!machines) throw new Error('this cluster is not ours');
  return run(machines, args);
}
