import { opendir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { quoted, VgrError } from '../formats/fault.js';

export interface ImageRootsOptions {
  /** Take absolute paths, `..` and links that lead out of the folders. Off by default. */
  readonly allowOutside?: boolean;
}

/** How many missing photos are looked up among the names of their folder: a help for a person, not for a million lines. */
const SUGGESTIONS_PER_RUN = 20;
/** Names of one folder that are compared with a missing one. */
const NAMES_COMPARED = 5000;

/** True where `inner` is `outer` or lies below it. Both are absolute and free of links. */
export function isInside(outer: string, inner: string): boolean {
  const relative = path.relative(outer, inner);
  return (
    relative === '' ||
    (relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative))
  );
}

/** The folders that the `image` field of query lines is relative to, tried in order. */
export class ImageRoots {
  readonly #roots: readonly string[];
  readonly #allowOutside: boolean;
  #suggestionsLeft = SUGGESTIONS_PER_RUN;

  private constructor(roots: readonly string[], allowOutside: boolean) {
    this.#roots = roots;
    this.#allowOutside = allowOutside;
  }

  /** @throws VgrError INPUT_MISSING where a folder is not there */
  static async open(
    folders: readonly string[],
    options: ImageRootsOptions = {},
  ): Promise<ImageRoots> {
    const roots = await Promise.all(
      folders.map(async (folder) => {
        try {
          return await realpath(folder);
        } catch (cause) {
          throw new VgrError('INPUT_MISSING', `no folder ${quoted(folder)}`, { cause });
        }
      }),
    );
    return new ImageRoots([...new Set(roots)], options.allowOutside ?? false);
  }

  /**
   * The real path of a photo, free of links.
   * @param image the `image` field of a query line, with `/` between folders
   * @throws VgrError IMAGE_OUTSIDE where it leads out of every folder, IMAGE_MISSING where no folder has it
   */
  async resolve(image: string): Promise<string> {
    if (image.includes('\0')) {
      throw new VgrError('IMAGE_OUTSIDE', `expected a path, got ${quoted(image)} with a NUL byte`);
    }
    if (!this.#allowOutside) refuseAbsolute(image);
    let outside: VgrError | undefined;
    for (const root of this.#roots) {
      const wanted = path.resolve(root, image);
      if (!this.#allowOutside && !isInside(root, wanted)) {
        outside ??= leadsOut(image, root);
        continue;
      }
      const real = await realpath(wanted).catch(() => undefined);
      if (real === undefined) continue;
      if (this.#allowOutside || isInside(root, real)) return real;
      outside ??= leadsOut(image, root, real);
    }
    throw outside ?? (await this.#missing(image));
  }

  async #missing(image: string): Promise<VgrError> {
    const where = this.#roots.map((root) => quoted(root)).join(', ');
    const nearest = this.#suggestionsLeft-- > 0 ? await this.#nearest(image) : undefined;
    return new VgrError('IMAGE_MISSING', `no photo ${quoted(image)} in ${where}`, {
      hint:
        nearest === undefined
          ? 'the `image` field is relative to the IMAGES folder of the command line'
          : `is ${quoted(nearest)} meant?`,
    });
  }

  async #nearest(image: string): Promise<string | undefined> {
    const name = path.basename(image);
    for (const root of this.#roots) {
      const folder = path.dirname(path.resolve(root, image));
      const found = await nearestName(folder, name);
      if (found !== undefined) {
        return path.relative(root, path.join(folder, found)).split(path.sep).join('/');
      }
    }
    return undefined;
  }
}

/** One photo in one folder; {@link ImageRoots} where there are many of either. */
export async function resolveInside(
  root: string,
  relative: string,
  options: ImageRootsOptions = {},
): Promise<string> {
  return (await ImageRoots.open([root], options)).resolve(relative);
}

function refuseAbsolute(image: string): void {
  if (path.posix.isAbsolute(image) || path.win32.isAbsolute(image) || /^[A-Za-z]:/.test(image)) {
    throw new VgrError(
      'IMAGE_OUTSIDE',
      `expected a path relative to the image folder, got ${quoted(image)}`,
      { hint: 'make it relative, or pass `--allow-outside` where the file of queries is trusted' },
    );
  }
}

function leadsOut(image: string, root: string, real?: string): VgrError {
  const target = real === undefined ? '' : `, a link to ${quoted(real)}`;
  return new VgrError('IMAGE_OUTSIDE', `${quoted(image)} leads out of ${quoted(root)}${target}`, {
    hint: 'copy the photo into the folder, or pass `--allow-outside` where the file of queries is trusted',
  });
}

/**
 * The name in a folder that differs only by case, by extension, or by at most two letters; undefined where there is none
 * or the folder cannot be read.
 */
export async function nearestName(folder: string, name: string): Promise<string | undefined> {
  const lower = name.toLowerCase();
  const stem = path.parse(lower).name;
  let best: string | undefined;
  let bestDistance = 3;
  let compared = 0;
  try {
    for await (const entry of await opendir(folder)) {
      const other = entry.name.toLowerCase();
      const distance =
        other === lower ? 0 : path.parse(other).name === stem ? 1 : letterDistance(other, lower, 2);
      if (distance < bestDistance) {
        best = entry.name;
        bestDistance = distance;
      }
      if (bestDistance === 0 || ++compared >= NAMES_COMPARED) break;
    }
  } catch {
    return undefined;
  }
  return best;
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
