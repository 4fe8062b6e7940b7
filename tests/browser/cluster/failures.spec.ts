// Parts that die while pictures play. Nobody touches the page.
import { readdir, readFile } from 'node:fs/promises';
import { machines } from './support/commands.ts';
import { awaitFrame } from '../support/observe.ts';
import { expect, test, type Component, type Pod, type Release } from './support/release.ts';
import { awaitFrames, expectNoGapOver, openWall, report, watch, workers } from './support/watcher.ts';

const WALL = ['one', 'two', 'three'];

/** Deletes a pod at once, as when its machine is given up. */
async function remove(release: Release, pod: string): Promise<void> {
  await release.kubectl('delete', 'pod', pod, '--grace-period=0', '--force');
}

/** Kills the processes of a name in a pod, as the kernel does when memory runs out. */
async function kill(pod: Pod, command: string): Promise<void> {
  const read = (pid: string, file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
  let killed = 0;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if ((await read(pid, 'comm')).trim() !== command) continue;
    if (!(await read(pid, 'cgroup')).includes(pod.metadata.uid)) continue;
    process.kill(Number(pid), 'SIGKILL');
    killed += 1;
  }
  expect(killed, `processes of ${command} in ${pod.metadata.name}`).toBeGreaterThan(0);
}

async function find(release: Release, component: Component, name: string | undefined): Promise<Pod> {
  const pod = (await release.pods(component)).find((one) => one.metadata.name === name);
  if (!pod) throw new Error(`no pod ${name}`);
  return pod;
}

const WAYS = [
  { way: 'its pod is deleted by force', onlyHere: false, die: (release: Release, pod: Pod) => remove(release, pod.metadata.name) },
  { way: 'its process is killed', onlyHere: true, die: (_: Release, pod: Pod, command: string) => kill(pod, command) },
];

for (const { way, onlyHere, die } of WAYS) {
  const foreign = onlyHere && !machines;

  test(`pictures are back within 5 s when a transcoder dies: ${way}`, async ({ page, release }) => {
    test.skip(foreign, 'processes of this cluster are out of reach');
    await release.scale('transcoder', 2);
    await openWall(page, release.page(`sources=${WALL.join(',')}`, '/wall'), WALL.length);
    const victim = await find(release, 'transcoder', (await workers(page))['one']);

    await watch(page);
    await die(release, victim, 'transcoder');
    await expect
      .poll(async () => Object.values(await workers(page)), { message: 'workers of the pictures', intervals: [100] })
      .not.toContain(victim.metadata.name);
    await awaitFrames(page, 15);
    expectNoGapOver(5000, await report(page, `a transcoder dies, ${way}`));
    await release.noticed('transcoder', victim);
    await release.settled('transcoder', 2);
  });

  test(`pictures do not notice when the leading gatekeeper dies, and new ones start: ${way}`, async ({ browser, page, release }) => {
    test.skip(foreign, 'processes of this cluster are out of reach');
    await release.settled('gatekeeper', 2);
    await openWall(page, release.page(`sources=${WALL.join(',')}`, '/wall'), WALL.length);
    const other = await browser.newPage();
    await other.goto(release.page('source=one'));
    await expect(other.locator('#sources li')).not.toHaveCount(0);
    const victim = await find(release, 'gatekeeper', await release.leader());

    await watch(page);
    const at = Date.now();
    await die(release, victim, 'gatekeeper');
    await other.locator('#play').click();
    await awaitFrame(other, 'mqtt-video');
    const took = Date.now() - at;
    console.log(`    the leading gatekeeper dies, ${way}: a new picture ${took} ms later`);
    expect(took).toBeLessThan(2000);
    await other.close();

    await release.noticed('gatekeeper', victim);
    await release.settled('gatekeeper', 2);
    // Once the lease is over. A process that was killed may be back, and lead again, under its old name.
    const led = async () => (await release.podNames('gatekeeper')).includes(await release.leader());
    await expect.poll(led, { message: 'a gatekeeper that is there leads' }).toBe(true);
    expectNoGapOver(1000, await report(page, `the leading gatekeeper dies, ${way}`));
  });

  test(`pictures are back within 5 s of the broker: ${way}`, async ({ page, release }) => {
    test.skip(foreign, 'processes of this cluster are out of reach');
    await openWall(page, release.page(`sources=${WALL.join(',')}`, '/wall'), WALL.length);
    const [victim] = await release.pods('broker');
    if (!victim) throw new Error('no broker');

    await die(release, victim, 'mosquitto');
    const ready = async () => {
      const [pod] = await release.pods('broker');
      const condition = pod?.status.conditions?.find(({ type }) => type === 'Ready');
      const since = condition?.status === 'True' ? Date.parse(condition.lastTransitionTime) : 0;
      return pod && since > 0 && `${pod.metadata.uid} ${since}`;
    };
    const before = await ready();
    await expect
      .poll(async () => {
        const now = await ready();
        return Boolean(now) && now !== before;
      }, { message: 'the broker is ready again', intervals: [50] })
      .toBe(true);
    const at = Date.now();
    await awaitFrames(page, 3);
    const took = Date.now() - at;
    console.log(`    the broker dies, ${way}: pictures ${took} ms after it was ready`);
    expect(took).toBeLessThan(5000);
  });
}
