// A run as text: a line a figure for the terminal, a page in Markdown.
import { MEASURES, misses, type Figure, type Findings, type Measure } from './figure.ts';
import type { Machine } from './machine.ts';

export interface Report {
  readonly when: string;
  readonly machine: Machine;
  readonly load_before: readonly number[];
  readonly load_after?: readonly number[];
  readonly seconds?: number;
  readonly parts: Record<string, Findings & { readonly figures: readonly Figure[]; readonly seconds: number }>;
}

/** One figure, with what it was before. */
export function line(figure: Figure, before?: Report): string {
  const mark = figure.refused !== undefined ? '–' : figure.yardstick ? '·' : misses(figure).length > 0 ? '✗' : '✓';
  return `  ${mark} ${figure.title}: ${numbers(figure, find(before, figure.id))}`;
}

export function markdown(report: Report, before?: Report): string {
  const { machine } = report;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const out = [
    '# How fast',
    '',
    `${report.when}, ${machine.processors} × ${machine.processor}, ${machine.memory_gib} GiB, Linux ${machine.kernel}; ${versions.join(', ')}.`,
    `Load average before ${report.load_before.join(' ')}, after ${report.load_after?.join(' ') ?? '?'}; ${report.seconds ?? '?'} s.`,
    '',
    'Yardsticks are in italics. A figure in bold misses its goal.',
  ];
  for (const [name, { figures, plots, timelines, notes, seconds }] of Object.entries(report.parts)) {
    out.push('', `## ${name}`, '', `${seconds} s.`, '', '| what | measured | goal | machine busy |', '|---|---|---|---|');
    for (const figure of figures) {
      const title = figure.yardstick ? `*${figure.title}*` : figure.title;
      const measured = numbers(figure, find(before, figure.id));
      const shown = misses(figure).length > 0 ? `**${measured}**` : measured;
      out.push(`| ${title} | ${shown} | ${goal(figure)} | ${figure.busy === undefined ? '' : `${figure.busy} %`} |`);
    }
    for (const note of notes ?? []) out.push('', note);
    for (const { id, title } of [...(plots ?? []), ...(timelines ?? [])]) out.push('', `![${title}](${id}.svg)`);
  }
  return `${out.join('\n')}\n`;
}

function numbers(figure: Figure, before?: Figure): string {
  if (figure.refused !== undefined) return `not reported: ${figure.refused}`;
  const parts = MEASURES.flatMap((measure) => {
    const value = figure[measure];
    if (value === undefined) return [];
    const was = before?.[measure];
    const name = measure === 'value' ? '' : `${measure} `;
    return [`${name}${value}${was === undefined ? '' : ` (was ${was})`}`];
  });
  return `${parts.join(', ')}${figure.unit ? ` ${figure.unit}` : ''}`;
}

function goal(figure: Figure): string {
  const each = (sign: string, goals: Figure['goal']): string[] =>
    Object.entries(goals ?? {}).map(([measure, value]) => `${measure === 'value' ? '' : `${measure as Measure} `}${sign} ${value}`);
  return [...each('≤', figure.goal), ...each('≥', figure.goal_min)].join(', ');
}

function find(report: Report | undefined, id: string): Figure | undefined {
  return Object.values(report?.parts ?? {})
    .flatMap(({ figures }) => figures)
    .find((figure) => figure.id === id);
}
