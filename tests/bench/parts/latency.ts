// Capture → presented: how old the picture is that a viewer sees, beside what it cannot be sooner than, and what simpler
// ways achieve.
import mqtt from 'mqtt';
import type { Browser, Page } from 'playwright-core';
import type { Camera, WorldProcess } from '../../browser/support/world-process.ts';
import { ages as decodedAges, Decoder } from '../src/decode.ts';
import { distribution, single, type Figure, type Findings, type Tell } from '../src/figure.ts';
import { ages, firstFrame, longestPause, missing, openPage, watch } from '../src/glass.ts';
import { BusyMeter } from '../src/machine.ts';
import { LARGE, LOSSY, quiet, SMALL, SOUND, startWorld } from '../src/setting.ts';
import { startChain, whole } from '../yardsticks/chain.ts';
import { startPipe } from '../yardsticks/pipe.ts';

const SECONDS = 60;
/** What is measured beside the claims need not be as sure. */
const SHORT_SECONDS = 15;
const YARDSTICK_SECONDS = 10;
/** After the first frame, the player still finds its distance from the live edge. */
const SETTLE_SECONDS = 10;
/** A pause between two frames that a viewer sees as one. */
const FREEZE_MS = 250;
const FPS = 30;

interface Case {
  readonly id: string;
  readonly what: string;
  readonly camera: Camera;
  readonly query?: string;
  readonly goal: { readonly p50: number; readonly p95: number };
  /** The broker's WebSocket listener is not used. */
  readonly piped?: boolean;
  readonly seconds?: number;
}

const SMALL_CASE: Case = { id: '360p', what: '360p, GOP 1 s', camera: SMALL, goal: { p50: 62, p95: 80 } };
const LARGE_CASE: Case = { id: '720p', what: '720p, 2.5 Mbit/s, GOP 2 s', camera: LARGE, goal: { p50: 60, p95: 80 } };
const SOUND_CASE: Case = { id: 'sound', what: '360p with sound', camera: SOUND, query: '&muted=0', goal: { p50: 160, p95: 200 } };
/** What WebRTC takes for the same way. */
const WEBRTC = { p50: 36, p95: 80 };

const BY_FFMPEG: readonly Case[] = [
  SMALL_CASE,
  LARGE_CASE,
  { ...SOUND_CASE, seconds: SHORT_SECONDS },
  { ...LARGE_CASE, id: 'piped', what: '720p on a broker without the limit of mosquitto 2.0', piped: true, seconds: SHORT_SECONDS },
  decoded(SMALL_CASE),
];
const DIRECT: readonly Case[] = [SMALL_CASE, LARGE_CASE, SOUND_CASE, decoded(SMALL_CASE)].map((one) => ({
  ...one,
  id: `${one.id}.direct`,
  what: `${one.what}, own RTSP reader`,
  seconds: SHORT_SECONDS,
}));

/** The same without MSE. */
function decoded(one: Case): Case {
  const id = `${one.id}.webcodecs`;
  return { ...one, id, what: `${one.what}, by WebCodecs`, query: '&renderer=webcodecs', goal: WEBRTC, seconds: SHORT_SECONDS };
}

export async function latency(browser: Browser, tell: Tell): Promise<Findings> {
  const medians = new Map<string, number | undefined>();
  for (const [reader, cases] of [['ffmpeg', BY_FFMPEG], ['direct', DIRECT]] as const) {
    const world = await startWorld({
      cameras: [SMALL, LARGE, SOUND, LOSSY],
      transcoders: [['--linger', '1s', '--reader', reader]],
    });
    try {
      for (const one of cases) {
        const figures = await measure(browser, world, one);
        tell(...figures);
        medians.set(one.id, figures[0]?.p50);
      }
      if (reader === 'direct') continue;
      tell(...(await lossy(browser, world)));
      for (const camera of [SMALL, LARGE]) await yardsticks(browser, world, camera, tell);
    } finally {
      await world.end();
    }
  }
  const [limited, free] = [medians.get('720p'), medians.get('piped')];
  if (limited !== undefined && free !== undefined) {
    const about = { id: 'latency.limit', title: 'What the 4 KB turn of mosquitto 2.0 costs, 720p', unit: 'ms' };
    tell(single({ ...about, goal: { value: 8 } }, limited - free));
  }
  return {};
}

