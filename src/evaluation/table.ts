import { printable } from '../formats/fault.js';

/** A table as data; cells of a row stand in the order of the columns. Null is an empty cell. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

export type Cell = string | number | null;

/** A spreadsheet runs a text that begins like this as a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/**
 * The table as RFC 4180 has it: commas, CR LF, quotes around a cell that needs them. Numbers stand with all their digits. A
 * text that a spreadsheet would run as a formula gets an apostrophe before it.
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 */
export function renderCsv({ columns, rows }: Table): string {
  return [columns, ...rows].map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return String(cell);
  const text = FORMULA.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The table as GitHub's Markdown has it: numbers with four decimals, columns of numbers to the right. */
export function renderMarkdown({ columns, rows }: Table): string {
  const alignments = columns.map((_, column) =>
    rows.length > 0 && rows.every((row) => typeof row[column] !== 'string') ? '---:' : '---',
  );
  return [columns.map(markdownCell), alignments, ...rows.map((row) => row.map(markdownCell))]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}

/** What Markdown or the HTML in it reads as markup; an underscore only at the edge of a word. */
const MARKUP = /[\\`*[\]<>|&~]|(?<!\w)_|_(?!\w)/g;

function markdownCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'string') {
    const oneLine = printable(cell.replace(/\s+/g, ' ').trim());
    return oneLine.replace(MARKUP, (mark) => `&#${mark.codePointAt(0)};`);
  }
  return Number.isInteger(cell) ? String(cell) : cell.toFixed(4);
}
