import { sha256Of } from '../core/text.js';
import type { Query } from '../formats/query-line.js';
import { canonicalSettings, type RunSettings } from '../formats/run-summary.js';
import type { RunLine } from '../runtime/ports.js';

/**
 * What a line was made of, so that a rerun knows what has changed since. Hashes have eight hexadecimal digits. It depends on contents
 * alone, not on where they lie: runs over copies write the same.
 */
export interface MadeOf {
  /** Of the settings that decide answers. */
  readonly settings: string;
  /** Of the line itself, without this: a damaged file may hold the start of one line before the end of another. */
  readonly line: string;
  /** Of the words, the photo's name, the tools' boxes and the size of the line; `none` of a line that holds no query. */
  readonly query?: string;
  /** Size of the photo's file, and the start of its sha256; absent where no photo was read. */
  readonly bytes?: number;
  readonly sha256?: string;
}

const DIGITS = 8;
export const NO_QUERY = 'none';

/** The start of the sha256 of a text or file. */
export function digest(content: string | Uint8Array): string {
  return sha256Of(content).slice(0, DIGITS);
}

/** Settings that say where the input lies, which part of it is done, and how lines are written, not what they say. */
const OF_THE_RUN: ReadonlySet<string> = new Set([
  'shard',
  'queries',
  'images',
  'unordered',
  'timing',
]);

/** The same for all runs that answer alike. */
export function settingsDigest(settings: RunSettings): string {
  const deciding = Object.entries(settings).filter(([name]) => !OF_THE_RUN.has(name));
  return digest(canonicalSettings(Object.fromEntries(deciding)));
}

/** @param settings by {@link settingsDigest} */
export function madeOf(settings: string, { head, json, query, photo }: RunLine): MadeOf {
  const isOfLine = head.type === 'error' && head.line !== undefined;
  return {
    settings,
    line: digest(json),
    query: query ? queryDigest(query) : isOfLine ? NO_QUERY : undefined,
    bytes: photo?.bytes,
    sha256: photo?.sha256.slice(0, DIGITS),
  };
}

export function queryDigest({ query, imagePath, tools, imageSize }: Query): string {
  return digest(JSON.stringify([query, imagePath ?? null, tools, imageSize ?? null]));
}

/** A digest as a number, never 0, and back. */
export function digestWord(hash: string): number {
  return Number.parseInt(hash, 16) || 1;
}

export function digestOfWord(word: number): string {
  return word.toString(16).padStart(DIGITS, '0');
}
