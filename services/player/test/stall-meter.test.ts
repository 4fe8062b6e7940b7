import { expect, test, vi } from 'vitest';
import { StallMeter } from '../src/engine/stall-meter';

test('a stall is counted once, from when the picture stood, and is over when it moves', () => {
  const stalled = vi.fn();
  const meter = new StallMeter(stalled);
  meter.tick(1000, true, undefined);
  meter.tick(1100, true, undefined);
  meter.tick(1200, true, 1050);
  expect(meter.stalledMs).toBe(150);
  meter.tick(1300, true, 1050);
  meter.tick(1400, true, undefined);
  expect(meter.stalledMs).toBe(0);
  expect(meter.counts).toEqual({ watchedMs: 400, stalls: 1, rebufferMs: 250 });
  expect(stalled).toHaveBeenCalledOnce();
});

test('nothing is counted while no picture is due', () => {
  const meter = new StallMeter(vi.fn());
  meter.tick(1000, false, undefined);
  meter.tick(1100, false, 1000);
  expect(meter.stalledMs).toBe(0);
  expect(meter.counts).toEqual({ watchedMs: 0, stalls: 0, rebufferMs: 0 });
});

test('a second stall is another one', () => {
  const meter = new StallMeter(vi.fn());
  for (const [now, since] of [[0, undefined], [100, 50], [200, undefined], [300, 250]] as const) meter.tick(now, true, since);
  expect(meter.counts.stalls).toBe(2);
});
