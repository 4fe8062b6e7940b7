// The page as the first one was goes on working: it plays, it stops, and its habits harm nobody.
import type { Page } from '@playwright/test';
import { OldPage } from '../support/old-page.ts';
import { awaitFrame, expectSmooth, observe, PLAYER } from '../support/observe.ts';
import { expectState, stats } from '../support/player.ts';
import { expect, test as base, type World } from '../support/world.ts';

const test = base.extend<{ oldPage: OldPage }>({
  oldPage: async ({}, use) => {
    const oldPage = await OldPage.serve();
    await use(oldPage);
    oldPage.close();
  },
});

const VIDEO = '#video';
// Short, so that the end of a viewer shows soon; the claims are about that it ends, and whom it takes along.
const QUICK = [['--linger', '1s', '--viewer-grace', '3s']];
const LOBBY = { name: 'lobby', kind: 'aac' } as const;

async function open(page: Page, oldPage: OldPage, world: World): Promise<void> {
  await page.goto(oldPage.address(world.broker, world.camera('lobby')));
  await expect(page.locator('#play')).toBeEnabled();
}

async function play(page: Page): Promise<void> {
  await page.locator('#play').click();
  await awaitFrame(page, VIDEO);
}

test('it plays H.264 with AAC without a run of dropped frames, and Stop ends its ffmpeg', async ({ page, startWorld, oldPage }) => {
  const world = await startWorld({ cameras: [LOBBY], transcoders: QUICK });
  await open(page, oldPage, world);
  await play(page);

  const seen = await observe(page, 20, VIDEO);

  expectSmooth(seen);
  expect(seen.audioBytes, 'with sound').toBeGreaterThan(0);
  await world.expectFfmpegs(1);
  await page.locator('#stop').click();
  await world.expectFfmpegs(0);
});

test('it plays at once beside another tab that watches the same', async ({ page, context, startWorld, oldPage }) => {
  const world = await startWorld({ cameras: [LOBBY], transcoders: QUICK });
  const ours = await context.newPage();
  await ours.goto(world.page('source=lobby&autoplay&profile=legacy'));
  await awaitFrame(ours);

  // A tab that is covered by another is shown a frame a second.
  await page.bringToFront();
  await open(page, oldPage, world);
  await play(page);
  expectSmooth(await observe(page, 5, VIDEO));
  await world.expectFfmpegs(1);
  await ours.close();
});

test('closing its tab ends its ffmpeg', async ({ page, context, startWorld, oldPage }) => {
  const world = await startWorld({ cameras: [LOBBY], transcoders: QUICK });
  const tab = await context.newPage();
  await open(tab, oldPage, world);
  await play(tab);
  await world.expectFfmpegs(1);

  await tab.close();

  await world.expectFfmpegs(0);
  await page.goto('about:blank');
});

test('a second tab that takes its client id harms nobody else', async ({ page, context, startWorld, oldPage }) => {
  const world = await startWorld({ cameras: [LOBBY], transcoders: QUICK });
  await page.goto(world.page('source=lobby&autoplay'));
  await awaitFrame(page);
  const first = await context.newPage();
  await open(first, oldPage, world);
  await play(first);
  await world.expectFfmpegs(2);

  // Ours is on screen, as are pages that nobody covers, while the others come and go.
  await page.bringToFront();
  const watching = observe(page, 25, PLAYER);
  const second = await context.newPage();
  await open(second, oldPage, world);
  await expect(first.locator('#message'), 'the broker drops the first').toContainText('Connection lost');
  await page.bringToFront();
  await world.expectFfmpegs(1);
  await second.bringToFront();
  await play(second);
  await page.bringToFront();
  await world.expectFfmpegs(2);
  await second.locator('#stop').dispatchEvent('click');
  await world.expectFfmpegs(1);

  expectSmooth(await watching);
  await expectState(page, 'playing');
  expect(await stats(page)).toMatchObject({ stalls: 0, reconnects: 0 });
  await first.close();
  await second.close();
});
