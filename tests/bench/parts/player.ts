// What a wall of tiles costs the browser's main thread, and how it looks there.
import type { Browser } from 'playwright-core';
import { setTimeout as delay } from 'node:timers/promises';
import { distribution, single, type Findings, type Tell } from '../src/figure.ts';
import { openPage } from '../src/glass.ts';
import { BusyMeter } from '../src/machine.ts';
import { manySources, startWorld, TINY } from '../src/setting.ts';

const TILES = [1, 9, 30];
const SECONDS = 12;
const SETTLE_SECONDS = 8;

interface Tile {
  readonly latencyMs?: number;
  readonly decodedFrames: number;
  readonly droppedFrames: number;
}

export async function player(browser: Browser, tell: Tell): Promise<Findings> {
  const most = Math.max(...TILES);
  const world = await startWorld({ cameras: [TINY], sources: manySources(TINY, most), transcoders: [['--max-streams', String(most)]] });
  try {
    for (const tiles of TILES) {
      const page = await openPage(browser, false);
      const client = await page.context().newCDPSession(page);
      await client.send('Performance.enable');
      const taskSeconds = async (): Promise<number> => {
        const { metrics } = await client.send('Performance.getMetrics');
        return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN;
      };
      const look = (): Promise<Tile[]> =>
        page.evaluate(() =>
          [...document.querySelectorAll('mqtt-video')].map((tile) => {
            const { latencyMs, decodedFrames, droppedFrames } = (tile as HTMLElement & { stats: Tile }).stats;
            return { ...(latencyMs !== undefined && { latencyMs }), decodedFrames, droppedFrames };
          }),
        );
      const names = Array.from({ length: tiles }, (_, index) => `s${index}`);
      await page.goto(world.page(`sources=${names.join(',')}`, '/wall'));
      await page.waitForFunction(
        (tiles) => {
          const all = [...document.querySelectorAll('mqtt-video')] as (HTMLElement & { stats: Tile })[];
          return all.length === tiles && all.every((tile) => tile.stats.decodedFrames > 0);
        },
        tiles,
        { timeout: 60_000 },
      );
      await delay(SETTLE_SECONDS * 1000);

      const busy = new BusyMeter();
      const before = await look();
      const [since, tasks] = [performance.now(), await taskSeconds()];
      const latencies: number[] = [];
      while (performance.now() - since < SECONDS * 1000) {
        await delay(1000);
        latencies.push(...(await look()).flatMap(({ latencyMs }) => latencyMs ?? []));
      }
      const spent = (1000 * (await taskSeconds()) - 1000 * tasks) / ((performance.now() - since) / 1000) / tiles;
      const after = await look();
      const sum = (of: (tile: Tile) => number): number =>
        after.reduce((total, tile, index) => total + of(tile) - of(before[index] ?? tile), 0);
      const about = (id: string, title: string, unit: string) => ({
        id: `player.${tiles}.${id}`,
        title: `${title}, ${tiles} ${tiles === 1 ? 'tile' : 'tiles'}`,
        unit,
        busy: busy.percent,
        conditions: `${TINY.size}, ${TINY.fps} fps`,
      });
      tell(single(about('main-thread', 'Main thread, for each tile', 'ms/s'), spent));
      tell(single(about('dropped', 'Frames dropped', '%'), (100 * sum((tile) => tile.droppedFrames)) / sum((tile) => tile.decodedFrames)));
      tell(distribution(about('latency', 'Latency as the player tells it', 'ms'), latencies));
      await page.close();
    }
  } finally {
    await world.end();
  }
  return {};
}
