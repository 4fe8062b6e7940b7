// The latency that the player shows is true: it agrees with the clock that the camera burns into each frame.
//
// Two figures of one run are compared, both taken at the frames that come on screen: how old the burnt-in clock is by the
// clock of this machine, and what the player says. How long either is, is not judged. A stamp that was misread fails its
// check bits and counts for nothing.
import { observe, summary } from '../support/observe.ts';
import { latencies, stats } from '../support/player.ts';
import { expect, test } from '../support/world.ts';

const SECONDS = 12;
/** A frame at 30 frames a second. What is between the camera's clock and us is in it as well: its encoder, and a network. */
const TOLERANCE_MS = 1000 / 30;

/** Debian's libfaketime: moves the clock of a process, and leaves its stopwatches alone. */
const TWO_HOURS_AHEAD = {
  LD_PRELOAD: 'libfaketime.so.1',
  LD_LIBRARY_PATH: `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime`,
  FAKETIME: '+2h',
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
};

interface Case {
  readonly what: string;
  readonly fps: number;
  readonly query?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

// Silent cameras: one with sound holds its picture until its sound is encoded. Of a slow one a frame is twice the tolerance,
// so that a frame too much or too little shows for sure.
const CASES: readonly Case[] = [
  { what: 'a camera as it is', fps: 30 },
  { what: 'a transcode', fps: 30, query: '&profile=legacy' },
  { what: 'a slow camera as it is', fps: 15 },
  { what: 'a transcode of a slow camera', fps: 15, query: '&profile=legacy' },
  { what: 'a camera as it is, by a worker two hours ahead', fps: 15, environment: TWO_HOURS_AHEAD },
  { what: 'a transcode, by a worker two hours ahead', fps: 15, query: '&profile=legacy', environment: TWO_HOURS_AHEAD },
];

for (const { what, fps, query = '', environment } of CASES) {
  test(`the latency that is shown is true: ${what}`, async ({ page, startWorld }) => {
    const world = await startWorld({
      cameras: [{ name: 'lobby', kind: 'silent', fps }],
      transcoders: [[]],
      ...(environment && { transcoder_environment: environment }),
    });
    await page.goto(world.page(`source=lobby&autoplay${query}`));
    // Nobody is believed who has just begun to speak.
    await expect.poll(async () => (await stats(page)).latencyMs).toBeDefined();

    const [seen, shown] = await Promise.all([observe(page, SECONDS), latencies(page, SECONDS)]);
    const glass = seen.frames.flatMap(({ age }) => age ?? []);
    const figures = `glass p50/p95 ${quantiles(glass)}, shown p50/p95 ${quantiles(shown)}; ${summary(seen)}`;
    test.info().annotations.push({ type: 'seen', description: figures });

    expect(glass.length, `stamps are readable: ${figures}`).toBeGreaterThan(seen.frames.length * 0.9);
    expect(shown.length, `the player speaks of the same frames: ${figures}`).toBeGreaterThan(seen.frames.length * 0.9);
    expect(Math.abs(median(shown) - median(glass)), figures).toBeLessThanOrEqual(TOLERANCE_MS);
  });
}

function quantiles(values: readonly number[]): string {
  return [0.5, 0.95].map((fraction) => Math.round(quantile(values, fraction))).join('/');
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], fraction: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(fraction * (values.length - 1))] ?? NaN;
}
