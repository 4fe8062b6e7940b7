// Request → first frame: of a stream that runs, and of one that does not.
//
// The request is the page's first WebSocket, as with any player. A join is a browser page of its own.
import type { Browser, Page } from 'playwright-core';
import { setTimeout as delay } from 'node:timers/promises';
import { startCollector, type Span } from '../../browser/support/collector.ts';
import type { Camera, WorldProcess } from '../../browser/support/world-process.ts';
import { keepWarm } from '../src/crowd.ts';
import { Decoder } from '../src/decode.ts';
import { distribution, type Figure, type Findings, type Tell, type Plot, type Timeline } from '../src/figure.ts';
import { firstFrame, openPage, type Start } from '../src/glass.ts';
import { BusyMeter } from '../src/machine.ts';
import { LARGE_RARE, quiet, SMALL, startWorld } from '../src/setting.ts';

const JOINS = 20;
const COLD_JOINS = 6;

interface Case {
  readonly id: string;
  readonly what: string;
  readonly camera: Camera;
  readonly gopMs: number;
  readonly goal: { readonly p50: number; readonly max: number };
}

const WARM: readonly Case[] = [
  { id: 'warm', what: '360p, GOP 1 s', camera: SMALL, gopMs: 1000, goal: { p50: 130, max: 200 } },
  { id: 'warm-gop4', what: '720p, GOP 4 s', camera: LARGE_RARE, gopMs: 4000, goal: { p50: 280, max: 450 } },
];

export async function firstFrames(browser: Browser, tell: Tell): Promise<Findings> {
  const plots: Plot[] = [];
  for (const reader of ['ffmpeg', 'direct']) {
    const world = await startWorld({ cameras: [SMALL, LARGE_RARE], transcoders: [['--linger', '1s', '--reader', reader]] });
    try {
      if (reader === 'ffmpeg') {
        for (const one of WARM) {
          const { figure, plot } = await warm(browser, world, one);
          tell(figure);
          plots.push(plot);
        }
      }
      tell(...(await cold(browser, world, reader)));
    } finally {
      await world.end();
    }
  }
  return { plots, timelines: [await timeline(browser)] };
}

/** One cold start as its trace tells it. */
async function timeline(browser: Browser): Promise<Timeline> {
  const collector = await startCollector();
  const flag = `--otlp-endpoint=${collector.endpoint}`;
  const world = await startWorld({ cameras: [SMALL], gatekeeper: [flag], transcoders: [[flag]] });
  try {
    const { page } = await join(browser, world, SMALL);
    const until = performance.now() + 30_000;
    const root = (): Span | undefined => collector.spans.find(({ service, name }) => service.endsWith('player') && name === 'play');
    // The page reports its first frame some seconds after.
    while (root() === undefined || collector.spans.length < 8) {
      if (performance.now() > until) throw new Error('no trace of the page within 30 s');
      await delay(200);
    }
    await page.close();
    const origin = BigInt(root()?.startTimeUnixNano ?? 0);
    const ms = (time: string): number => Number(BigInt(time) - origin) / 1e6;
    const spans = collector.spans
      .filter(({ traceId }) => traceId === root()?.traceId)
      .map(({ service, name, startTimeUnixNano, endTimeUnixNano }) => ({
        name: `${service.replace('mqtt-video-', '')}: ${name}`,
        from: Math.max(0, ms(startTimeUnixNano)),
        to: ms(endTimeUnixNano),
      }))
      .sort((a, b) => a.from - b.from || b.to - a.to);
    return { id: 'first-frame.timeline', title: 'A cold start: from pressing play to the first frame', spans };
  } finally {
    await world.end();
    await collector.end();
  }
}

async function warm(browser: Browser, world: WorldProcess, one: Case): Promise<{ figure: Figure; plot: Plot }> {
  const cool = await keepWarm(world.parts.mqtt, one.camera.name);
  await (await join(browser, world, one.camera)).page.close();
  const busy = new BusyMeter();
  const joins: number[] = [];
  for (let count = 0; count < JOINS; count += 1) {
    await delay(500 + Math.random() * one.gopMs);
    const { page, start } = await join(browser, world, one.camera);
    joins.push(start.shown - start.asked);
    await page.close();
  }
  await cool();
  const about = { id: `first-frame.${one.id}`, title: `First frame of a stream that runs, ${one.what}`, unit: 'ms' };
  const figure = distribution({ ...about, goal: one.goal, busy: busy.percent }, joins);
  await quiet(world);
  const sorted = joins.toSorted((a, b) => a - b);
  const points = sorted.map((ms, index) => [ms, (100 * (index + 1)) / sorted.length] as const);
  const plot = { id: about.id, title: about.title, x: 'ms after the request', y: '% of joins', series: [{ name: one.what, points }] };
  return { figure, plot };
}

/** Nothing runs but the camera, which another reader keeps awake and whose keyframes it tells. */
async function cold(browser: Browser, world: WorldProcess, reader: string): Promise<Figure[]> {
  const camera = SMALL;
  const [width = 0, height = 0] = (camera.size ?? '').split('x').map(Number);
  const keyframes = Decoder.ofCamera(world.camera(camera.name), width, height, ['-skip_frame', 'nokey']);
  const busy = new BusyMeter();
  const whole: number[] = [];
  const beyond: number[] = [];
  for (let count = 0; count < COLD_JOINS; count += 1) {
    await delay(1000 + Math.random() * 1000);
    const { page, start } = await join(browser, world, camera);
    await page.close();
    await quiet(world);
    await delay(1500);
    const next = keyframes.frames.find(({ stamp }) => stamp !== undefined && stamp >= start.asked)?.stamp;
    if (next === undefined) throw new Error('the camera sent no keyframe');
    whole.push(start.shown - start.asked);
    beyond.push(start.shown - next);
  }
  await keyframes.end();
  const by = reader === 'ffmpeg' ? '' : ', own RTSP reader';
  const id = `first-frame.cold${reader === 'ffmpeg' ? '' : `.${reader}`}`;
  return [
    distribution({ id: `${id}.beyond`, title: `Cold: first frame after the camera's next keyframe${by}`, unit: 'ms', goal: { p50: 400 }, busy: busy.percent }, beyond),
    distribution({ id, title: `Cold: request to first frame, GOP 1 s${by}`, unit: 'ms', busy: busy.percent }, whole),
  ];
}

async function join(browser: Browser, world: WorldProcess, camera: Camera): Promise<{ page: Page; start: Start }> {
  const page = await openPage(browser);
  await page.goto(world.page(`source=${camera.name}&autoplay`));
  return { page, start: await firstFrame(page) };
}
