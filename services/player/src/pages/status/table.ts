// A table that is brought up to date in place: rows are told apart by a key, and stay where they are while somebody reads,
// selects or has the focus in them. On a phone, style turns each row into a card; roles keep it a table for those who listen.
import { element, setText } from '../dom';

export interface Column<Row> {
  readonly label: string;
  readonly numeric?: boolean;
  /** What stands in the cell; an empty text hides it where rows are cards. */
  readonly text: (row: Row) => string;
  /** Decorates the cell beside its text; called once a cell, and again whenever its text changes. */
  readonly draw?: (cell: HTMLElement, row: Row) => void;
}

export interface Layout<Row> {
  readonly key: (row: Row) => string;
  readonly columns: readonly Column<Row>[];
  /** Stands in place of a table without rows. */
  readonly empty: string;
}

/** Makes a table in `place`; the returned function shows rows in it. */
export function table<Row>(place: HTMLElement, title: string, layout: Layout<Row>): (rows: readonly Row[]) => void {
  const root = element('table');
  root.setAttribute('role', 'table');
  root.setAttribute('aria-labelledby', title);
  const head = root.createTHead().insertRow();
  head.setAttribute('role', 'row');
  head.append(
    ...layout.columns.map(({ label, numeric }) => {
      const cell = element('th', numeric ? 'numeric' : '', label);
      cell.scope = 'col';
      cell.setAttribute('role', 'columnheader');
      return cell;
    }),
  );
  const body = root.createTBody();
  root.tHead?.setAttribute('role', 'rowgroup');
  body.setAttribute('role', 'rowgroup');
  const empty = element('p', 'hint', layout.empty);
  place.append(root, empty);
  const lines = new Map<string, HTMLTableRowElement>();

  return (rows) => {
    root.hidden = rows.length === 0;
    empty.hidden = rows.length > 0;
    const keys = new Set(rows.map(layout.key));
    for (const [key, line] of lines) {
      if (keys.has(key)) continue;
      line.remove();
      lines.delete(key);
    }
    rows.forEach((row, index) => {
      const key = layout.key(row);
      const line = lines.get(key) ?? newLine(layout.columns);
      lines.set(key, line);
      const there = body.rows.item(index);
      if (there !== line) body.insertBefore(line, there);
      layout.columns.forEach((column, at) => fill(line.cells.item(at), column, row));
    });
  };
}

function newLine<Row>(columns: readonly Column<Row>[]): HTMLTableRowElement {
  const line = element('tr');
  line.setAttribute('role', 'row');
  columns.forEach(({ label, numeric }, index) => {
    const cell = line.insertCell();
    cell.setAttribute('role', index === 0 ? 'rowheader' : 'cell');
    cell.dataset['label'] = label;
    if (numeric) cell.className = 'numeric';
  });
  return line;
}

function fill<Row>(cell: HTMLElement | null, { text, draw }: Column<Row>, row: Row): void {
  if (!cell) return;
  const wanted = text(row);
  if (cell.dataset['text'] === wanted) return;
  cell.dataset['text'] = wanted;
  if (draw) {
    cell.replaceChildren();
    draw(cell, row);
  } else setText(cell, wanted);
}
