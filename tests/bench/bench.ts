// Runs the parts of the bench one after the other and writes what they found: results/report.json, report.md, plots.
//
//   tsx bench.ts [--part latency,first-frame] [--compare baseline.json] [--out results]
//
// Exit status: 0 when it ran, whatever the figures are: they are for people to judge. 1 when a part failed.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Browser } from 'playwright-core';
import { PARTS } from './parts/index.ts';
import type { Figure } from './src/figure.ts';
import { launch } from './src/glass.ts';
import { load, machine } from './src/machine.ts';
import { svg, timelineSvg } from './src/plot.ts';
import { line, markdown, type Report } from './src/report.ts';

const HELP = `Usage: bench [--part NAME,…] [--compare REPORT.json] [--out FOLDER]

Parts: ${Object.keys(PARTS).join(', ')}; without --part, all.
--compare prints beside each figure what it was in another report, such as baseline.json.`;

const { values } = parseArgs({
  options: {
    part: { type: 'string' },
    compare: { type: 'string' },
    out: { type: 'string', default: join(import.meta.dirname, 'results') },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const names = values.part?.split(',').map((name) => name.trim()) ?? Object.keys(PARTS);
const unknown = names.filter((name) => !Object.hasOwn(PARTS, name));
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}.\n\n${HELP}`);
  process.exit(2);
}
const before = values.compare ? (JSON.parse(readFileSync(resolve(values.compare), 'utf8')) as Report) : undefined;

const report: Report = { when: new Date().toISOString(), machine: machine(), load_before: load(), parts: {} };
let failed = false;
let browser: Browser | undefined;
const began = performance.now();
for (const name of names) {
  const since = performance.now();
  const seconds = (): number => Math.round((performance.now() - since) / 1000);
  const figures: Figure[] = [];
  try {
    const part = PARTS[name as keyof typeof PARTS];
    browser = await launch();
    console.log(`\n${name}`);
    const findings = await part(browser, (...told) => {
      figures.push(...told);
      for (const figure of told) console.log(line(figure, before));
    });
    for (const note of findings.notes ?? []) console.log(`  ${note}`);
    report.parts[name] = { figures, ...findings, seconds: seconds() };
  } catch (error) {
    failed = true;
    report.parts[name] = { figures, seconds: seconds() };
    console.error(`\n${name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  } finally {
    await browser?.close();
  }
}
const whole: Report = { ...report, load_after: load(), seconds: Math.round((performance.now() - began) / 1000) };

mkdirSync(values.out, { recursive: true });
writeFileSync(join(values.out, 'report.json'), `${JSON.stringify(whole, null, 1)}\n`);
writeFileSync(join(values.out, 'report.md'), markdown(whole, before));
for (const { plots, timelines } of Object.values(whole.parts)) {
  for (const plot of plots ?? []) writeFileSync(join(values.out, `${plot.id}.svg`), svg(plot));
  for (const timeline of timelines ?? []) writeFileSync(join(values.out, `${timeline.id}.svg`), timelineSvg(timeline));
}
console.log(`\nwritten to ${values.out}, after ${whole.seconds} s`);
// What a failed part has left open is not waited for.
process.exit(failed ? 1 : 0);
