// Somebody who watches all pictures of a page at once and notices how long each of them stands.
import { expect, type Page } from '@playwright/test';

/** What was seen of one picture. */
export interface Seen {
  readonly name: string;
  /** Longest time without a decoded frame, in milliseconds. */
  readonly longestGapMs: number;
  /** When that was over. */
  readonly until: string;
  readonly decoded: number;
}

interface Watching {
  report(): { seen: Seen[]; heldUpMs: number };
}

type Element = HTMLElement & { readonly video: HTMLVideoElement };

/** Begins to watch. Nobody reloads the page: if it happened, the watcher would be gone, and `report` would throw. */
export async function watch(page: Page): Promise<void> {
  await page.evaluate(() => {
    const interval = 20;
    let late = 0;
    let before = performance.now();
    const began = before;
    const pictures = [...document.querySelectorAll<Element>('mqtt-video')].map((element) => ({
      name: element.getAttribute('source') ?? '',
      video: element.video,
      first: element.video.getVideoPlaybackQuality().totalVideoFrames,
      count: element.video.getVideoPlaybackQuality().totalVideoFrames,
      at: began,
      gap: 0,
      until: 0,
    }));
    const look = (): void => {
      const now = performance.now();
      late = Math.max(late, now - before - interval);
      before = now;
      for (const picture of pictures) {
        const { totalVideoFrames } = picture.video.getVideoPlaybackQuality();
        if (now - picture.at > picture.gap) {
          picture.gap = now - picture.at;
          picture.until = Date.now();
        }
        if (totalVideoFrames === picture.count) continue;
        picture.count = totalVideoFrames;
        picture.at = now;
      }
    };
    const timer = setInterval(look, interval);
    (globalThis as unknown as { watching: Watching }).watching = {
      report: () => {
        look();
        clearInterval(timer);
        const seen = pictures.map(({ name, gap, until, count, first }) => ({
          name,
          longestGapMs: gap,
          until: new Date(until).toISOString(),
          decoded: count - first,
        }));
        return { seen, heldUpMs: late };
      },
    };
  });
}

export interface Report {
  readonly seen: readonly Seen[];
  /** Longest time for which the machine let the page stand. */
  readonly heldUpMs: number;
}

/** What has been seen since `watch`. */
export async function report(page: Page, what: string): Promise<Report> {
  const { seen, heldUpMs } = await page.evaluate(() => (globalThis as unknown as { watching: Watching }).watching.report());
  const list = seen.map((one) => `${one.name} ${Math.round(one.longestGapMs)} (until ${one.until.slice(11, -1)})`).join(', ');
  console.log(`    ${what}: longest gaps in ms: ${list}; page held up for ${Math.round(heldUpMs)}`);
  return { seen, heldUpMs };
}

/** Claims that no picture stood for longer than this, beyond what the machine itself stood. */
export function expectNoGapOver(limitMs: number, { seen, heldUpMs }: Report): void {
  for (const one of seen) {
    expect(one.longestGapMs, `${one.name} stands`).toBeLessThan(limitMs + heldUpMs);
    expect(one.decoded, `${one.name} plays`).toBeGreaterThan(0);
  }
}

/** Waits until every picture of the page has shown `count` more frames. */
export async function awaitFrames(page: Page, count = 1): Promise<void> {
  await page.evaluate(async (count) => {
    const shown = ({ video }: Element): Promise<void> =>
      new Promise((resolve) => {
        let left = count;
        const next = (): void => {
          left -= 1;
          if (left <= 0) resolve();
          else video.requestVideoFrameCallback(next);
        };
        video.requestVideoFrameCallback(next);
      });
    await Promise.all([...document.querySelectorAll<Element>('mqtt-video')].map(shown));
  }, count);
}

/** Opens the wall with these sources and waits until all of them play. */
export async function openWall(page: Page, address: string, count: number): Promise<void> {
  // The way through the API server is made anew when the pod that it led to has gone.
  const answers = () => fetch(address).then(({ ok }) => ok, () => false);
  await expect.poll(answers, { message: 'the page can be reached', intervals: [100] }).toBe(true);
  await page.goto(address);
  await expect(page.locator('#tally')).toHaveText(`${count} of ${count} live`);
  await awaitFrames(page, 5);
}

/** Which worker each picture comes from. */
export function workers(page: Page): Promise<Record<string, string>> {
  return page.evaluate(() =>
    Object.fromEntries(
      [...document.querySelectorAll('mqtt-video')].map((element) => [
        element.getAttribute('source') ?? '',
        (element as HTMLElement & { stats: { worker?: string } }).stats.worker ?? '',
      ]),
    ),
  );
}
