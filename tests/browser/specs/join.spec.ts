// Joining a stream that runs: the picture is there at once, wherever in its group of pictures the stream is.
import type { Page } from '@playwright/test';
import { awaitFrame } from '../support/observe.ts';
import { noteSyncSamples, syncSamples } from '../support/sync-samples.ts';
import { expect, test } from '../support/world.ts';

const GOP_S = 4;

test('a second viewer sees its first frame before the next keyframe', async ({ page, context, startWorld }) => {
  const world = await startWorld({ cameras: [{ name: 'lobby', kind: 'gop4' }] });
  await noteSyncSamples(page);
  await page.goto(world.page('source=lobby&autoplay'));
  await awaitFrame(page);
  // The next page loads well within one group of pictures when it starts right after a keyframe, and then some frames.
  const keyframe = await awaitKeyframe(page);
  await page.waitForFunction((time) => playhead() > time, keyframe + 0.5);

  const second = await context.newPage();
  await noteSyncSamples(second);
  await second.addInitScript(() => {
    addEventListener('firstframe', () => Object.assign(globalThis, { firstFrameAt: playhead() }));
  });
  const liveWhenAsked = await page.evaluate(() => playhead());
  await second.goto(world.page('source=lobby&autoplay'));
  await second.waitForFunction(() => 'firstFrameAt' in globalThis);

  const [joinedFrom] = await syncSamples(second);
  const firstFrame = await second.evaluate(() => (globalThis as unknown as { firstFrameAt: number }).firstFrameAt);
  expect(joinedFrom, 'it was given the group of pictures that was under way').toBeCloseTo(keyframe, 3);
  expect(firstFrame, 'its first frame is a live one').toBeGreaterThan(liveWhenAsked - 1);
  expect(firstFrame, 'and lies before the next keyframe').toBeLessThan(keyframe + GOP_S);
  await second.close();
});

/** Waits for the next keyframe that the page is given; its presentation time. */
async function awaitKeyframe(page: Page): Promise<number> {
  const known = (await syncSamples(page)).length;
  await expect.poll(async () => (await syncSamples(page)).length, { intervals: [50] }).toBeGreaterThan(known);
  return (await syncSamples(page))[known] ?? NaN;
}
