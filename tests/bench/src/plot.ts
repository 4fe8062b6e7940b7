// A plot as SVG, drawn for light and dark pages alike.
import type { Plot, Timeline } from './figure.ts';

const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 70;
const RIGHT = 20;
const TOP = 40;
const BOTTOM = 70;
const COLOURS = ['#3b82f6', '#f59e0b', '#10b981', '#ef4444', '#8b5cf6', '#6b7280'];

export function svg({ title, x, y, series }: Plot): string {
  const points = series.flatMap((one) => one.points);
  const [xs, ys] = [ticks(points.map(([at]) => at)), ticks([0, ...points.map(([, value]) => value)])];
  const scale = (value: number, marks: readonly number[], from: number, to: number): number => {
    const [first = 0, last = 1] = [marks[0], marks.at(-1)];
    return from + ((value - first) / (last - first || 1)) * (to - from);
  };
  const px = (value: number): number => Math.round(scale(value, xs, LEFT, WIDTH - RIGHT) * 10) / 10;
  const py = (value: number): number => Math.round(scale(value, ys, HEIGHT - BOTTOM, TOP) * 10) / 10;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#6b7280">`,
    `<text x="${LEFT}" y="20" font-size="14" font-weight="bold">${escape(title)}</text>`,
  ];
  for (const mark of ys) {
    out.push(`<path d="M${LEFT} ${py(mark)}H${WIDTH - RIGHT}" stroke="#6b7280" stroke-opacity=".25"/>`);
    out.push(`<text x="${LEFT - 8}" y="${py(mark) + 4}" text-anchor="end">${label(mark)}</text>`);
  }
  for (const mark of xs) out.push(`<text x="${px(mark)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${label(mark)}</text>`);
  out.push(`<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - BOTTOM + 36}" text-anchor="middle">${escape(x)}</text>`);
  out.push(`<text transform="translate(16 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escape(y)}</text>`);
  series.forEach(({ name, points }, index) => {
    const colour = COLOURS[index % COLOURS.length] ?? '';
    const path = points.map(([at, value], index) => `${index === 0 ? 'M' : 'L'}${px(at)} ${py(value)}`).join('');
    out.push(`<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    if (points.length <= 40) for (const [at, value] of points) out.push(`<circle cx="${px(at)}" cy="${py(value)}" r="3" fill="${colour}"/>`);
    const left = LEFT + (index % 4) * 165;
    const top = HEIGHT - 18 + Math.floor(index / 4) * 14;
    out.push(`<rect x="${left}" y="${top - 9}" width="10" height="10" fill="${colour}"/><text x="${left + 14}" y="${top}">${escape(name)}</text>`);
  });
  return `${out.join('\n')}\n</svg>\n`;
}

/** Spans below each other, as traces are shown. */
export function timelineSvg({ title, spans }: Timeline): string {
  const left = 230;
  const row = 22;
  const marks = ticks([0, ...spans.map(({ to }) => to)]);
  const last = marks.at(-1) ?? 1;
  const px = (ms: number): number => Math.round((left + (ms / last) * (WIDTH - RIGHT - left - 60)) * 10) / 10;
  const height = TOP + spans.length * row + 40;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" fill="#6b7280">`,
    `<text x="10" y="20" font-size="14" font-weight="bold">${escape(title)}</text>`,
  ];
  for (const mark of marks) {
    out.push(`<path d="M${px(mark)} ${TOP}V${height - 30}" stroke="#6b7280" stroke-opacity=".25"/>`);
    out.push(`<text x="${px(mark)}" y="${height - 12}" text-anchor="middle">${label(mark)} ms</text>`);
  }
  spans.forEach(({ name, from, to }, index) => {
    const y = TOP + index * row;
    out.push(`<text x="${left - 10}" y="${y + 14}" text-anchor="end">${escape(name)}</text>`);
    out.push(`<rect x="${px(from)}" y="${y + 3}" width="${Math.max(1, px(to) - px(from))}" height="${row - 8}" rx="2" fill="${COLOURS[0]}"/>`);
    out.push(`<text x="${px(to) + 5}" y="${y + 14}">${Math.round(to - from)}</text>`);
  });
  return `${out.join('\n')}\n</svg>\n`;
}

/** About five round numbers that enclose all values. */
function ticks(values: readonly number[]): number[] {
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const rough = (high - low || 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.floor(low / step) * step;
  const count = Math.max(1, Math.ceil((high - first) / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, index) => Number((first + index * step).toPrecision(12)));
}

function label(value: number): string {
  return Math.abs(value) >= 10_000 ? `${value / 1000}k` : String(value);
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}
