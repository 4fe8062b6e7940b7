// The cards at the top of the page: a figure, and a chart of how it came to that.
import { element, setText } from '../dom';
import { area, bars, line, most, spoken, top, type Box, type Series } from './chart';
import type { Status } from './read';
import { duration, percent } from './words';

interface Figure {
  readonly value: string;
  readonly label: string;
}

interface Card {
  readonly title: string;
  /** Drawn in this order: the first as a filled line, the second dashed. */
  readonly series: readonly Series[];
  readonly figures: readonly Figure[];
  readonly say: (value: number) => string;
  /** The scale reaches up to this at least; or, where there is no more than that, exactly. */
  readonly least: number;
  readonly exact?: boolean;
  readonly bars?: boolean;
}

const SVG = 'http://www.w3.org/2000/svg';
/** Units of the drawing, which is stretched to the card. */
const BOX: Box = { width: 300, height: 72 };
const BAR_WIDTH = 4;

/** What the cards say of a status. */
function cards(status: Status): Card[] {
  const { history, latency, firstFrame } = status;
  const ready = status.workers.filter(({ state }) => state !== 'lost');
  const used = ready.reduce((sum, { slotsUsed }) => sum + slotsUsed, 0);
  const total = ready.reduce((sum, { slotsTotal }) => sum + slotsTotal, 0);
  const restarts = history.restarts.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const pair = (of: Status['latency']): Figure[] => [
    { value: duration(of?.p50), label: 'median' },
    { value: duration(of?.p95), label: '95th percentile' },
  ];
  return [
    {
      title: 'Viewers',
      series: [{ label: 'Viewers', values: [...history.viewers, status.viewers] }],
      figures: [{ value: String(status.viewers), label: 'watching now' }],
      say: String,
      least: 5,
    },
    {
      title: 'Slots',
      series: [{ label: 'Slots in use', values: [...history.slotsUsed, used] }],
      figures: [{ value: String(used), label: `of ${total} in use` }],
      say: String,
      least: total,
      exact: true,
    },
    {
      title: 'Restarts of streams',
      series: [{ label: 'Restarts', values: [...history.restarts, 0] }],
      figures: [{ value: String(restarts), label: 'in the last 5 minutes' }],
      say: String,
      least: 2,
      bars: true,
    },
    {
      title: 'Picture stood still',
      series: [{ label: 'Part of the time', values: [...history.rebufferRatio, status.rebufferRatio] }],
      figures: [{ value: percent(status.rebufferRatio), label: 'of the last minute' }],
      say: percent,
      least: 0.01,
    },
    {
      title: 'Latency',
      series: [
        { label: 'Median', values: [...history.latencyP50, latency?.p50] },
        { label: '95th percentile', values: [...history.latencyP95, latency?.p95] },
      ],
      figures: pair(latency),
      say: duration,
      least: 100,
    },
    {
      title: 'Time to first picture',
      series: [
        { label: 'Median', values: [...history.firstFrameP50, firstFrame?.p50] },
        { label: '95th percentile', values: [...history.firstFrameP95, firstFrame?.p95] },
      ],
      figures: pair(firstFrame),
      say: duration,
      least: 500,
    },
  ];
}

/** Shows the cards of a status in `place`. */
export function showCards(place: HTMLElement, status: Status): void {
  const all = cards(status);
  while (place.children.length < all.length) place.append(newCard());
  const time = [...status.history.time, status.time];
  all.forEach((card, index) => {
    const root = place.children[index];
    if (root) show(root, card, time, status.time);
  });
}

function newCard(): HTMLElement {
  const root = element('article', 'card');
  const chart = element('div', 'chart');
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('role', 'img');
  svg.setAttribute('viewBox', `0 0 ${BOX.width} ${BOX.height}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  const axis = element('div', 'axis');
  axis.setAttribute('aria-hidden', 'true');
  axis.append(element('span', '', '5 min ago'), element('span', '', 'now'));
  const scale = element('span', 'scale');
  scale.setAttribute('aria-hidden', 'true');
  chart.append(svg, scale);
  root.append(element('h3'), element('dl', 'figure'), chart, axis);
  return root;
}

function show(root: Element, card: Card, time: readonly number[], now: number): void {
  const [title, figures, chart] = root.children;
  const [svg, scale] = chart?.children ?? [];
  if (!title || !figures || !svg || !scale) return;
  setText(title, card.title);
  while (figures.children.length < card.figures.length) {
    const pair = element('div');
    pair.append(element('dt'), element('dd'));
    figures.append(pair);
  }
  card.figures.forEach(({ value, label }, index) => {
    const [name, said] = figures.children[index]?.children ?? [];
    if (name) setText(name, label);
    if (said) setText(said, value);
  });
  const reach = card.exact ? Math.max(most(card.series), card.least, 1) : top(most(card.series), card.least);
  setText(scale, card.say(reach));
  const known = card.series.some(({ values }) => values.some((value) => value !== undefined));
  root.classList.toggle('unknown', !known);
  root.classList.toggle('pair', card.figures.length > 1);
  const words = card.series.map((series) => spoken(series, card.say)).join('; ');
  svg.setAttribute('aria-label', `${card.title} over the last 5 minutes. ${words}.`);
  svg.replaceChildren(...draw(card, time, now, reach));
}

function draw(card: Card, time: readonly number[], now: number, scale: number): SVGElement[] {
  const [first, second] = card.series;
  if (!first) return [];
  if (card.bars) {
    return bars(time, first.values, now, scale, BOX).map(({ x, y, height }) =>
      shape('rect', 'bar', { x: Math.min(x, BOX.width - BAR_WIDTH), y, width: BAR_WIDTH, height }),
    );
  }
  return [
    shape('path', 'fill', { d: area(time, first.values, now, scale, BOX) }),
    ...(second ? [shape('path', 'dashed', { d: line(time, second.values, now, scale, BOX) })] : []),
    shape('path', 'stroke', { d: line(time, first.values, now, scale, BOX) }),
  ];
}

function shape(name: string, className: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = document.createElementNS(SVG, name);
  made.setAttribute('class', className);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}
