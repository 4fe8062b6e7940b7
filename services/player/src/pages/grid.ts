// How many columns make the pictures of a wall largest, and how wide they are then.

export interface Grid {
  readonly columns: number;
  /** Width of a picture, pixels. */
  readonly width: number;
}

const ASPECT = 16 / 9;
/** Narrower than this, a picture is no use; the wall scrolls instead. */
const NARROWEST = 260;

/** Lays out so many tiles in a width and a height, with a gap between them; all in pixels. */
export function gridFor(tiles: number, width: number, height: number, gap: number): Grid {
  const fit = (columns: number): number => {
    const rows = Math.ceil(tiles / columns);
    const byHeight = ((height - gap * (rows - 1)) / rows) * ASPECT;
    return Math.floor(Math.min((width - gap * (columns - 1)) / columns, byHeight));
  };
  const most = Math.max(1, Math.min(tiles, Math.floor((width + gap) / (NARROWEST + gap))));
  let best: Grid = { columns: 1, width: fit(1) };
  for (let columns = 2; columns <= most; columns += 1) {
    if (fit(columns) > best.width) best = { columns, width: fit(columns) };
  }
  if (best.width >= NARROWEST) return best;
  return { columns: most, width: Math.floor((width - gap * (most - 1)) / most) };
}
