// What a stream costs a worker, how many it carries, and what transcodes cost.
//
// Many streams lead to one camera, since cameras are not what is measured: a stream each, with an RTSP connection each.
import type { Browser } from 'playwright-core';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorldProcess } from '../../browser/support/world-process.ts';
import { watching } from '../src/crowd.ts';
import { single, type Figure, type Findings, type Tell, type Plot } from '../src/figure.ts';
import { quantileBetween, scrape } from '../src/histogram.ts';
import { BusyMeter, usage, usageOfTree } from '../src/machine.ts';
import { manySources, SMALL, startWorld } from '../src/setting.ts';

const FPS = 30;
const TWO_FRAMES_MS = 2000 / FPS;
/** Of 1 Mbit/s, with a keyframe a second. */
const GOP_MIB = 1e6 / 8 / 2 ** 20;
const COST_STREAMS = 10;
const STEPS = [40, 80, 120, 160];
const SECONDS = 6;
const TRANSCODES = 3;

export async function worker(_: Browser, tell: Tell): Promise<Findings> {
  const points: Record<string, [number, number][]> = {};
  for (const reader of ['ffmpeg', 'direct']) {
    tell(...(await cost(reader)), ...(await allocations(reader)));
    const found = await density(reader);
    tell(...found.figures);
    points[reader] = found.points;
  }
  tell(...(await transcodes()));
  const series = Object.entries(points).map(([name, points]) => ({ name, points }));
  const plot: Plot = {
    id: 'worker.density',
    title: 'Publish delay over the number of passthrough streams, p95',
    x: 'streams of 360p, 1 Mbit/s',
    y: 'ms',
    series,
  };
  return { plots: [plot] };
}

async function cost(reader: string): Promise<Figure[]> {
  return run(reader, COST_STREAMS, {}, async (world) => {
    const pid = world.parts.pids['transcoder0'] ?? 0;
    const idle = usage(pid)?.rss ?? NaN;
    const load = await begin(world, COST_STREAMS);
    const busy = new BusyMeter();
    const before = cpu(pid);
    await delay(SECONDS * 1000);
    const after = cpu(pid);
    const rss = ((usage(pid)?.rss ?? NaN) - idle) / COST_STREAMS - 2 * GOP_MIB;
    await finish(load);
    const common = { busy: busy.percent, conditions: `${COST_STREAMS} streams passed on, one viewer each` };
    const own = after.own - before.own;
    const by = reader === 'ffmpeg' ? '' : ', own RTSP reader';
    const id = `worker.${reader}`;
    const figures = [
      single({ ...common, id: `${id}.cpu`, title: `Transcoder process, for each stream${by}`, unit: '‰ of a core' }, (1000 * own) / SECONDS / COST_STREAMS),
      single({ ...common, id: `${id}.rss`, title: `Memory of the transcoder for each stream, beyond two GOPs${by}`, unit: 'MiB', goal: { value: 15 } }, rss),
    ];
    if (reader !== 'ffmpeg') return figures;
    const theirs = after.ffmpeg - before.ffmpeg;
    figures.push(
      single({ ...common, id: `${id}.ffmpeg`, title: 'ffmpeg, for each stream', unit: '‰ of a core' }, (1000 * theirs) / SECONDS / COST_STREAMS),
      single({ ...common, id: `${id}.share`, title: "Transcoder process, of its ffmpegs' CPU", unit: '%', goal: { value: 10 } }, (100 * own) / theirs),
    );
    return figures;
  });
}

async function density(reader: string): Promise<{ figures: Figure[]; points: [number, number][] }> {
  const points: [number, number][] = [];
  let most = 0;
  for (const streams of STEPS) {
    const { delayMs, busy, lost } = await run(reader, streams, {}, async (world) => {
      const url = world.parts.metrics['transcoder0'] ?? '';
      const load = await begin(world, streams);
      const meter = new BusyMeter();
      const before = await scrape(url, 'mqtt_video_transcoder_publish_delay_seconds');
      await delay(SECONDS * 1000);
      const after = await scrape(url, 'mqtt_video_transcoder_publish_delay_seconds');
      const busy = meter.percent;
      const { failed, lost_messages } = await finish(load);
      return { delayMs: 1000 * quantileBetween(before, after, 0.95), busy, lost: failed + lost_messages };
    });
    points.push([streams, delayMs]);
    if (!(delayMs <= TWO_FRAMES_MS) || busy > 95 || lost > 0) break;
    most = streams;
  }
  const by = reader === 'ffmpeg' ? '' : ', own RTSP reader';
  const about = { id: `worker.${reader}.density`, title: `Passthrough streams on this machine${by}`, unit: 'streams' };
  const conditions = '360p, 1 Mbit/s, a viewer each; p95 of the publish delay within two frames, nothing lost, machine at most 95 % busy; camera, broker and viewers on the same machine';
  return { figures: [single({ ...about, goal_min: { value: 80 }, conditions }, most)], points };
}

