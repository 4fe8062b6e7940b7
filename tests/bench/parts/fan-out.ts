// One stream, many viewers, each with a WebSocket connection of its own, as browsers have; and a wall of many streams.
//
// Viewers throw away what they get. What a viewer costs the broker is put beside what it costs when plain ffmpeg publishes.
import type { Browser } from 'playwright-core';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorldProcess } from '../../browser/support/world-process.ts';
import { watching, type Crowd } from '../src/crowd.ts';
import { single, type Figure, type Findings, type Tell, type Plot } from '../src/figure.ts';
import { BusyMeter, usage } from '../src/machine.ts';
import { manySources, SMALL, startWorld, TINY } from '../src/setting.ts';
import { startChain } from '../yardsticks/chain.ts';

const VIEWERS = [1, 50, 200, 500];
/** Where the broker's cost is compared. */
const COMPARED = 200;
const SECONDS = 10;
const WALL = { streams: 30, viewers: 300 };

interface Taken {
  readonly crowd: Crowd;
  /** Of a core. */
  readonly worker: number;
  readonly broker: number;
  readonly busy: number;
}

export async function fanOut(_: Browser, tell: Tell): Promise<Findings> {
  const [p99, worker, broker]: [number, number][][] = [[], [], []];
  const world = await startWorld({ cameras: [SMALL], transcoders: [['--linger', '1s']] });
  try {
    for (const viewers of VIEWERS) {
      const taken = await take(world, [SMALL.name], viewers);
      tell(...told(`fan-out.${viewers}`, `${viewers} ${viewers === 1 ? 'viewer' : 'viewers'} of one stream`, taken));
      p99?.push([viewers, (taken.crowd.latency_ms?.p99 ?? NaN) - 1000 / 30]);
      worker?.push([viewers, 100 * taken.worker]);
      broker?.push([viewers, 100 * taken.broker]);
      if (viewers !== COMPARED) continue;
      const about = { unit: '‰ of a core', conditions: `${viewers} WebSocket viewers of 360p, 1 Mbit/s`, busy: taken.busy };
      const goal = await chainCost(world);
      tell(single({ ...about, id: 'fan-out.broker-chain', title: 'Broker, for each viewer of bare ffmpeg → broker', yardstick: true }, goal));
      const own = (1000 * taken.broker) / viewers;
      tell(single({ ...about, id: 'fan-out.broker', title: 'Broker, for each viewer', goal: { value: goal } }, own));
    }
  } finally {
    await world.end();
  }

  const wall = await startWorld({
    cameras: [TINY],
    sources: manySources(TINY, WALL.streams),
    transcoders: [['--max-streams', String(WALL.streams)]],
  });
  try {
    const sources = Array.from({ length: WALL.streams }, (_, index) => `s${index}`);
    const taken = await take(wall, sources, WALL.viewers);
    tell(...told('fan-out.wall', `${WALL.streams} streams × ${WALL.viewers / WALL.streams} viewers`, taken, TINY));
  } finally {
    await wall.end();
  }
  const plots: Plot[] = [
    {
      id: 'fan-out.cpu',
      title: 'CPU over the number of viewers of one stream',
      x: 'viewers',
      y: '% of a core',
      series: [
        { name: 'transcoder', points: worker ?? [] },
        { name: 'mosquitto', points: broker ?? [] },
      ],
    },
    { id: 'fan-out.delay', title: "Delivery beyond ffmpeg's own delay, p99", x: 'viewers', y: 'ms', series: [{ name: 'p99', points: p99 ?? [] }] },
  ];
  return { plots };
}

function told(id: string, what: string, { crowd, worker, busy }: Taken, camera = SMALL): Figure[] {
  const { size, fps = 30, bitrate } = camera;
  const about = { busy, conditions: `${size}, ${fps} fps, ${bitrate} kbit/s; p99 less the frame for which ffmpeg holds a picture` };
  const delivery = (crowd.latency_ms?.p99 ?? NaN) - 1000 / fps;
  return [
    single({ ...about, id: `${id}.delivery`, title: `Delivery beyond ffmpeg's own delay, p99, ${what}`, unit: 'ms', goal: { value: 15 } }, delivery),
    single({ ...about, id: `${id}.lost`, title: `Lost messages and failed viewers, ${what}`, unit: '', goal: { value: 0 } }, crowd.lost_messages + crowd.failed),
    single({ ...about, id: `${id}.worker`, title: `Transcoder process, ${what}`, unit: '% of a core' }, 100 * worker),
  ];
}

async function take(world: WorldProcess, sources: readonly string[], viewers: number): Promise<Taken> {
  const rampSeconds = Math.max(1, Math.ceil(viewers / 50));
  const settle = 3;
  const load = watching({ broker: world.parts.ws_direct, sources, viewers, rampSeconds, seconds: SECONDS + settle + 1 });
  await delay((rampSeconds + settle) * 1000);
  const busy = new BusyMeter();
  const cpu = (what: string): number => usage(world.parts.pids[what] ?? 0)?.cpu ?? NaN;
  const before = [cpu('transcoder0'), cpu('mosquitto')] as const;
  await delay(SECONDS * 1000);
  const after = [cpu('transcoder0'), cpu('mosquitto')] as const;
  const percent = busy.percent;
  const crowd = await load.crowd;
  return { crowd, worker: (after[0] - before[0]) / SECONDS, broker: (after[1] - before[1]) / SECONDS, busy: percent };
}

/** Thousandths of a core that a viewer costs the broker when plain ffmpeg publishes. */
async function chainCost(world: WorldProcess): Promise<number> {
  const chain = await startChain(world.camera(SMALL.name), world.parts.mqtt, world.parts.ws_direct, '');
  const subscribers = await chain.subscribe(COMPARED);
  try {
    await delay(3000);
    const cpu = (): number => usage(world.parts.pids['mosquitto'] ?? 0)?.cpu ?? NaN;
    const before = cpu();
    await delay(SECONDS * 1000);
    return (1000 * (cpu() - before)) / SECONDS / COMPARED;
  } finally {
    subscribers();
    await chain.end();
  }
}
