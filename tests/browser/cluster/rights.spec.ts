// What the pods of a release may ask of the Kubernetes API.
import { run } from './support/commands.ts';
import { expect, test } from './support/release.ts';

/** What every account may do: ask who it is, and what the API offers. */
const EVERYBODY = /^(self|\s+\[\/)/;

test('a gatekeeper may do what docs/kubernetes.md says, and nothing else', async ({ release }) => {
  const account = `system:serviceaccount:${release.namespace}:${release.named('gatekeeper')}`;
  const list = await release.kubectl('auth', 'can-i', '--list', `--as=${account}`);
  const rules = list
    .split('\n')
    .slice(1)
    .filter((line) => line && !EVERYBODY.test(line))
    .map((line) => line.replace(/\s+/g, ' ').trim())
    .sort();
  expect(rules).toEqual(
    [
      'endpointslices.discovery.k8s.io [] [] [list watch]',
      `leases.coordination.k8s.io [] [] [create]`,
      `leases.coordination.k8s.io [] [${release.named('gatekeeper')}] [get update]`,
      'pods [] [] [patch]',
      'secrets [] [] [get]',
      'videosources.mqttvideo.io [] [] [list watch]',
      'videosources.mqttvideo.io/status [] [] [patch]',
    ].sort(),
  );
  const elsewhere = await run('kubectl', ['auth', 'can-i', 'get', 'secrets', '--namespace=default', `--as=${account}`]).catch(String);
  expect(elsewhere).toContain('no');
});

test('transcoders and the broker have no account token', async ({ release }) => {
  for (const component of ['transcoder', 'broker'] as const) {
    const [pod = ''] = await release.podNames(component);
    const mounts = await release.kubectl('exec', pod, '--container', component === 'broker' ? 'mosquitto' : component, '--', 'cat', '/proc/mounts');
    expect(mounts, component).not.toContain('serviceaccount');
  }
});

test('an account of the release that calls no API may do nothing', async ({ release }) => {
  const account = `system:serviceaccount:${release.namespace}:default`;
  const list = await release.kubectl('auth', 'can-i', '--list', `--as=${account}`);
  expect(list.split('\n').slice(1).filter((line) => line && !EVERYBODY.test(line))).toEqual([]);
});
