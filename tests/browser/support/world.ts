// A world to test in: a test asks for one and gets it whole; its end, or the test's, ends all of it.
import { test as base, expect } from '@playwright/test';
import { WorldProcess, type Description } from './world-process.ts';

export type { Camera } from './world-process.ts';

export class World extends WorldProcess {
  async expectFfmpegs(count: number): Promise<void> {
    await expect.poll(() => this.ffmpegs(), { message: 'ffmpeg processes', timeout: 45_000, intervals: [100] }).toBe(count);
  }
}

interface Fixtures {
  /** Starts a world that ends with the test. */
  readonly startWorld: (description: Description) => Promise<World>;
}

export const test = base.extend<Fixtures>({
  startWorld: async ({ page }, use, info) => {
    const worlds: World[] = [];
    await use(async (description) => {
      const world = await new World().begin(description);
      worlds.push(world);
      return world;
    });
    const failed = info.status !== info.expectedStatus;
    // The page goes first, as it would: a world that vanishes under it is another test.
    await page.close();
    for (const world of worlds) {
      if (failed) console.error(await world.logs());
      await world.end();
    }
  },
});

export { expect };
