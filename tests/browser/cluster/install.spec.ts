// An install with defaults, and an upgrade under load.
import { expectUnbroken, observe, summary } from '../support/observe.ts';
import { expect, test } from './support/release.ts';
import { awaitFrames, expectNoGapOver, openWall, report, watch } from './support/watcher.ts';

test('a camera that is a pod plays in a browser outside the cluster', async ({ page, release }) => {
  await page.goto(release.page('source=one&autoplay'));
  // The services have only just started, on the same processors.
  await awaitFrames(page, 30);
  const seen = await observe(page, 10);
  expectUnbroken(seen);
  expect(seen.decoded, summary(seen)).toBeGreaterThan(10 * 15 * 0.93);
});

test('helm test passes, and describes the camera', async ({ release }) => {
  expect(await release.test()).toContain('the camera was reached');
});

test('an upgrade that restarts every service leaves the picture standing for no second', async ({ page, release }) => {
  const before = [...(await release.podNames('gatekeeper')), ...(await release.podNames('transcoder'))];
  await openWall(page, release.page('sources=one,two', '/wall'), 2);

  await watch(page);
  await release.upgrade('log.level=debug');
  // Those of the old pods that still drain are not among them.
  await expect.poll(async () => (await release.podNames('transcoder')).length).toBe(2);
  await awaitFrames(page, 30);

  const after = [...(await release.podNames('gatekeeper')), ...(await release.podNames('transcoder'))];
  expect(after.filter((pod) => before.includes(pod)), 'pods that were not replaced').toEqual([]);
  expectNoGapOver(1000, await report(page, 'upgrade'));
});
