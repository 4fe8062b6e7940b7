// The chart, installed as its README says, in a namespace of its own with cameras as pods.
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { test as base, expect } from '@playwright/test';
import { run } from './commands.ts';
import { open, type Door } from './door.ts';

export type Component = 'gatekeeper' | 'transcoder' | 'broker';

export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName: string };
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly lastTransitionTime: string }[];
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
  };
}

interface List<T> {
  readonly items: readonly T[];
}

const HERE = resolve(import.meta.dirname, '..');
const CHART = resolve(HERE, '../../../helm/mqtt-video');
const RELEASE = 'video';
const NAME = `${RELEASE}-mqtt-video`;
/** Where pages look for the broker by default: this port of the host that they come from. */
const BROKER_PORT = 9001;

export class Release {
  private readonly doors: Door[] = [];

  private constructor(readonly namespace: string) {}

  /** Installs it with defaults but for the broker's image and the sources. */
  static async install(): Promise<Release> {
    const release = new Release(`mqtt-video-test-${randomBytes(3).toString('hex')}`);
    try {
      await run('kubectl', ['create', 'namespace', release.namespace]);
      const standard = 'pod-security.kubernetes.io/enforce=restricted';
      await run('kubectl', ['label', 'namespace', release.namespace, standard]);
      await release.kubectl('apply', '--filename', join(HERE, 'cameras.yaml'));
      await release.helm('install', RELEASE, CHART, '--values', join(HERE, 'values.yaml'), '--wait', '--timeout', '120s');
      await release.kubectl('rollout', 'status', 'deployment/cameras', '--timeout', '60s');
      release.doors.push(await release.door('gatekeeper', 80, 0), await release.door('broker', BROKER_PORT, BROKER_PORT));
      return release;
    } catch (error) {
      await release.end();
      throw error;
    }
  }

  kubectl(...args: string[]): Promise<string> {
    return run('kubectl', ['--namespace', this.namespace, ...args]);
  }

  helm(...args: string[]): Promise<string> {
    return run('helm', ['--namespace', this.namespace, ...args]);
  }

  /** An upgrade that changes these values, and keeps the others. */
  upgrade(...values: string[]): Promise<string> {
    const changes = values.flatMap((value) => ['--set', value]);
    return this.helm('upgrade', RELEASE, CHART, '--reuse-values', ...changes, '--wait', '--timeout', '180s');
  }

  test(): Promise<string> {
    return this.helm('test', RELEASE, '--logs', '--timeout', '90s');
  }

  apply(manifest: string): Promise<string> {
    return run('kubectl', ['--namespace', this.namespace, 'apply', '--filename', '-'], manifest);
  }

  async get<T>(...what: string[]): Promise<T> {
    return JSON.parse(await this.kubectl('get', ...what, '--output', 'json')) as T;
  }

  /** Pods that are not about to go. */
  async pods(component: Component): Promise<Pod[]> {
    const { items } = await this.get<List<Pod>>('pods', '--selector', `app.kubernetes.io/component=${component}`);
    return items.filter((pod) => !pod.metadata.deletionTimestamp);
  }

  async podNames(component: Component): Promise<string[]> {
    return (await this.pods(component)).map((pod) => pod.metadata.name).sort();
  }

  /** Changes the number of pods and waits until it is what is there. */
  async scale(component: 'gatekeeper' | 'transcoder', replicas: number): Promise<void> {
    await this.kubectl('scale', `deployment/${this.named(component)}`, `--replicas=${replicas}`);
    await this.settled(component, replicas);
  }

  /** Waits until a pod that died has gone, or has started again: before, it still counts as ready. */
  async noticed(component: Component, victim: Pod): Promise<void> {
    const starts = (pod: Pod) => pod.status.containerStatuses?.[0]?.restartCount ?? 0;
    const isAsBefore = async () =>
      (await this.pods(component)).some((pod) => pod.metadata.uid === victim.metadata.uid && starts(pod) === starts(victim));
    await expect.poll(isAsBefore, { message: `${victim.metadata.name} is as before`, intervals: [100] }).toBe(false);
  }

  /** So many pods, and all of them ready. */
  async settled(component: Component, replicas: number): Promise<void> {
    const ready = async () =>
      (await this.pods(component)).map(
        ({ status }) => status.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'Unknown',
      );
    await expect
      .poll(ready, { message: `${component} pods that are ready`, intervals: [200] })
      .toEqual(Array<string>(replicas).fill('True'));
  }

  /** What it costs to delete each worker: the number of its streams. */
  async costs(): Promise<Record<string, string>> {
    const cost = 'controller.kubernetes.io/pod-deletion-cost';
    const pods = await this.pods('transcoder');
    return Object.fromEntries(pods.map(({ metadata }) => [metadata.name, metadata.annotations?.[cost] ?? '0']));
  }

  /** Waits until no worker runs anything, not even for those who may come back. */
  async idle(): Promise<void> {
    const busy = async () => Object.values(await this.costs()).filter((cost) => cost !== '0');
    await expect.poll(busy, { message: 'streams that linger' }).toEqual([]);
  }

  /** The gatekeeper that leads, as the Lease says. */
  async leader(): Promise<string> {
    const lease = await this.get<{ spec: { holderIdentity?: string } }>('lease', this.named('gatekeeper'));
    return lease.spec.holderIdentity ?? '';
  }

  named(component: Component): string {
    return `${NAME}-${component}`;
  }

  page(query: string, path = '/'): string {
    return `http://127.0.0.1:${this.doors[0]?.port}${path}?${query}`;
  }

  /** What helps to understand a failure. */
  async story(): Promise<string> {
    const told = [
      this.kubectl('get', 'pods,videosources', '--output', 'wide'),
      this.kubectl('get', 'events', '--sort-by', '.lastTimestamp'),
      this.kubectl('logs', '--selector', 'app.kubernetes.io/part-of=mqtt-video', '--prefix', '--tail', '60', '--ignore-errors'),
    ];
    return (await Promise.allSettled(told)).map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason))).join('\n');
  }

  async end(): Promise<void> {
    for (const door of this.doors) await door.close();
    await run('kubectl', ['delete', 'namespace', this.namespace, '--ignore-not-found', '--wait=false']);
  }

  private async door(component: Component, port: number, local: number): Promise<Door> {
    const name = this.named(component);
    const { spec } = await this.get<{ spec: { clusterIP: string } }>('service', name);
    return open({ namespace: this.namespace, name, address: spec.clusterIP, port }, local);
  }
}

interface Fixtures {
  /** Tells the story of a test that failed. */
  readonly story: void;
}

interface WorkerFixtures {
  readonly release: Release;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  release: [
    // Playwright insists on the braces.
    async ({}, use) => {
      const release = await Release.install();
      await use(release);
      await release.end();
    },
    { scope: 'worker', timeout: 240_000 },
  ],
  story: [
    async ({ release, page }, use, info) => {
      await use();
      if (info.status !== info.expectedStatus) console.error(await release.story());
      await page.close();
    },
    { auto: true },
  ],
});

export { expect };
