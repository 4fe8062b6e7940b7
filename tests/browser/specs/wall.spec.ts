// The wall: many cameras, one connection.
import { expect, test, type Camera } from '../support/world.ts';

const CAMERAS: Camera[] = ['gate', 'hall', 'lobby', 'yard'].map((name) => ({
  name,
  kind: name === 'yard' ? 'g711' : 'aac',
  size: '320x180',
  fps: 15,
  bitrate: 300,
}));

test('a wall of four cameras takes one connection, and every tile plays', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: CAMERAS });
  const sockets: string[] = [];
  page.on('websocket', (socket) => sockets.push(socket.url()));

  await page.goto(world.page('sources=gate,hall,lobby,yard', '/wall'));

  await expect(page.locator('#tally')).toHaveText('4 of 4 live');
  const frames = await page.evaluate(async () => {
    const tiles = [...document.querySelectorAll('mqtt-video')] as (HTMLElement & { video: HTMLVideoElement })[];
    const later = (video: HTMLVideoElement): Promise<number> =>
      new Promise((resolve) => video.requestVideoFrameCallback(() => resolve(video.currentTime)));
    const before = await Promise.all(tiles.map(({ video }) => later(video)));
    const after = await Promise.all(tiles.map(({ video }) => later(video)));
    return after.map((time, index) => time - (before[index] ?? time));
  });
  expect(frames.every((advance) => advance > 0), `every clock runs: ${frames.join(', ')}`).toBe(true);
  expect(sockets).toHaveLength(1);
  await world.expectFfmpegs(4);
});

test('a tile that is taken off the wall stops, and the others go on', async ({ page, startWorld }) => {
  const world = await startWorld({ cameras: CAMERAS.slice(0, 2), transcoders: [['--linger', '1s']] });
  await page.goto(world.page('', '/wall'));
  await expect(page.locator('#tally')).toHaveText('2 of 2 live');

  await page.getByRole('button', { name: 'Choose cameras' }).click();
  await page.getByRole('checkbox', { name: 'hall' }).uncheck();
  await page.getByRole('button', { name: 'Show' }).click();

  await expect(page.locator('#tally')).toHaveText('1 of 1 live');
  await world.expectFfmpegs(1);
});