/** Counts the process's calls for memory, by a library that stands before the system's. */
async function allocations(reader: string): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    const library = join(folder, 'allocations.so');
    execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, join(import.meta.dirname, '../src/allocations.c'), '-ldl']);
    const environment = { LD_PRELOAD: library, ALLOCATIONS_FOLDER: folder };
    return await run(reader, COST_STREAMS, environment, async (world) => {
      const pid = world.parts.pids['transcoder0'] ?? 0;
      const counted = (): number => {
        const name = readdirSync(folder).find((name) => name === `allocations.${pid}`);
        return name === undefined ? NaN : Number(readFileSync(join(folder, name)).readBigUInt64LE());
      };
      const load = await begin(world, COST_STREAMS);
      const [before, since] = [counted(), performance.now()];
      await delay(SECONDS * 1000);
      const [after, seconds] = [counted(), (performance.now() - since) / 1000];
      await finish(load);
      const by = reader === 'ffmpeg' ? '' : ', own RTSP reader';
      const about = { id: `worker.${reader}.allocations`, title: `Allocations of the transcoder for each frame${by}`, unit: '' };
      return [single(about, (after - before) / (seconds * FPS * COST_STREAMS))];
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function transcodes(): Promise<Figure[]> {
  const figures: Figure[] = [];
  const profiles = {
    legacy: '320x240, 192 kbit/s',
    mobile: '640x360, 400 kbit/s',
  };
  for (const [profile, what] of Object.entries(profiles)) {
    const world = await startWorld({
      cameras: [SMALL],
      sources: `${manySources(SMALL, TRANSCODES)}profiles:\n  mobile: {width: 640, height: 360, videoBitrate: 400k, gop: 2s}\n`,
      transcoders: [['--linger', '1s']],
    });
    try {
      const pid = world.parts.pids['transcoder0'] ?? 0;
      const load = await begin(world, TRANSCODES, profile);
      const busy = new BusyMeter();
      const before = cpu(pid);
      await delay(SECONDS * 1000);
      const after = cpu(pid);
      await finish(load);
      const cores = (after.ffmpeg - before.ffmpeg + after.own - before.own) / SECONDS / TRANSCODES;
      const about = { id: `worker.transcodes.${profile}`, title: `Transcodes to ${profile} (${what}) for each core`, unit: '', busy: busy.percent };
      figures.push(single({ ...about, conditions: 'of 360p, 30 fps' }, 1 / cores));
    } finally {
      await world.end();
    }
  }
  return figures;
}

async function run<T>(reader: string, streams: number, environment: Record<string, string>, measure: (world: WorldProcess) => Promise<T>): Promise<T> {
  const world = await startWorld({
    cameras: [SMALL],
    sources: manySources(SMALL, streams),
    transcoders: [['--max-streams', String(streams), '--linger', '1s', '--reader', reader]],
    transcoder_environment: environment,
  });
  try {
    return await measure(world);
  } finally {
    await world.end();
  }
}

type Load = ReturnType<typeof watching>;

/** Has each stream watched, and waits until all flow. */
async function begin(world: WorldProcess, streams: number, profile?: string): Promise<Load> {
  const sources = Array.from({ length: streams }, (_, index) => `s${index}`);
  const rampSeconds = Math.ceil(streams / 8);
  const seconds = SECONDS + 120;
  const load = watching({ broker: world.parts.mqtt, sources, viewers: streams, connections: 4, rampSeconds, seconds, ...(profile && { profile }) });
  load.crowd.catch(() => undefined);
  const url = world.parts.metrics['transcoder0'] ?? '';
  const until = performance.now() + 60_000;
  while ((await live(url)) < streams) {
    if (performance.now() > until) throw new Error(`${await live(url)} of ${streams} streams flow after a minute`);
    await delay(200);
  }
  await delay(2000);
  return load;
}

async function live(url: string): Promise<number> {
  const page = await (await fetch(url)).text();
  return Number(/^mqtt_video_transcoder_jobs\{state="live"\} (\S+)$/m.exec(page)?.[1] ?? 0);
}

/** Ends the watching, and tells how it went. */
function finish({ end, crowd }: Load): ReturnType<typeof watching>['crowd'] {
  end();
  return crowd;
}

/** Seconds of CPU, of the transcoder's process and of what it has started. */
function cpu(pid: number): { own: number; ffmpeg: number } {
  const own = usage(pid)?.cpu ?? NaN;
  return { own, ffmpeg: usageOfTree(pid).cpu - own };
}
