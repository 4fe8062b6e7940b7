// What goes wrong around a page that plays, and that the page plays on: nobody touches it.
import type { Page } from '@playwright/test';
import { awaitFrame, awaitLive, expectSmooth, expectUnbroken, observe, summary } from '../support/observe.ts';
import { awaitGenerationAfter, awaitPictureWidth, expectState, pictureSource, stats } from '../support/player.ts';
import { expect, test, type Camera, type World } from '../support/world.ts';

const LOBBY: Camera = { name: 'lobby', kind: 'aac' };

async function watch(page: Page, world: World, query = ''): Promise<void> {
  await page.goto(world.page(`source=lobby&autoplay${query}`));
  await awaitFrame(page);
}

test('one camera frame in 50 lost freezes nothing', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [{ ...LOBBY, loss: 50 }] });
  await watch(page, world);
  const seen = await observe(page, 20);
  // A lost frame of the camera is one step of two frames, and nothing more.
  expectSmooth(seen, { fps: (30 * 49) / 50, readable: 0.5 });
  expect((await stats(page)).stalls, summary(seen)).toBe(0);
});

for (const { tracks, query } of [
  { tracks: 'picture', query: '' },
  { tracks: 'picture and sound', query: '&muted=0' },
]) {
  test(`${tracks} go on in the same MediaSource when ffmpeg is killed`, async ({ page, startWorld }) => {
    const world = await startWorld({ cameras: [LOBBY] });
    await watch(page, world, query);
    const source = await pictureSource(page);
    const { generation } = await stats(page);

    await world.kill('ffmpeg');

    await awaitGenerationAfter(page, generation);
    const seen = await observe(page, 5);
    expectSmooth(seen);
    expect(seen.src).toBe(source);
    if (query) expect(seen.audioBytes).toBeGreaterThan(0);
    expect((await stats(page)).decoderErrors).toBe(0);
  });

  test(`${tracks} go on in the same MediaSource when the camera comes back with another size`, async ({ page, startWorld }) => {
    const world = await startWorld({ cameras: [LOBBY] });
    await watch(page, world, query);
    const source = await pictureSource(page);
    await awaitPictureWidth(page, 640);

    await world.restart('camera:lobby', { size: '960x540' });

    await awaitPictureWidth(page, 960);
    const seen = await observe(page, 5);
    expectSmooth(seen);
    expect(seen.src).toBe(source);
    if (query) expect(seen.audioBytes).toBeGreaterThan(0);
  });
}

for (const { tracks, query } of [
  { tracks: 'picture', query: '' },
  { tracks: 'picture and sound', query: '&muted=0' },
]) {
  test(`${tracks} do not stand when the transcoder hands them over to another`, async ({ page, startWorld }) => {
    // At this rate both workers publish the same frame or two.
    const world = await startWorld({ cameras: [{ ...LOBBY, size: '320x180', fps: 15 }], transcoders: [[], []] });
    await watch(page, world, query);
    const source = await pictureSource(page);
    const { worker = '' } = await stats(page);

    const seen = observe(page, 8);
    await world.stop(worker);

    // What both have published is shown twice at most, and the player makes up for it by its speed.
    expectUnbroken(await seen);
    expect((await seen).src).toBe(source);
    expect((await stats(page)).worker).not.toBe(worker);
    expect((await stats(page)).stalls, summary(await seen)).toBe(0);
  });
}

test('a camera that is gone for 10 s is back on screen within 5 s of its return', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await watch(page, world);
  const source = await pictureSource(page);

  await world.stop('camera:lobby');
  const goneAt = Date.now();
  await expectState(page, 'restarting');
  await expect(page.locator('#state')).toHaveText('Camera lost, reconnecting…');
  await page.waitForFunction((at) => Date.now() - at >= 10_000, goneAt);
  await world.run('camera:lobby');
  const backAt = Date.now();

  await awaitFrame(page);
  expect(Date.now() - backAt).toBeLessThan(5000);
  await expectState(page, 'playing');
  await awaitLive(page);
  expectSmooth(await observe(page, 5));
  expect(await pictureSource(page)).toBe(source);
});

test('a gatekeeper that restarts is not noticed', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await watch(page, world);
  const watching = observe(page, 10);

  await world.kill('gatekeeper');
  await world.run('gatekeeper');

  expectSmooth(await watching);
  expect(await stats(page)).toMatchObject({ state: 'playing', stalls: 0, reconnects: 0 });
});

test('a broker that restarts costs a moment', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await watch(page, world);
  const source = await pictureSource(page);

  await world.kill('mosquitto');
  await expectState(page, 'reconnecting');
  await world.run('mosquitto');

  await expectState(page, 'playing');
  await awaitLive(page);
  expectSmooth(await observe(page, 5));
  expect(await pictureSource(page)).toBe(source);
});

test('a connection that is cut comes back by itself', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await watch(page, world);
  const source = await pictureSource(page);

  await world.cut();

  await expect.poll(async () => (await stats(page)).reconnects).toBe(1);
  await expectState(page, 'playing');
  await awaitLive(page);
  expectSmooth(await observe(page, 5));
  expect(await pictureSource(page)).toBe(source);
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
});

test('closing our tab ends its ffmpeg', async ({ page, context, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY], transcoders: [['--linger', '1s', '--viewer-grace', '3s']] });
  const tab = await context.newPage();
  await watch(tab, world);
  await world.expectFfmpegs(1);

  await tab.close();

  await world.expectFfmpegs(0);
  await page.goto('about:blank');
});
