// The demo as its user meets it: deploy/local/demo.sh in a terminal, a browser beside it, and then its end.
//
// The binaries are the debug ones, which the other tests use too; all else is what `make demo` runs.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from '@playwright/test';
import { awaitFrame } from '../support/observe.ts';
import { family, kill, survivors } from '../support/processes.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const DEMO = join(ROOT, 'deploy/local/demo.sh');
const RULES = join(ROOT, 'helm/mqtt-video/rules/mqtt-video.rules.yaml');

/** A demo in a terminal of its own, which `script` provides. */
class Demo {
  output = '';
  readonly ended: Promise<number>;

  private constructor(
    private readonly terminal: ChildProcess,
    readonly directory: string,
  ) {
    terminal.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    terminal.stderr?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.ended = new Promise((resolve) => terminal.once('exit', (code) => resolve(code ?? -1)));
  }

  /** `command` is a shell's, with DEMO in place of the script's path. */
  static async start(command = 'exec DEMO'): Promise<Demo> {
    const directory = await mkdtemp(join(tmpdir(), 'demo-test-'));
    const whole = command.replace('DEMO', `'${DEMO}'`);
    const terminal = spawn('script', ['--quiet', '--return', '--command', whole, '/dev/null'], {
      env: { ...process.env, TMPDIR: directory, DEMO_BIN_DIR: process.env['DEMO_BIN_DIR'] ?? join(ROOT, 'target/debug') },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    return new Demo(terminal, directory);
  }

  /** Process id of the demo's script. */
  get pid(): number {
    const own = family(this.terminal.pid ?? -1).find(({ command }) => command.startsWith('bash ') && command.includes(DEMO));
    if (!own) throw new Error(`the demo does not run:\n${this.output}`);
    return own.pid;
  }

  /** The page's address, once it is printed. */
  async page(label = 'Watch'): Promise<string> {
    const pattern = new RegExp(`${label} +(http://[^\\s\\u001b]+)`);
    await expect(() => expect(this.output).toMatch(pattern)).toPass({ timeout: 60_000, intervals: [100] });
    return pattern.exec(this.output)?.[1] ?? '';
  }

  type(text: string): void {
    this.terminal.stdin?.write(text);
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  /** Takes the terminal away from under the demo. */
  hangUp(): void {
    this.terminal.kill('SIGKILL');
  }

  /** For the end of a test, whatever became of it. */
  async discard(): Promise<void> {
    kill(family(this.terminal.pid ?? -1).reverse());
    await rm(this.directory, { recursive: true, force: true });
  }
}

interface Ending {
  readonly how: string;
  readonly end: (demo: Demo) => void;
  readonly status?: number;
  readonly command?: string;
}

const ENDINGS: Ending[] = [
  { how: 'Ctrl-C', end: (demo) => demo.type('\x03'), status: 128 + 2 },
  { how: 'SIGTERM', end: (demo) => demo.signal('SIGTERM'), status: 128 + 15 },
  { how: 'the end of its terminal', end: (demo) => demo.hangUp() },
  {
    how: 'the end of a terminal whose first process, as make does, keeps that to itself',
    end: (demo) => demo.hangUp(),
    command: 'trap : HUP; DEMO; :',
  },
];

for (const { how, end, status, command } of ENDINGS) {
  test(`the demo plays, and ${how} leaves nothing behind`, async ({ page }) => {
    const demo = await Demo.start(command);
    try {
      await page.goto(await demo.page());
      await awaitFrame(page);
      const all = family(demo.pid);
      const commands = all.map(({ command }) => command.split(' ')[0]?.split('/').at(-1));
      expect(commands).toEqual(expect.arrayContaining(['mosquitto', 'gatekeeper', 'transcoder', 'ffmpeg', 'prometheus']));
      expect(all.filter(({ command }) => command.includes('/camera.py ')).length).toBe(2);

      end(demo);

      const ended = await demo.ended;
      if (status !== undefined) expect(ended, demo.output).toBe(status);
      await expect(() => expect(survivors(all), demo.output).toEqual([])).toPass({ timeout: 20_000, intervals: [50] });
      expect(await readdir(demo.directory), 'its temporary files are gone').toEqual([]);
    } finally {
      await demo.discard();
    }
  });
}

test('its Prometheus scrapes every service under its name, and takes the rules', async () => {
  const demo = await Demo.start();
  try {
    const prometheus = await demo.page('Prometheus');
    const ask = async <T>(path: string): Promise<T> => {
      const { data } = (await (await fetch(`${prometheus}/api/v1/${path}`)).json()) as { data: T };
      return data;
    };
    interface Vector {
      readonly result: readonly { readonly metric: Record<string, string>; readonly value: readonly [number, string] }[];
    }
    const up = async (): Promise<string[]> =>
      (await ask<Vector>('query?query=up')).result.map(({ metric, value }) => `${metric['job']} ${metric['instance']} ${value[1]}`);
    const expected = ['gatekeeper gatekeeper 1', 'transcoder transcoder-1 1', 'transcoder transcoder-2 1'];
    await expect(async () => expect((await up()).sort()).toEqual(expected)).toPass({ intervals: [100], timeout: 30_000 });

    interface Rules {
      readonly groups: readonly { readonly rules: readonly { readonly name: string; readonly health: string }[] }[];
    }
    const { groups } = await ask<Rules>('rules');
    expect(groups.length > 0).toBe(existsSync(RULES));
    expect(groups.flatMap(({ rules }) => rules).filter(({ health }) => health === 'err')).toEqual([]);
  } finally {
    await demo.discard();
  }
});

test('two demos beside each other take different ports', async ({ page }) => {
  const first = await Demo.start();
  const pages = [await first.page()];
  const second = await Demo.start();
  try {
    pages.push(await second.page());
    expect(new Set(pages.map((address) => new URL(address).host)).size).toBe(2);
    for (const address of pages) {
      await page.goto(address);
      await awaitFrame(page);
    }
  } finally {
    await first.discard();
    await second.discard();
  }
});

test('a part that dies ends the demo, which says so', async () => {
  const demo = await Demo.start();
  try {
    await demo.page();
    const all = family(demo.pid);
    const victim = all.find(({ command }) => command.includes('--name transcoder-2'));
    process.kill(victim?.pid ?? -1, 'SIGKILL');
    expect(await demo.ended).toBe(1);
    expect(demo.output).toContain('demo: transcoder-2 ended with status 137');
    await expect(() => expect(survivors(all)).toEqual([])).toPass({ timeout: 20_000, intervals: [50] });
  } finally {
    await demo.discard();
  }
});

test('a sources file that is wrong ends the demo with the reason', async () => {
  const demo = await Demo.start(`exec DEMO '${join(ROOT, 'Makefile')}'`);
  try {
    expect(await demo.ended).toBe(1);
    expect(demo.output).toContain('demo: gatekeeper ended');
  } finally {
    await demo.discard();
  }
});
