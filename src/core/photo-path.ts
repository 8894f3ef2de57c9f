import { posix } from 'node:path';

/**
 * One spelling of a path: composed letters, `/` between folders, no `.`, `//` or `./` in front. Two paths of one spelling are one
 * photo, whatever system or tool has written them.
 */
export function plainPath(path: string): string {
  if (PLAIN.test(path)) return path;
  return posix.normalize(path.normalize('NFC').replaceAll('\\', '/')).replace(/^\.\//, '');
}

/** Most paths are plain as they are. */
const PLAIN = /^(?!\.{0,2}\/)(?:(?!\/\.{0,2}\/)[\x20-\x5b\x5d-\x7e])*$/;

/** The same for comparison with what others have written: the extension in small letters, percent codes as characters. */
export function loosePath(path: string): string {
  const plain = plainPath(decoded(path) ?? path);
  const extension = posix.extname(plain);
  return plain.slice(0, plain.length - extension.length) + extension.toLowerCase();
}

/** Undefined where the path holds no percent codes of UTF-8. */
function decoded(path: string): string | undefined {
  if (!/%[0-9a-f]{2}/i.test(path)) return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** How well two paths agree, best first. */
export const Match = { Exact: 0, Spelling: 1, End: 2 } as const;
export type Match = (typeof Match)[keyof typeof Match];

/** Things by the path of their photo, found again under any of its spellings. */
export class PhotoIndex<T> {
  /** Undefined where a path comes twice. */
  readonly #exact = new Map<string, T | undefined>();
  readonly #loose = new Map<string, T | undefined>();
  /** By last part; several where the name is in several folders. */
  readonly #byName = new Map<string, [string, T][]>();

  /** A thing under a path that comes twice is found by neither. */
  add(path: string, thing: T): void {
    const loose = loosePath(path);
    this.#exact.set(path, this.#exact.has(path) ? undefined : thing);
    this.#loose.set(loose, this.#loose.has(loose) ? undefined : thing);
    const name = posix.basename(loose);
    const known = this.#byName.get(name);
    if (known) known.push([loose, thing]);
    else this.#byName.set(name, [[loose, thing]]);
  }

  /**
   * The thing under the path, under another spelling of it, or the only one where one of two paths ends in all of the other: they
   * may be one photo, seen from two folders.
   */
  find(path: string): { readonly thing: T; readonly match: Match } | undefined {
    const loose = loosePath(path);
    const exact = this.#exact.get(path);
    if (exact !== undefined) return { thing: exact, match: Match.Exact };
    const spelled = this.#loose.get(loose);
    if (spelled !== undefined) return { thing: spelled, match: Match.Spelling };
    const alike = (this.#byName.get(posix.basename(loose)) ?? []).filter(([other]) =>
      isEnd(loose, other),
    );
    return alike.length === 1 ? { thing: alike[0]![1], match: Match.End } : undefined;
  }
}

/** Whether one path is the end of the other, folder by folder. Steps up and the root say nothing. */
function isEnd(a: string, b: string): boolean {
  const [one, two] = [a, b].map((path) => `/${path.replace(/^(?:\.\.\/|\/|[a-zA-Z]:\/)+/, '')}`);
  return one!.endsWith(two!) || two!.endsWith(one!);
}
