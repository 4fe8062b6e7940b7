// The autoscaler, by CPU through metrics-server.
import { expect, test } from './support/release.ts';
import { awaitFrames, openWall } from './support/watcher.ts';

test.setTimeout(600_000);

test('load brings workers, and its end takes them away', async ({ page, release }) => {
  await release.settled('transcoder', 2);
  await release.upgrade(
    'transcoder.autoscaling.enabled=true',
    'transcoder.autoscaling.minReplicas=1',
    'transcoder.autoscaling.maxReplicas=3',
    'transcoder.autoscaling.behavior.scaleDown.stabilizationWindowSeconds=10',
    'transcoder.resources.requests.cpu=100m',
  );
  const replicas = async () => (await release.pods('transcoder')).length;
  await expect.poll(replicas, { message: 'workers without load', timeout: 180_000 }).toBe(1);

  // Transcoding takes many times what is requested for a pod.
  await openWall(page, release.page('sources=one,two,three,four&profile=legacy', '/wall'), 4);
  await expect.poll(replicas, { message: 'workers under load', timeout: 180_000 }).toBeGreaterThan(1);
  await awaitFrames(page, 15);

  await page.goto('about:blank');
  await expect.poll(replicas, { message: 'workers after the load', timeout: 240_000 }).toBe(1);

  await release.upgrade('transcoder.autoscaling.enabled=false', 'transcoder.resources.requests.cpu=500m');
  await release.scale('transcoder', 2);
});
