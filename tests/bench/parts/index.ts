// The parts, in the order in which they run.
import type { Browser } from 'playwright-core';
import type { Findings, Tell } from '../src/figure.ts';
import { control } from './control.ts';
import { fanOut } from './fan-out.ts';
import { firstFrames } from './first-frame.ts';
import { handOver } from './hand-over.ts';
import { latency } from './latency.ts';
import { player } from './player.ts';
import { worker } from './worker.ts';

export const PARTS = {
  latency,
  'first-frame': firstFrames,
  worker,
  'fan-out': fanOut,
  control,
  'hand-over': handOver,
  player,
} satisfies Readonly<Record<string, (browser: Browser, tell: Tell) => Promise<Findings>>>;
