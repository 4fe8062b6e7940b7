// What the pods of a release may ask of the Kubernetes API.
import { run } from './support/commands.ts';
import { expect, test } from './support/release.ts';

/** What an account may do in a namespace beyond what every account may. */
async function rights(namespace: string, account: string): Promise<string[]> {
  const list = async (name: string) => {
    const lines = await run('kubectl', ['auth', 'can-i', '--list', `--namespace=${namespace}`, `--as=${name}`]);
    return lines.split('\n').map((line) => line.replace(/\s+/g, ' ').trim());
  };
  const everybody = new Set(await list('system:serviceaccount:default:nobody'));
  return (await list(account)).filter((line) => !everybody.has(line)).sort();
}

test('a gatekeeper may do what docs/kubernetes.md says, and nothing else', async ({ release }) => {
  const account = `system:serviceaccount:${release.namespace}:${release.named('gatekeeper')}`;
  expect(await rights(release.namespace, account)).toEqual(
    [
      'endpointslices.discovery.k8s.io [] [] [list watch]',
      'leases.coordination.k8s.io [] [] [create]',
      `leases.coordination.k8s.io [] [${release.named('gatekeeper')}] [get update]`,
      'pods [] [] [patch]',
      'secrets [] [] [get]',
      'videosources.mqttvideo.io [] [] [list watch]',
      'videosources.mqttvideo.io/status [] [] [patch]',
    ].sort(),
  );
  expect(await rights('default', account), 'elsewhere').toEqual([]);
});

test('transcoders and the broker have no account token', async ({ release }) => {
  for (const component of ['transcoder', 'broker'] as const) {
    const [pod = ''] = await release.podNames(component);
    const mounts = await release.kubectl('exec', pod, '--container', component === 'broker' ? 'mosquitto' : component, '--', 'cat', '/proc/mounts');
    expect(mounts, component).not.toContain('serviceaccount');
  }
});

test('the account of pods that call no API may do nothing', async ({ release }) => {
  expect(await rights(release.namespace, `system:serviceaccount:${release.namespace}:default`)).toEqual([]);
});
