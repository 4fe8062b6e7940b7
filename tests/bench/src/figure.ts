// What a part of the bench brings: figures with their goals, plots, and what there is to say about them.

export interface Figure {
  /** Part and name, for comparisons: `latency.360p`. */
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** How many measurements. */
  readonly n?: number;
  readonly p50?: number;
  readonly p95?: number;
  readonly p99?: number;
  readonly max?: number;
  /** Of what is one number. */
  readonly value?: number;
  /** What each must not exceed. */
  readonly goal?: Readonly<Partial<Record<Measure, number>>>;
  /** What each must reach. */
  readonly goal_min?: Readonly<Partial<Record<Measure, number>>>;
  readonly conditions?: string;
  /** What the figure is to be seen beside, and not a claim about the product. */
  readonly yardstick?: boolean;
  /** Per cent of the machine's processors that were busy meanwhile. */
  readonly busy?: number;
  /** Why there are no numbers. */
  readonly refused?: string;
}

export type Measure = 'p50' | 'p95' | 'p99' | 'max' | 'value';

export const MEASURES: readonly Measure[] = ['p50', 'p95', 'p99', 'max', 'value'];

export interface Plot {
  readonly id: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[];
}

/** Where the time goes: spans of one run, milliseconds since its beginning. */
export interface Timeline {
  readonly id: string;
  readonly title: string;
  readonly spans: readonly { readonly name: string; readonly from: number; readonly to: number }[];
}

/** Hands figures over as soon as they are known, so that what fails later takes none of them along. */
export type Tell = (...figures: readonly Figure[]) => void;

/** What a part has beside its figures. */
export interface Findings {
  readonly plots?: readonly Plot[];
  readonly timelines?: readonly Timeline[];
  readonly notes?: readonly string[];
}

/** Busier than this, the machine measures itself. */
const MOST_BUSY = 95;

/** A figure of measurements; without numbers if the machine was too busy for them to mean anything. */
export function distribution(about: Omit<Figure, Measure | 'n' | 'refused'>, values: readonly number[]): Figure {
  if (values.length === 0) return { ...about, n: 0, refused: 'nothing was measured' };
  const at = (q: number): number => round(quantile(values, q));
  return refuse({ ...about, n: values.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) });
}

/** A figure that is one number. */
export function single(about: Omit<Figure, Measure | 'refused'>, value: number): Figure {
  return refuse({ ...about, value: round(value) });
}

function refuse(figure: Figure): Figure {
  if (figure.busy === undefined || figure.busy <= MOST_BUSY) return figure;
  const { p50: _p50, p95: _p95, p99: _p99, max: _max, value: _value, ...about } = figure;
  return { ...about, refused: `the machine was ${figure.busy} % busy` };
}

/** Measures of a figure that miss their goal. */
export function misses(figure: Figure): readonly Measure[] {
  return MEASURES.filter((measure) => {
    const got = figure[measure];
    if (got === undefined) return false;
    return got > (figure.goal?.[measure] ?? Infinity) || got < (figure.goal_min?.[measure] ?? -Infinity);
  });
}

/** The value below which a share of all lies, interpolated; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? NaN;
  return low + ((sorted[Math.ceil(at)] ?? low) - low) * (at - Math.floor(at));
}

/** Three digits that matter. */
export function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value * 10) / 10 : Number(value.toPrecision(3));
}
