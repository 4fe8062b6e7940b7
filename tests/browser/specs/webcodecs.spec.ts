// The renderer without a buffer, for video alone: what it must do as the other one does, and when it gives way to it.
import type { Page } from '@playwright/test';
import { awaitFrame, awaitLive, expectSmooth, expectUnbroken, observe, summary } from '../support/observe.ts';
import { awaitGenerationAfter, awaitPictureWidth, expectState, latencies, stats } from '../support/player.ts';
import { expect, test, type Camera, type World } from '../support/world.ts';

const LOBBY: Camera = { name: 'lobby', kind: 'aac' };
/** A frame at 30 frames a second. */
const FRAME_MS = 1000 / 30;

async function watch(page: Page, world: World, query = ''): Promise<void> {
  await page.goto(world.page(`source=lobby&autoplay&renderer=webcodecs${query}`));
  await awaitFrame(page);
}

/** What the element plays from; another one is another stage. */
function stream(page: Page): Promise<string | undefined> {
  return page.evaluate(() => {
    const { video } = document.querySelector('mqtt-video') as HTMLElement & { video: HTMLVideoElement };
    return (video.srcObject as MediaStream | null)?.id;
  });
}

for (const kind of ['silent', 'bframes', 'gop4'] as const) {
  test(`a camera plays without a buffer, and the latency that is shown is true: ${kind}`, async ({ page, startWorld }) => {
    const world = await startWorld({ cameras: [{ ...LOBBY, kind }], transcoders: [[]] });
    await watch(page, world);
    await expect.poll(async () => (await stats(page)).latencyMs).toBeDefined();

    const [seen, shown] = await Promise.all([observe(page, 10), latencies(page, 10)]);
    const after = await stats(page);

    const glass = seen.frames.flatMap(({ age }) => age ?? []);
    const figures = `glass p50 ${median(glass)}, shown p50 ${median(shown)}; ${summary(seen)}`;
    test.info().annotations.push({ type: 'seen', description: `first frame ${after.firstFrameMs} ms; ${figures}` });
    expect(after.renderer).toBe('webcodecs');
    expectSmooth(seen);
    expect(Math.min(...steps(seen.frames.flatMap(({ stamp }) => stamp ?? []))), `never back: ${figures}`).toBeGreaterThan(0);
    // What a camera with B-frames takes to put them in order is before the worker's stamp.
    if (kind !== 'bframes') expect(Math.abs(median(shown) - median(glass)), figures).toBeLessThanOrEqual(FRAME_MS);
    expect(after.decoderErrors, figures).toBe(0);
  });
}

test('the picture goes on in the same stream when ffmpeg is killed', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await watch(page, world);
  const before = await stream(page);
  const { generation } = await stats(page);

  await world.kill('ffmpeg');

  await awaitGenerationAfter(page, generation);
  await awaitFrame(page);
  expectSmooth(await observe(page, 5));
  expect(await stream(page)).toBe(before);
  expect(await stats(page)).toMatchObject({ renderer: 'webcodecs', decoderErrors: 0 });
});

test('the picture goes on in the same stream when the camera comes back with another size', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await watch(page, world);
  const before = await stream(page);
  await awaitPictureWidth(page, 640);

  await world.restart('camera:lobby', { size: '960x540' });

  await awaitPictureWidth(page, 960);
  expectSmooth(await observe(page, 5));
  expect(await stream(page)).toBe(before);
  expect(await stats(page)).toMatchObject({ renderer: 'webcodecs', decoderErrors: 0, width: 960, height: 540 });
});

test('the picture goes on when the connection is cut', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await watch(page, world);

  await world.cut();

  await expect.poll(async () => (await stats(page)).reconnects).toBe(1);
  await awaitLive(page);
  expectSmooth(await observe(page, 5));
  expect((await stats(page)).renderer).toBe('webcodecs');
});

test('the picture goes on in the same stream when the camera was gone for 8 s', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await watch(page, world);
  const before = await stream(page);

  await world.stop('camera:lobby');
  const goneAt = Date.now();
  await expectState(page, 'restarting');
  await page.waitForFunction((at) => Date.now() - at >= 8000, goneAt);
  await world.run('camera:lobby');

  await expectState(page, 'playing');
  await awaitFrame(page);
  expectSmooth(await observe(page, 5));
  expect(await stream(page)).toBe(before);
  expect((await stats(page)).decoderErrors).toBe(0);
});

test('the picture does not stand when the transcoder hands it over to another', async ({ page, startWorld }) => {
  // At this rate both workers publish the same frame or two.
  const world = await startWorld({ cameras: [{ ...LOBBY, size: '320x180', fps: 15 }], transcoders: [[], []] });
  await watch(page, world);
  const before = await stream(page);
  const { worker = '' } = await stats(page);

  const seen = observe(page, 8);
  await world.stop(worker);

  expectUnbroken(await seen);
  expect(await stream(page)).toBe(before);
  expect(await stats(page)).toMatchObject({ renderer: 'webcodecs', decoderErrors: 0 });
  expect((await stats(page)).worker).not.toBe(worker);
});

test('after a network that stood still the picture is live again, not late', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await watch(page, world);

  await world.freeze();
  const frozenAt = Date.now();
  await page.waitForFunction((at) => Date.now() - at >= 6000, frozenAt);
  await world.thaw();

  await awaitLive(page);
  expectSmooth(await observe(page, 5));
  expect((await stats(page)).decoderErrors).toBe(0);
});

test('sound takes the other renderer, and silence comes back', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY], transcoders: [[]] });
  await watch(page, world, '&muted=0');
  expect(await stats(page)).toMatchObject({ renderer: 'mse', tracks: ['video', 'audio'] });
  expect((await observe(page, 3)).audioBytes).toBeGreaterThan(0);

  await page.locator('#mute').click();

  await expect.poll(async () => (await stats(page)).renderer).toBe('webcodecs');
  await awaitFrame(page);
  expectSmooth(await observe(page, 3));

  await page.locator('#mute').click();

  await expect.poll(async () => (await stats(page)).renderer).toBe('mse');
  expect((await observe(page, 3)).audioBytes).toBeGreaterThan(0);
});

test('a browser that does not offer a decoder takes the other renderer', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY], transcoders: [[]] });
  // As on a page that is no secure context.
  await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'VideoDecoder'));
  await watch(page, world);
  expectSmooth(await observe(page, 3));
  expect((await stats(page)).renderer).toBe('mse');
});

test('a decoder that refuses the stream makes place for the other renderer', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY], transcoders: [[]] });
  await page.addInitScript(() => {
    VideoDecoder.isConfigSupported = (config) => Promise.resolve({ supported: false, config });
  });
  await watch(page, world);
  await expect.poll(async () => (await stats(page)).renderer).toBe('mse');
  expectSmooth(await observe(page, 3));
});

function steps(values: readonly number[]): number[] {
  return values.slice(1).map((value, index) => value - (values[index] ?? value));
}

function median(values: readonly number[]): number {
  return Math.round(values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN);
}
