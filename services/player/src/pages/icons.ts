// The pages' icons, drawn by script: nothing to fetch, so they are there when the server is not.

interface Shape {
  readonly paths: readonly string[];
  /** Filled; otherwise drawn as lines. */
  readonly solid?: boolean;
}

const NAMESPACE = 'http://www.w3.org/2000/svg';

const SHAPES: Readonly<Record<string, Shape>> = {
  logo: {
    solid: true,
    paths: ['M6 5h6a4 4 0 0 1 4 4v6a4 4 0 0 1-4 4H6a4 4 0 0 1-4-4V9a4 4 0 0 1 4-4z', 'm17 10.5 5-3v9l-5-3z'],
  },
  camera: { paths: ['M5.5 6h7a3 3 0 0 1 3 3v6a3 3 0 0 1-3 3h-7a3 3 0 0 1-3-3V9a3 3 0 0 1 3-3z', 'm15.5 11 6-3.5v9l-6-3.5'] },
  play: {
    solid: true,
    paths: ['M8 5.5v13a1 1 0 0 0 1.5.86l10.5-6.5a1 1 0 0 0 0-1.72L9.5 4.64A1 1 0 0 0 8 5.5z'],
  },
  stop: { solid: true, paths: ['M8 6h8a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2z'] },
  muted: { paths: ['M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z', 'm16.5 9.5 5 5m0-5-5 5'] },
  sound: { paths: ['M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z', 'M15.5 9.2a4 4 0 0 1 0 5.6M18 6.7a7.5 7.5 0 0 1 0 10.6'] },
  chart: { paths: ['M4 4v16h16', 'm7.5 15 3.5-4.5 3 2.5 4.5-6'] },
  keyboard: {
    paths: [
      'M5 6h14a2.5 2.5 0 0 1 2.5 2.5v7A2.5 2.5 0 0 1 19 18H5a2.5 2.5 0 0 1-2.5-2.5v-7A2.5 2.5 0 0 1 5 6z',
      'M6.5 10h.01M10 10h.01M14 10h.01M17.5 10h.01M8 14h8',
    ],
  },
  good: { paths: ['M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z', 'm8 12.3 2.8 2.8L16 9.5'] },
  warn: { paths: ['M12 4 2.8 19.5h18.4z', 'M12 10v4.5M12 17h.01'] },
  bad: { paths: ['M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z', 'm9 9 6 6m0-6-6 6'] },
  wait: { paths: ['M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z', 'M12 7.5V12l3 2'] },
  expand: { paths: ['M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5'] },
};

export function icon(name: string): SVGSVGElement {
  const svg = document.createElementNS(NAMESPACE, 'svg');
  svg.setAttribute('aria-hidden', 'true');
  fill(svg, name);
  return svg;
}

export function setIcon(button: HTMLElement, name: string): void {
  const svg = button.querySelector('svg');
  if (svg) fill(svg, name);
}

/** Draws every icon that the page's markup names. */
export function drawIcons(): void {
  for (const svg of document.querySelectorAll<SVGSVGElement>('svg[data-icon]')) fill(svg, svg.dataset['icon'] ?? '');
}

function fill(svg: SVGSVGElement, name: string): void {
  const shape = SHAPES[name];
  if (!shape) return;
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', shape.solid ? 'solid' : 'line');
  svg.replaceChildren(
    ...shape.paths.map((d) => {
      const path = document.createElementNS(NAMESPACE, 'path');
      path.setAttribute('d', d);
      return path;
    }),
  );
}
