// What is measured: the real services, from the release build, with the real broker and cameras.
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WorldProcess, type Camera, type Description } from '../../browser/support/world-process.ts';

export const ROOT = resolve(import.meta.dirname, '../../..');
export const RELEASE = join(ROOT, 'target/release');

/** 640x360, 30 fps, a keyframe a second, no sound: what the field's figures are of. */
export const SMALL: Camera = { name: 'small', kind: 'silent', size: '640x360', bitrate: 1000 };
export const LARGE: Camera = { name: 'large', kind: 'silent', size: '1280x720', bitrate: 2500, gop: 2 };
export const LARGE_RARE: Camera = { name: 'rare', kind: 'silent', size: '1280x720', bitrate: 2500, gop: 4 };
export const SOUND: Camera = { name: 'sound', kind: 'aac', size: '640x360', bitrate: 1000 };
export const LOSSY: Camera = { name: 'lossy', kind: 'silent', size: '640x360', bitrate: 1000, loss: 50 };

/** Of what many are shown: the machine also has to make them, and to decode them. */
export const TINY: Camera = { name: 'tiny', kind: 'silent', size: '320x180', fps: 15, bitrate: 250 };

/** A file of sources `s0`, `s1`, … that all lead to one camera: a stream and a connection to it each, but one encoder. */
export function manySources({ name }: Camera, count: number): string {
  const entries = Array.from({ length: count }, (_, index) => `  - {name: s${index}, url: '{${name}}'}`);
  return `sources:\n${entries.join('\n')}\n`;
}

export async function startWorld(description: Description): Promise<WorldProcess> {
  return new WorldProcess(join(RELEASE, 'world')).begin(description);
}

/** Waits until nothing is transcoded or passed on, so that the next case has the machine for itself. */
export async function quiet(world: WorldProcess): Promise<void> {
  while ((await world.ffmpegs()) > 0) await delay(100);
  await delay(1000);
}
