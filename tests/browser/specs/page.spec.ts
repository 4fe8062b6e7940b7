// The page as a product: what it says when it cannot play, who can use it, and what it looks like.
import { copyFile, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Page } from '@playwright/test';
import axe, { type AxeResults } from 'axe-core';
import { awaitFrame } from '../support/observe.ts';
import { expectState, stats } from '../support/player.ts';
import { expect, test, type Camera } from '../support/world.ts';

const LOBBY: Camera = { name: 'lobby', kind: 'aac' };
const IMAGES = resolve(import.meta.dirname, '../../../docs/images');

test('an address that is not allowed is refused in words', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await page.goto(world.page(''));
  await page.getByLabel('Play by address').fill('rtsp://10.9.8.7/private');
  await page.getByLabel('Play by address').press('Enter');

  await expectState(page, 'failed');
  await expect(page.locator('mqtt-video').getByRole('status')).toContainText('not on the list');
  await expect(page.locator('mqtt-video').getByRole('button', { name: 'Try again' })).toBeVisible();
  await world.expectFfmpegs(0);
});

test('a broker address that no browser can open is named as such', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await page.goto(world.page(''));
  for (const broker of ['broker.example', 'ws://:99999']) {
    await page.evaluate((broker) => {
      const element = document.createElement('mqtt-video');
      for (const [name, value] of Object.entries({ source: 'lobby', broker, autoplay: '', muted: '' })) element.setAttribute(name, value);
      document.querySelector('mqtt-video')?.replaceWith(element);
    }, broker);
    await expect(page.locator('mqtt-video').getByRole('status')).toContainText('address of the message broker');
  }
});

test('a full service says that all places are taken, and lets the next one in', async ({ page, context, startWorld }) => {
  const world = await startWorld({
    cameras: [LOBBY, { name: 'yard', kind: 'silent' }],
    transcoders: [['--max-streams', '1', '--linger', '1s']],
  });
  const first = await context.newPage();
  await first.goto(world.page('source=lobby&autoplay'));
  await awaitFrame(first);

  await page.goto(world.page('source=yard&autoplay'));
  await expectState(page, 'waiting');
  await expect(page.locator('#state')).toContainText('All places are taken');

  await first.locator('#play').click();
  await awaitFrame(page);
  await first.close();
});

test('a camera that does not answer is named as such, and plays when it does', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [{ ...LOBBY, running: false }] });
  await page.goto(world.page('source=lobby&autoplay'));
  await expect(page.locator('#state')).toContainText('The camera does not answer');
  await world.run('camera:lobby');
  await awaitFrame(page);
  await expectState(page, 'playing');
});

test('the keyboard alone picks a camera, plays, unmutes and stops', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await page.goto(world.page(''));
  await page.getByRole('button', { name: 'lobby' }).focus();
  await page.keyboard.press('Enter');
  await awaitFrame(page);
  await page.keyboard.press('m');
  await page.waitForFunction(() => {
    const { video } = document.querySelector('mqtt-video') as HTMLElement & { video: HTMLVideoElement };
    const { webkitAudioDecodedByteCount } = video as unknown as { webkitAudioDecodedByteCount: number };
    return !video.muted && webkitAudioDecodedByteCount > 0;
  });
  await page.keyboard.press('k');
  await expectState(page, 'idle');
});

test('how well it played is counted once', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await page.goto(world.page('source=lobby&autoplay'));
  const reports = 'mqtt_video_player_reports_total{outcome="ok"}';
  const frames = 'mqtt_video_player_frames_total{fate="decoded"}';
  // Two while it plays, one when it ends.
  await expect.poll(() => world.counted(reports)).toBe(2);
  const { decodedFrames } = await stats(page);
  await page.keyboard.press('k');
  await expectState(page, 'idle');
  await expect.poll(() => world.counted(reports)).toBe(3);
  const counted = await world.counted(frames);
  expect(counted).toBeGreaterThanOrEqual(decodedFrames);
  expect(counted, 'no frame is in two reports').toBeLessThan(decodedFrames + 90);
  expect(await world.counted('mqtt_video_player_first_frame_seconds_count')).toBe(1);
});

for (const { name, path, query, ready } of [
  { name: 'player', path: '/', query: 'source=lobby&autoplay', ready: 'Live' },
  { name: 'wall', path: '/wall', query: '', ready: '2 of 2 live' },
]) {
  test(`the ${name} has no accessibility faults that a machine can find`, async ({ page, startWorld }) => {
    const world = await startWorld({ cameras: [LOBBY, { name: 'yard', kind: 'silent' }] });
    await page.goto(world.page(query, path));
    await expect(page.getByText(ready, { exact: true }).first()).toBeVisible();
    expect(await faults(page)).toEqual([]);
  });
}

test('it fits a telephone', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(world.page('source=lobby&autoplay'));
  await awaitFrame(page);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(overflow, 'nothing reaches over the side').toBe(0);
});

test('it looks as the README shows it', async ({ page, startWorld }) => {
  const names = ['entrance', 'garage', 'lobby', 'loading', 'stairs', 'yard'];
  const world = await startWorld({
    cameras: names.map((name) => ({ name, kind: 'aac', size: '640x360', fps: 15, bitrate: 800, plain: true })),
  });
  await page.goto(world.page('source=lobby&autoplay'));
  await awaitFrame(page);
  await page.getByRole('button', { name: 'Figures' }).click();
  await expect(page.locator('mqtt-video').getByText('15 fps')).toBeVisible();
  await expect.poll(async () => (await stats(page)).decodedFrames).toBeGreaterThan(100);
  await picture(page, 'player.png');

  await page.goto(world.page('', '/wall'));
  await expect(page.locator('#tally')).toHaveText('6 of 6 live');
  await picture(page, 'wall.png');
});

/** Keeps a picture of the page among the test's results, and on request as the one that the documents show. */
async function picture(page: Page, name: string): Promise<void> {
  const path = test.info().outputPath(name);
  await page.screenshot({ path });
  if (process.env['UPDATE_SCREENSHOTS'] !== '1') return;
  await mkdir(IMAGES, { recursive: true });
  await copyFile(path, join(IMAGES, name));
}

async function faults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<AxeResults>('axe.run()');
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}
