import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { printable } from './error.js';

/** A number with its noun, given in the singular: `1 query`, `2 queries`. */
export function counted(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`;
  return `${count} ${noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;
}

/** A name as a word of a shell command, to be shown. */
export function shellWord(text: string): string {
  const name = printable(text);
  return /^[\w./@%+=:,-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}

const require = createRequire(import.meta.url);

/** Versions of everything that decides a result. */
export function versions(): Readonly<Record<string, string>> {
  return {
    vgr: versionIn('../../package.json'),
    node: process.versions.node,
    'onnxruntime-node': versionOf('onnxruntime-node'),
    sharp: versionOf('sharp'),
  };
}

/** Hexadecimal. */
export function sha256Of(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The value of a JSON text; undefined where it is none. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function versionIn(path: string): string {
  return (require(path) as { version: string }).version;
}

/** Of an installed package, whose `exports` may hide its package.json. */
function versionOf(name: string): string {
  const entry = require.resolve(name);
  const folder = join('node_modules', name);
  return versionIn(join(entry.slice(0, entry.lastIndexOf(folder) + folder.length), 'package.json'));
}

/** Hosts of this machine: what goes to them does not cross a network, so it needs no encryption. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether nobody can listen or change what is sent: an https address, or one of this very machine. */
export function isSafeAddress(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname));
}

/** Characters that take two columns of a terminal, and those that take none. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const NARROW = /\p{M}/u;

/** The text in at most so many columns of a terminal, cut with `…` at its end, or at its start. */
export function fitted(text: string, columns: number, keep: 'start' | 'end' = 'start'): string {
  const all = [...text];
  const widths = all.map((each) => (WIDE.test(each) ? 2 : NARROW.test(each) ? 0 : 1));
  let width = widths.reduce<number>((sum, each) => sum + each, 0);
  if (width <= columns) return text;
  while (all.length > 0 && width > columns - 1) {
    width -= (keep === 'start' ? widths.pop() : widths.shift()) ?? 0;
    if (keep === 'start') all.pop();
    else all.shift();
  }
  return keep === 'start' ? `${all.join('')}…` : `…${all.join('')}`;
}

/** Columns as wide as their widest cell, two blanks between them. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
