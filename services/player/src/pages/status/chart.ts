// Charts as geometry and words: where the lines go in a box of a given size, and what somebody hears who does not see them.
import type { Column } from './read';

export interface Series {
  readonly label: string;
  readonly values: Column;
}

export interface Box {
  readonly width: number;
  readonly height: number;
}

/** What charts show: the five minutes that the gatekeeper remembers. */
export const WINDOW_MS = 300_000;
/** Two samples that are further apart than this have something unknown between them. */
const GAP_MS = 12_500;

/** The top of a scale: the smallest of 1, 2, 2.5, 5 times a power of ten that is not below `most`, and at least `least`. */
export function top(most: number, least: number): number {
  const wanted = Math.max(most, least);
  if (!(wanted > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 2.5, 5, 10].find((step) => step * power >= wanted * (1 - 1e-9)) ?? 10;
  return step * power;
}

/** The largest value of all series; 0 without any. */
export function most(series: readonly Series[]): number {
  return Math.max(0, ...series.flatMap(({ values }) => values.filter((value) => value !== undefined)));
}

/** The `d` of a path through what is known of `values` at `time`; the right edge is `now`. */
export function line(time: readonly number[], values: Column, now: number, scale: number, box: Box): string {
  let path = '';
  let before: number | undefined;
  time.forEach((at, index) => {
    const value = values[index];
    if (value === undefined || at < now - WINDOW_MS) {
      before = undefined;
      return;
    }
    const command = before === undefined || at - before > GAP_MS ? 'M' : 'L';
    path += `${command}${x(at, now, box)} ${y(value, scale, box)}`;
    // A point alone is a line of no length, which round ends make visible.
    if (command === 'M') path += 'h0';
    before = at;
  });
  return path;
}

/** The same as an area down to the floor, for each run of what is known. */
export function area(time: readonly number[], values: Column, now: number, scale: number, box: Box): string {
  const runs = line(time, values, now, scale, box).split('M').filter(Boolean);
  return runs
    .map((run) => {
      const points = run.replace('h0', '').split('L');
      const [first, last] = [points[0], points.at(-1)].map((point) => point?.split(' ')[0] ?? '0');
      return `M${first} ${box.height}L${points.join('L')}L${last} ${box.height}Z`;
    })
    .join('');
}

export interface Bar {
  readonly x: number;
  readonly y: number;
  readonly height: number;
}

/** A bar for each value above zero. */
export function bars(time: readonly number[], values: Column, now: number, scale: number, box: Box): Bar[] {
  return time.flatMap((at, index) => {
    const value = values[index] ?? 0;
    if (value <= 0 || at < now - WINDOW_MS) return [];
    const above = y(value, scale, box);
    return [{ x: x(at, now, box), y: above, height: round(box.height - above) }];
  });
}

/** What a series did, in words: "median between 60 ms and 75 ms, now 68 ms". */
export function spoken({ label, values }: Series, say: (value: number) => string): string {
  const known = values.filter((value) => value !== undefined);
  const last = values.at(-1);
  if (known.length === 0) return `${label}: nothing known`;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const range = low === high ? `${say(low)} all the time` : `between ${say(low)} and ${say(high)}`;
  return `${label}: ${range}, ${last === undefined ? 'not known now' : `now ${say(last)}`}`;
}

function x(at: number, now: number, { width }: Box): number {
  return round(width - (Math.max(0, now - at) / WINDOW_MS) * width);
}

function y(value: number, scale: number, { height }: Box): number {
  return round(height - (Math.min(value, scale) / scale) * height);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
