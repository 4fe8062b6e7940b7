// More and fewer transcoders while pictures play.
import { expect, test } from './support/release.ts';
import { awaitFrames, expectNoGapOver, openWall, report, watch, workers } from './support/watcher.ts';

/** Seconds from keyframe to keyframe of the cameras, in milliseconds: what a moved picture may stand. */
const GOP_MS = 1000;

test('new streams spread over new workers, idle ones go first, and what moves does not stand', async ({ browser, page, release }) => {
  await release.scale('transcoder', 1);
  await release.idle();
  const [first = ''] = await release.podNames('transcoder');
  await openWall(page, release.page('sources=one,two,three,four,five,six', '/wall'), 6);
  expect(new Set(Object.values(await workers(page)))).toEqual(new Set([first]));
  await watch(page);

  await release.scale('transcoder', 3);
  const later = await browser.newPage();
  await openWall(later, release.page('sources=seven,eight', '/wall'), 2);
  const chosen = await workers(later);
  expect(Object.values(chosen), 'workers of new streams').not.toContain(first);
  await later.close();
  const idle = (await release.podNames('transcoder')).filter((name) => name !== first);
  await expect
    .poll(() => release.costs(), { message: 'what it costs to delete which worker' })
    .toEqual({ [first]: '6', ...Object.fromEntries(idle.map((name) => [name, '0'])) });

  await release.scale('transcoder', 1);
  expect(await release.podNames('transcoder')).toEqual([first]);
  await awaitFrames(page, 15);
  expectNoGapOver(GOP_MS, await report(page, '1 to 3 to 1, idle workers go'));
});

test('a worker that goes hands its streams over', async ({ page, release }) => {
  await release.scale('transcoder', 2);
  await release.idle();
  await openWall(page, release.page('sources=one,two,three,four,five,six', '/wall'), 6);
  const held = Object.values(await workers(page));
  expect(new Set(held).size, 'both workers have some').toBe(2);

  await watch(page);
  await release.scale('transcoder', 1);
  const [left] = await release.podNames('transcoder');
  await expect.poll(async () => new Set(Object.values(await workers(page)))).toEqual(new Set([left]));
  await awaitFrames(page, 30);
  expectNoGapOver(GOP_MS, await report(page, 'scale-in of a busy worker'));
});
