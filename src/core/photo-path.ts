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

/** The same for comparison with foreign lists: the extension in small letters, percent codes as characters. */
function loosePath(path: string): string {
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

/** Other spellings of a path under which the photo may lie on disk, if it does not under this one. */
export function spellings(path: string): string[] {
  const found = new Set<string>();
  for (const base of [path, decoded(path) ?? path]) {
    const extension = posix.extname(base);
    const stem = base.slice(0, base.length - extension.length);
    for (const end of [extension, extension.toLowerCase(), extension.toUpperCase()]) {
      for (const slashed of [stem + end, (stem + end).replaceAll('\\', '/')]) {
        for (const form of ['NFC', 'NFD'] as const) found.add(slashed.normalize(form));
      }
    }
  }
  found.delete(path);
  return [...found];
}

/** Things by the path of their photo, found again under any of its spellings. */
export class PhotoIndex<T> {
  readonly #exact = new Map<string, T>();
  readonly #loose = new Map<string, T | undefined>();
  /** By last part; several where the name is in several folders. */
  readonly #byName = new Map<string, [string, T][]>();

  /** A thing under a path that comes twice is found by neither. */
  add(path: string, thing: T): void {
    const loose = loosePath(path);
    const isTwice = this.#loose.has(loose) && this.#loose.get(loose) !== thing;
    this.#exact.set(path, thing);
    this.#loose.set(loose, isTwice ? undefined : thing);
    const name = posix.basename(loose);
    const known = this.#byName.get(name);
    if (known) known.push([loose, thing]);
    else this.#byName.set(name, [[loose, thing]]);
  }

  /**
   * The thing under the path, or under another spelling of it. Where one of two paths ends in all of the other, they may be one
   * photo, seen from two folders: then the only one counts, and `isSure` is false.
   */
  find(path: string): { readonly thing: T; readonly isSure: boolean } | undefined {
    const loose = loosePath(path);
    const thing = this.#exact.get(path) ?? this.#loose.get(loose);
    if (thing !== undefined) return { thing, isSure: true };
    const alike = (this.#byName.get(posix.basename(loose)) ?? []).filter(([other]) =>
      isEnd(loose, other),
    );
    return alike.length === 1 ? { thing: alike[0]![1], isSure: false } : undefined;
  }
}

/** Whether one path is the end of the other, folder by folder. Steps up and the root say nothing. */
function isEnd(a: string, b: string): boolean {
  const [one, two] = [a, b].map((path) => `/${path.replace(/^(?:\.\.\/|\/|[a-zA-Z]:\/)+/, '')}`);
  return one!.endsWith(two!) || two!.endsWith(one!);
}
