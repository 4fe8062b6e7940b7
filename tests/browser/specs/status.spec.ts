// The status page, of a world that plays and breaks.
import type { Locator, Page } from '@playwright/test';
import axe, { type AxeResults } from 'axe-core';
import { awaitFrame } from '../support/observe.ts';
import { stats } from '../support/player.ts';
import { expect, test, type Camera } from '../support/world.ts';

const LOBBY: Camera = { name: 'lobby', kind: 'aac' };

/** A row of a table, by what its first cell says. */
function row(page: Page, table: string, name: string): Locator {
  const heading = page.getByRole('rowheader', { name, exact: true });
  return page.getByRole('table', { name: table }).getByRole('row').filter({ has: heading });
}

function cell(row: Locator, label: string): Locator {
  return row.locator(`[data-label="${label}"]`);
}

function latency(page: Page): Locator {
  return page.getByRole('article').filter({ has: page.getByRole('heading', { name: 'Latency' }) });
}

test('a stream is shown with its transcoder, its viewers and their latency', async ({ page, context, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await page.goto(world.page('', '/status'));
  await expect(page.getByText('All is well')).toBeVisible();
  await expect(page.getByText('No camera is running.')).toBeVisible();
  for (const name of ['transcoder0', 'transcoder1']) {
    await expect(cell(row(page, 'Transcoders', name), 'State')).toHaveText('Ready');
  }

  const viewer = await context.newPage();
  await viewer.goto(world.page('source=lobby&autoplay'));
  await awaitFrame(viewer);

  const stream = row(page, 'Streams', 'lobby');
  await expect(cell(stream, 'State')).toHaveText('Live');
  await expect(cell(stream, 'Viewers')).toHaveText('1');
  await expect(cell(stream, 'Picture')).toHaveText(/^640 × 360, (29|30|31) fps$/);
  const worker = (await stats(viewer)).worker ?? '';
  await expect(cell(stream, 'Transcoder')).toHaveText(worker);
  await expect(cell(row(page, 'Transcoders', worker), 'Slots in use')).toHaveText('1 of 16');
  // What players report each 10 s.
  await expect(latency(page).getByRole('definition').first()).toHaveText(/^\d+ ms$/);
  await expect(latency(page).getByRole('img')).toHaveAccessibleName(/^Latency over the last 5 minutes. Median: .*now \d+ ms/);

  await page.getByRole('link', { name: 'lobby' }).click();
  await awaitFrame(page);
});

test('a transcoder that was killed is shown as lost, and its stream where it went', async ({ page, context, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  const viewer = await context.newPage();
  await viewer.goto(world.page('source=lobby&autoplay'));
  await awaitFrame(viewer);
  await page.goto(world.page('', '/status'));
  const place = cell(row(page, 'Streams', 'lobby'), 'Transcoder');
  await expect(place).toHaveText(/./);
  const victim = (await place.textContent()) ?? '';
  const heir = victim === 'transcoder0' ? 'transcoder1' : 'transcoder0';

  await world.kill(victim);

  await expect(cell(row(page, 'Transcoders', victim), 'State')).toHaveText('Lost');
  await expect(place).toHaveText(heir);
  await expect(cell(row(page, 'Streams', 'lobby'), 'State')).toHaveText('Live');
  await expect(cell(row(page, 'Streams', 'lobby'), 'Viewers')).toHaveText('1');
  await expect(page.getByRole('status')).toContainText(`1 transcoder lost: ${victim}`);

  await world.run(victim);
  await expect(page.getByRole('status')).toContainText('All is well');
});

test('a camera that is lost is named with what is the matter', async ({ page, context, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  const viewer = await context.newPage();
  await viewer.goto(world.page('source=lobby&autoplay'));
  await awaitFrame(viewer);
  await page.goto(world.page('', '/status'));
  await expect(cell(row(page, 'Streams', 'lobby'), 'State')).toHaveText('Live');

  await world.kill('camera:lobby');

  await expect(page.getByRole('status')).toContainText('1 camera has no picture: lobby');
  await expect(cell(row(page, 'Streams', 'lobby'), 'State')).toContainText('No picture, trying again');
  await expect(cell(row(page, 'Streams', 'lobby'), 'State')).toContainText('The camera does not answer');
});

test('a gatekeeper that does not answer is told, with how old the rest is, until it is back', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  await page.goto(world.page('', '/status'));
  await expect(page.getByText('All is well')).toBeVisible();
  await world.kill('gatekeeper');
  await expect(page.getByRole('status')).toContainText('The gatekeeper does not answer');
  await expect(page.getByRole('status')).toContainText(/What stands below is \d+ s old/);
  await expect(row(page, 'Transcoders', 'transcoder0')).toBeVisible();
  await world.run('gatekeeper');
  await expect(page.getByText('All is well')).toBeVisible();
});

test('a page that nobody sees asks nothing, and asks at once when it is seen', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: [LOBBY] });
  let asked = 0;
  page.on('request', (request) => (asked += Number(request.url().endsWith('/status.json'))));
  await page.clock.install();
  await page.goto(world.page('', '/status'));
  await expect(page.getByText('All is well')).toBeVisible();
  const hide = (hidden: boolean): Promise<void> =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);

  await hide(true);
  const before = asked;
  await page.clock.runFor('01:00');
  expect(asked).toBe(before);
  const answer = page.waitForResponse('**/status.json');
  await hide(false);
  await answer;
});

for (const { name, width, height } of [
  { name: 'a desk', width: 1280, height: 800 },
  { name: 'a telephone', width: 360, height: 740 },
]) {
  test(`on ${name} it fits and has no accessibility faults that a machine can find`, async ({ page, context, startWorld }) => {
    const world = await startWorld({
      cameras: [LOBBY, { name: 'loading-bay-behind-the-north-warehouse-no.2', kind: 'silent' }],
    });
    const viewer = await context.newPage();
    await viewer.goto(world.page('', '/wall'));
    await expect(viewer.locator('#tally')).toHaveText('2 of 2 live');
    await page.setViewportSize({ width, height });
    await page.goto(world.page('', '/status'));
    await expect(row(page, 'Streams', 'lobby')).toBeVisible();
    await expect(latency(page).getByRole('definition').last()).toHaveText(/^\d+ ms$/);
    await world.kill('transcoder1');
    await expect(cell(row(page, 'Transcoders', 'transcoder1'), 'State')).toHaveText('Lost');
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(overflow, 'nothing reaches over the side').toBe(0);
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate<AxeResults>('axe.run()');
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);
    await page.screenshot({ path: test.info().outputPath('status.png'), fullPage: true });
  });
}