async function measure(browser: Browser, world: WorldProcess, one: Case): Promise<Figure[]> {
  const pipe = one.piped ? await startPipe(world.parts.mqtt) : undefined;
  const page = await openPage(browser);
  if (pipe) await redirect(page, pipe.url);
  await page.goto(world.page(`source=${one.camera.name}&autoplay${one.query ?? ''}`));
  await firstFrame(page);
  await page.waitForTimeout(SETTLE_SECONDS * 1000);

  const before = await stalls(page);
  const busy = new BusyMeter();
  const frames = await watch(page, one.seconds ?? SECONDS);
  const common = { busy: busy.percent };
  const after = await stalls(page);
  await page.close();
  pipe?.end();
  await quiet(world);

  const id = `latency.${one.id}`;
  return [
    distribution({ ...common, id, title: `Latency, ${one.what}`, unit: 'ms', goal: one.goal }, ages(frames)),
    single({ ...common, id: `${id}.missing`, title: `Frames not shown, ${one.what}`, unit: '%', goal: { value: 0.3 } }, missing(frames, FPS)),
    single({ ...common, id: `${id}.stalls`, title: `Stalls, ${one.what}`, unit: '', goal: { value: 0 } }, after - before),
  ];
}

async function lossy(browser: Browser, world: WorldProcess): Promise<Figure[]> {
  const page = await openPage(browser);
  await page.goto(world.page(`source=${LOSSY.name}&autoplay`));
  await firstFrame(page);
  await page.waitForTimeout(SETTLE_SECONDS * 1000);
  const busy = new BusyMeter();
  const frames = await watch(page, YARDSTICK_SECONDS);
  const about = { busy: busy.percent, goal: { value: FREEZE_MS } };
  await page.close();
  await quiet(world);
  const title = 'Longest pause when the camera loses a frame in 50';
  return [single({ ...about, id: 'latency.lossy', title, unit: 'ms' }, longestPause(frames))];
}

async function yardsticks(browser: Browser, world: WorldProcess, camera: Camera, tell: Tell): Promise<void> {
  const [width = 0, height = 0] = (camera.size ?? '').split('x').map(Number);
  const url = world.camera(camera.name);
  const what = camera === SMALL ? '360p' : '720p';
  const yardstick = (id: string, title: string, busy: BusyMeter, values: number[]): void => {
    const about = { id: `latency.${what}.${id}`, title: `${title}, ${what}`, unit: 'ms', yardstick: true, busy: busy.percent };
    tell(distribution(about, values));
  };
  const rest = (seconds: number): Promise<void> => new Promise((done) => setTimeout(done, seconds * 1000));

  let busy = new BusyMeter();
  const floor = Decoder.ofCamera(url, width, height);
  await rest(YARDSTICK_SECONDS);
  yardstick('floor', 'Floor: an RTSP reader that decodes', busy, decodedAges(floor.frames, 2000));
  await floor.end();

  // 3.1 holds both sizes; what the stream says more is not for the browser to choose by.
  const chain = await startChain(url, world.parts.mqtt, world.parts.ws_direct, 'avc1.42C01F');
  busy = new BusyMeter();
  const subscriber = await mqtt.connectAsync(world.parts.mqtt);
  const decoder = new Decoder(['-probesize', '32', '-f', 'mp4', '-i', 'pipe:0'], width, height);
  subscriber.on('message', whole((bytes) => decoder.write(bytes)));
  await subscriber.subscribeAsync('chain/#');
  await rest(YARDSTICK_SECONDS);
  yardstick('broker', 'Bare ffmpeg → broker, decoded there', busy, decodedAges(decoder.frames, 2000));
  await decoder.end();
  await subscriber.endAsync();

  const page = await openPage(browser);
  await page.goto(chain.url);
  await firstFrame(page);
  await rest(SETTLE_SECONDS);
  busy = new BusyMeter();
  const frames = await watch(page, YARDSTICK_SECONDS);
  yardstick('chain', 'Bare ffmpeg → broker → a small MSE page', busy, ages(frames));
  const about = { id: `latency.${what}.chain.missing`, unit: '%', yardstick: true, busy: busy.percent };
  tell(single({ ...about, title: `Frames not shown, bare ffmpeg → broker → a small MSE page, ${what}` }, missing(frames, FPS)));
  await page.close();
  await chain.end();
}

/** Has the page dial another address than the gatekeeper names. */
async function redirect(page: Page, broker: string): Promise<void> {
  await page.route('**/config.json', async (route) => {
    const response = await route.fetch();
    const config = (await response.json()) as Record<string, unknown>;
    await route.fulfill({ response, json: { ...config, brokerWebsocket: broker } });
  });
}

function stalls(page: Page): Promise<number> {
  return page.evaluate(
    () => (document.querySelector('mqtt-video') as HTMLElement & { stats: { stalls: number } }).stats.stalls,
  );
}
