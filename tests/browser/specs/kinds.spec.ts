// Every kind of camera plays from page load on: at real time, every frame, and it stays so.
import { expectSmooth, observe, summary } from '../support/observe.ts';
import { stats } from '../support/player.ts';
import { expect, test, type Camera } from '../support/world.ts';

const KINDS: { what: string; kind: NonNullable<Camera['kind']>; sound: boolean; fps?: number }[] = [
  { what: 'H.264 with AAC, muted', kind: 'aac', sound: false },
  { what: 'H.264 with AAC, with sound', kind: 'aac', sound: true },
  { what: 'H.264 without audio', kind: 'silent', sound: false },
  { what: 'H.264 with G.711, with sound', kind: 'g711', sound: true },
  // The camera encodes in software here, and leaves frames out when that takes too long.
  { what: 'H.265', kind: 'h265', sound: false, fps: 15 },
  { what: 'H.264 with B-frames', kind: 'bframes', sound: false },
  // Each slice of a keyframe comes with parameter sets, and ffmpeg takes it for a picture.
  { what: 'H.264 in slices', kind: 'slices', sound: false },
  { what: 'H.264 with a keyframe every four seconds', kind: 'gop4', sound: false },
];

for (const { what, kind, sound, fps = 30 } of KINDS) {
  test(`${what} plays`, async ({ page, startWorld }) => {
    const world = await startWorld({ cameras: [{ name: 'lobby', kind, fps }], transcoders: [[]] });

    await page.goto(world.page(`source=lobby&autoplay${sound ? '&muted=0' : ''}`));
    const seen = await observe(page, 20);
    const after = await stats(page);

    test.info().annotations.push({ type: 'seen', description: `first frame ${after.firstFrameMs} ms; ${summary(seen)}` });
    expectSmooth(seen, { fps });
    expect(after.stalls, summary(seen)).toBe(0);
    expect(after.tracks).toEqual(sound ? ['video', 'audio'] : ['video']);
    if (sound) expect(seen.audioBytes, 'audio is decoded').toBeGreaterThan(0);
    else expect(seen.audioBytes, 'nobody decodes audio for a muted picture').toBe(0);
  });
}
