// Quantiles of a Prometheus histogram between two scrapes, as histogram_quantile gives them.

export type Buckets = ReadonlyMap<number, number>;

/** Cumulative counts by upper bound, of a histogram without labels, from a page in the text format. */
export async function scrape(url: string, name: string): Promise<Buckets> {
  const page = await (await fetch(url)).text();
  const pattern = new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\S+)$`, 'gm');
  return new Map([...page.matchAll(pattern)].map(([, bound, count]) => [Number((bound ?? '').replace('+Inf', 'Infinity')), Number(count)]));
}

/** NaN when nothing was counted in between. */
export function quantileBetween(before: Buckets, after: Buckets, q: number): number {
  const added = [...after].map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)] as const).sort(([a], [b]) => a - b);
  const total = added.at(-1)?.[1] ?? 0;
  if (total === 0) return NaN;
  let [low, below] = [0, 0];
  for (const [bound, count] of added) {
    if (count >= q * total) return bound === Infinity ? low : low + ((bound - low) * (q * total - below)) / (count - below);
    [low, below] = [bound, count];
  }
  return low;
}
