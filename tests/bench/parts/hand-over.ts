// What a viewer sees when a worker goes: one of three that carry twenty streams is drained, or killed.
import type { Browser, Page } from 'playwright-core';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorldProcess } from '../../browser/support/world-process.ts';
import { watching } from '../src/crowd.ts';
import { distribution, type Findings, type Tell } from '../src/figure.ts';
import { firstFrame, openPage, watch, type Shown } from '../src/glass.ts';
import { BusyMeter } from '../src/machine.ts';
import { manySources, startWorld, TINY } from '../src/setting.ts';

const STREAMS = 20;
const ROUNDS = 3;
const SECONDS = 12;
const FPS = 15;

export async function handOver(browser: Browser, tell: Tell): Promise<Findings> {
  const world = await startWorld({
    cameras: [TINY],
    sources: manySources(TINY, STREAMS),
    transcoders: [['--max-streams', '30'], ['--max-streams', '30'], ['--max-streams', '30']],
  });
  try {
    const sources = Array.from({ length: STREAMS }, (_, index) => `s${index}`);
    const seconds = 2 * ROUNDS * (SECONDS + 8) + 30;
    const load = watching({ broker: world.parts.mqtt, sources, viewers: STREAMS, connections: 2, rampSeconds: 5, seconds });
    load.crowd.catch(() => undefined);
    await delay(8000);
    const page = await openPage(browser);
    await page.goto(world.page('source=s0&autoplay'));
    await firstFrame(page);
    await delay(3000);

    for (const [how, title] of [['stop', 'drained'], ['kill', 'killed']] as const) {
      const busy = new BusyMeter();
      const pauses: number[] = [];
      const holes: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const frames = await around(page, world, how);
        pauses.push((longest(frames, ({ at }) => at) * FPS) / 1000);
        holes.push((longest(frames, ({ stamp }) => stamp) * FPS) / 1000 - 1);
      }
      const common = { unit: 'frames', busy: busy.percent, conditions: `${STREAMS} streams on 3 workers, ${FPS} fps, GOP 1 s` };
      const id = `hand-over.${title}`;
      tell(distribution({ ...common, id, title: `Picture stands when its worker is ${title}`, ...(how === 'stop' && { goal: { max: FPS } }) }, pauses));
      tell(distribution({ ...common, id: `${id}.lost`, title: `Frames never shown when its worker is ${title}` }, holes));
    }
    load.end();
    await load.crowd.catch(() => undefined);
    return {};
  } finally {
    await world.end();
  }
}

/** Ends the worker that serves the page, looks what that does, and starts it again. */
async function around(page: Page, world: WorldProcess, how: 'stop' | 'kill'): Promise<readonly Shown[]> {
  const worker = await page.evaluate(
    () => (document.querySelector('mqtt-video') as HTMLElement & { stats: { worker: string } }).stats.worker,
  );
  const seen = watch(page, SECONDS);
  await delay(1000);
  await (how === 'stop' ? world.stop(worker) : world.kill(worker));
  const frames = await seen;
  await world.run(worker);
  await delay(4000);
  return frames;
}

/** Longest step between two frames, milliseconds. */
function longest(frames: readonly Shown[], time: (frame: Shown) => number | undefined): number {
  const times = frames.flatMap((frame) => time(frame) ?? []);
  return Math.max(0, ...times.slice(1).map((at, index) => at - (times[index] ?? at)));
}
