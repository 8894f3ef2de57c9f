import { opendir } from 'node:fs/promises';
import path from 'node:path';
import leven from 'leven';

/** The names that are written most like the wanted one, nearest first. */
export function nearestNames(wanted: string, names: Iterable<string>, count = 3): string[] {
  return [...names].sort((a, b) => leven(wanted, a) - leven(wanted, b)).slice(0, count);
}

/** The name that the wanted one was most likely meant to be: a slip or two away, or begun alike and left off. */
export function meantName(wanted: string, names: Iterable<string>): string | undefined {
  const [nearest] = nearestNames(wanted, names, 1);
  if (nearest !== undefined && leven(wanted, nearest) <= Math.max(1, wanted.length / 3)) {
    return nearest;
  }
  return [...names].find((name) => name.startsWith(wanted) || wanted.startsWith(`${name}-`));
}

/** Names of one folder that are looked at. */
const NAMES_READ = 5000;
/** In larger folders names are compared by case and extension alone, which takes no time for each missing name. */
const COMPARED_BY_LETTER = 300;
/** Folders whose names are kept for the next missing one. */
const FOLDERS_KEPT = 16;

interface NameIndex {
  readonly names: readonly string[];
  readonly byLower: ReadonlyMap<string, string>;
  readonly byStem: ReadonlyMap<string, string>;
}

/**
 * Finds what may have been meant by names that are not there. What it finds depends on the folder alone, not on what was
 * asked before, so that a run which is continued says the same.
 */
export class NearestNames {
  readonly #folders = new Map<string, Promise<NameIndex>>();

  /**
   * The name in a folder that differs only by case, by extension, or in a small folder by at most two letters; undefined
   * where there is none or the folder cannot be read.
   */
  async nearest(folder: string, name: string): Promise<string | undefined> {
    const { names, byLower, byStem } = await this.#indexOf(folder);
    const lower = name.toLowerCase();
    const alike = byLower.get(lower) ?? byStem.get(path.parse(lower).name);
    if (alike !== undefined || names.length > COMPARED_BY_LETTER) return alike;
    const distances = names.map((other) => letterDistance(other.toLowerCase(), lower, 2));
    const least = Math.min(...distances);
    return least > 2 ? undefined : names[distances.indexOf(least)];
  }

  #indexOf(folder: string): Promise<NameIndex> {
    const known = this.#folders.get(folder);
    if (known) return known;
    const index = readNames(folder);
    this.#folders.set(folder, index);
    if (this.#folders.size > FOLDERS_KEPT) {
      this.#folders.delete(this.#folders.keys().next().value!);
    }
    return index;
  }
}

async function readNames(folder: string): Promise<NameIndex> {
  const names: string[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      if (names.push(entry.name) >= NAMES_READ) break;
    }
  } catch {
    // A folder that cannot be read suggests nothing.
  }
  // Of names alike the first one counts.
  names.sort().reverse();
  const byLower = new Map(names.map((name) => [name.toLowerCase(), name]));
  const byStem = new Map(names.map((name) => [path.parse(name.toLowerCase()).name, name]));
  return { names: names.reverse(), byLower, byStem };
}

/**
 * Letters to insert, drop or replace to come from `a` to `b`, or `limit + 1` where it takes more.
 * @see Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals", 1966
 */
function letterDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    if (Math.min(...next) > limit) return limit + 1;
    row = next;
  }
  return Math.min(row[b.length]!, limit + 1);
}
