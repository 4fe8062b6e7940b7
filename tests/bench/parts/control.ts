// What the gatekeeper does a second, and how it holds out beyond this machine: programs of their own, next to its code.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import type { Figure, Findings, Plot, Tell } from '../src/figure.ts';
import { RELEASE } from '../src/setting.ts';

const PROGRAMS = ['describe', 'placement', 'watch', 'simulate'];
const MOST_BYTES = 64 << 20;

export async function control(_: Browser, tell: Tell): Promise<Findings> {
  const plots: Plot[] = [];
  const notes: string[] = [];
  for (const program of PROGRAMS) {
    const { stdout } = await promisify(execFile)(join(RELEASE, 'bench-control'), [program], { maxBuffer: MOST_BYTES });
    const findings = JSON.parse(stdout) as Findings & { readonly figures: readonly Figure[] };
    tell(...findings.figures);
    plots.push(...(findings.plots ?? []));
    notes.push(...(findings.notes ?? []));
  }
  return { plots, notes };
}
