#!/usr/bin/env node
// Writes the table of values in the chart's README from the comments in values.yaml: readme.mjs [--check]
//
// It reads the one form that values.yaml is written in: two spaces a level, and above each value a comment of one line
// that begins with `# --`. A map without such a comment is a heading for what is below it. With --check it writes nothing
// and fails if the README is not what it would write.
import { readFileSync, writeFileSync } from 'node:fs';

const chart = new URL('mqtt-video/', import.meta.url);
const readme = new URL('README.md', chart);
const begin = '<!-- values -->\n';
const end = '<!-- end of values -->\n';

/** Each described value: its path, default and description. Throws at a value without a description. */
function values(text) {
  const described = [];
  const path = [];
  let comment;
  // The value whose default is a map that is written over the lines below it.
  let open;
  for (const [index, line] of text.split('\n').entries()) {
    const [, spaces, rest] = /^( *)(.*)$/.exec(line);
    const depth = spaces.length / 2;
    if (rest.startsWith('# -- ')) {
      comment = rest.slice(5);
      continue;
    }
    const entry = /^([A-Za-z0-9]+):(?: (.*))?$/.exec(rest);
    if (!entry) continue;
    const [, key, value] = entry;
    if (open && depth > open.depth) {
      open.lines.push(rest);
      continue;
    }
    open = undefined;
    path.length = depth;
    path.push(key);
    if (comment !== undefined) {
      const item = { path: path.join('.'), value, comment, depth, lines: [] };
      described.push(item);
      if (value === undefined) open = item;
    } else if (value !== undefined) {
      throw new Error(`values.yaml:${index + 1}: ${path.join('.')} has no description`);
    }
    comment = undefined;
  }
  return described;
}

const cell = (text) => text.replaceAll('|', '\\|');
const rows = values(readFileSync(new URL('values.yaml', chart), 'utf8')).map(
  ({ path, value, comment, lines }) =>
    `| \`${path}\` | \`${cell(value ?? `{${lines.join(', ')}}`)}\` | ${cell(comment)} |\n`,
);
const old = readFileSync(readme, 'utf8');
const [before, , after] = old.split(new RegExp(`(?<=${begin})([^]*)(?=${end})`));
if (after === undefined) throw new Error(`README.md has no ${begin.trim()} … ${end.trim()}`);
const made = `${before}| value | default | what |\n|---|---|---|\n${rows.join('')}${after}`;
if (process.argv[2] !== '--check') {
  writeFileSync(readme, made);
} else if (made !== old) {
  console.error('helm/mqtt-video/README.md is not what values.yaml says: run helm/readme.mjs');
  process.exit(1);
}
