// A node whose power is cut. Nothing says goodbye, and Kubernetes calls it lost only 40 s later.
import { machine, machines, run } from './support/commands.ts';
import { expect, test } from './support/release.ts';
import { awaitFrames, expectNoGapOver, openWall, report, watch, workers } from './support/watcher.ts';

test.skip(!machines, 'machines of this cluster are not ours to switch off');
test.setTimeout(400_000);

test.afterAll(async ({ release }) => {
  await run('kubectl', ['uncordon', 'node1']);
  // Also when the test failed before it did.
  await machine('cut', '2').catch(() => undefined);
  await run('kubectl', ['delete', 'node', 'node2', '--ignore-not-found']);
  // Nobody is there to tell that they are gone.
  const there = ['--all-namespaces', '--field-selector', 'spec.nodeName=node2'];
  await run('kubectl', ['delete', 'pods', ...there, '--force', '--grace-period=0']);
  await release.settled('transcoder', 2);
});

test('pictures are back within 8 s on another node', async ({ page, release }) => {
  await machine('add', '2');
  // The workers are on the second node while the streams start, and then one more on the first.
  await run('kubectl', ['cordon', 'node1']);
  await release.scale('transcoder', 1);
  await release.kubectl('rollout', 'restart', `deployment/${release.named('transcoder')}`);
  await release.kubectl('rollout', 'status', `deployment/${release.named('transcoder')}`, '--timeout', '120s');
  await release.settled('transcoder', 1);
  await openWall(page, release.page('sources=one,two,three', '/wall'), 3);
  await run('kubectl', ['uncordon', 'node1']);
  await run('kubectl', ['cordon', 'node2']);
  await release.scale('transcoder', 2);
  const nodes = new Map((await release.pods('transcoder')).map((pod) => [pod.metadata.name, pod.spec.nodeName]));
  const nodesOfStreams = async () => [...new Set(Object.values(await workers(page)).map((name) => nodes.get(name)))];
  expect(await nodesOfStreams()).toEqual(['node2']);

  await watch(page);
  await machine('cut', '2');
  await expect.poll(nodesOfStreams, { message: 'nodes of the streams', intervals: [100] }).toEqual(['node1']);
  await awaitFrames(page, 15);
  expectNoGapOver(8000, await report(page, 'the power of a node is cut'));
});
