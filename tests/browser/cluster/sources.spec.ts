// VideoSource objects, from kubectl to the screen and back.
import { join } from 'node:path';
import { awaitFrame } from '../support/observe.ts';
import { expectState } from '../support/player.ts';
import { CommandError } from './support/commands.ts';
import { expect, test, type Release } from './support/release.ts';
import { awaitFrames } from './support/watcher.ts';

interface Source {
  readonly status?: {
    readonly codec?: string;
    readonly worker?: string;
    readonly viewers?: number;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  };
}

function object(name: string, spec: string): string {
  return `apiVersion: mqttvideo.io/v1alpha1\nkind: VideoSource\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
}

async function reason(release: Release, name: string): Promise<string | undefined> {
  const { status } = await release.get<Source>('videosource', name);
  return status?.conditions?.find(({ type }) => type === 'Ready')?.reason;
}

test('an applied VideoSource plays, shows its state, and ends its viewers when it is deleted', async ({ page, release }) => {
  await page.goto(release.page(''));
  await expect(page.locator('#sources li')).not.toHaveCount(0);

  const at = Date.now();
  await release.apply(object('lobby', '{url: "rtsp://cameras:8554/one"}'));
  await page.locator('#sources li[data-name=lobby] button').click();
  await awaitFrame(page);
  const took = Date.now() - at;
  console.log(`    from kubectl apply to the first frame: ${took} ms`);
  // Two seconds until it is accepted, and what a camera takes to start.
  expect(took).toBeLessThan(2000 + 3000);

  await expect.poll(() => reason(release, 'lobby'), { message: 'the reason of its readiness' }).toBe('Live');
  await expect
    .poll(async () => (await release.get<Source>('videosource', 'lobby')).status, { message: 'its status' })
    .toMatchObject({ codec: expect.stringMatching(/^avc1\./), viewers: 1, worker: expect.stringContaining('transcoder') });
  const columns = await release.kubectl('get', 'videosource', 'lobby');
  expect(columns).toMatch(/NAME +READY +CODEC +SIZE +FPS +VIEWERS +WORKER +AGE\nlobby +True +avc1\.\w+, mp4a\.40\.2 +320x180 +\d+ +1 /);

  await release.kubectl('delete', 'videosource', 'lobby');
  await expectState(page, 'failed');
  await expect(page.locator('mqtt-video')).toContainText('not allowed', { ignoreCase: true });
});

test('a bad VideoSource is refused by the API server, which says why', async ({ release }) => {
  const refusal = async (spec: string): Promise<string> => {
    const refused = await release.apply(object('bad', spec)).then(
      () => 'accepted',
      (error: unknown) => (error instanceof CommandError ? error.complaint : String(error)),
    );
    return refused;
  };
  expect(await refusal('{url: "http://cameras/one"}')).toContain('rtsp');
  expect(await refusal('{url: "rtsp://guard:secret@cameras/one"}')).toContain('credentials');
  expect(await refusal('{url: "rtsp://cameras/one", pattern: "rtsp://cameras/*"}')).toContain('url');
  expect(await refusal('{}')).toContain('url');
});

test('a rotated Secret takes effect at the next start of the source', async ({ page, release }) => {
  await release.kubectl('apply', '--filename', join(import.meta.dirname, 'locked-camera.yaml'));
  await release.kubectl('create', 'secret', 'generic', 'gate', '--from-literal=username=guard', '--from-literal=password=wrong');
  await release.apply(object('gate', '{url: "rtsp://locked-camera:8554/gate", credentials: {secretRef: {name: gate}}}'));
  await release.kubectl('rollout', 'status', 'deployment/locked-camera', '--timeout', '60s');

  await page.goto(release.page('source=gate&autoplay'));
  await expect.poll(() => reason(release, 'gate'), { message: 'the reason of its readiness' }).toBe('SourceUnauthorized');

  await release.apply('apiVersion: v1\nkind: Secret\nmetadata: {name: gate}\nstringData: {username: guard, password: "open sesame"}\n');
  await page.goto(release.page('source=gate&autoplay'));
  await awaitFrames(page, 15);
  await expect.poll(() => reason(release, 'gate'), { message: 'the reason of its readiness' }).toBe('Live');
});
