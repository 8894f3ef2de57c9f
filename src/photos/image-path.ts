import { opendir, realpath } from 'node:fs/promises';
import path from 'node:path';
import leven from 'leven';
import { quoted, VgrError } from '../core/error.js';
import { PromiseCache } from '../core/lru.js';

/** Photos whose paths are remembered. */
const MAX_PATHS = 64;

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
  readonly #nearestFiles = new NearestFiles();
  /** Queries of one photo lie near each other: its path is followed once for them. */
  readonly #resolved = new PromiseCache<string>(MAX_PATHS);

  private constructor(
    private readonly roots: readonly string[],
    private readonly allowOutside: boolean,
  ) {}

  /**
   * @param options `allowOutside`: take absolute paths, `..` and links that lead out of the folders
   * @throws VgrError INPUT_MISSING where a folder is not there
   */
  static async open(
    folders: readonly string[],
    { allowOutside = false }: { readonly allowOutside?: boolean } = {},
  ): Promise<ImageRoots> {
    const roots = await Promise.all(
      folders.map((folder) =>
        realpath(folder).catch((cause: unknown) => {
          throw new VgrError('INPUT_MISSING', `no folder ${quoted(folder)}`, { cause });
        }),
      ),
    );
    return new ImageRoots([...new Set(roots)], allowOutside);
  }

  /**
   * The real path of a photo, free of links.
   * @param image the `image` field of a query line, with `/` between folders
   * @throws VgrError IMAGE_OUTSIDE where it leads out of every folder, IMAGE_MISSING where no folder has it
   */
  resolve(image: string): Promise<string> {
    return this.#resolved.getOrMake(image, () => this.#resolve(image));
  }

  async #resolve(image: string): Promise<string> {
    if (image.includes('\0')) {
      throw new VgrError('IMAGE_OUTSIDE', `expected a path, got ${quoted(image)} with a NUL byte`);
    }
    if (!this.allowOutside) refuseAbsolute(image);
    let outside: VgrError | undefined;
    for (const root of this.roots) {
      const wanted = path.resolve(root, image);
      if (!this.allowOutside && !isInside(root, wanted)) {
        outside ??= leadsOut(image, root);
        continue;
      }
      const real = await realpath(wanted).catch(() => undefined);
      if (real === undefined) continue;
      if (this.allowOutside || isInside(root, real)) return real;
      outside ??= leadsOut(image, root, real);
    }
    throw outside ?? (await this.#missing(image));
  }

  async #missing(image: string): Promise<VgrError> {
    const where = this.roots.map((root) => quoted(root)).join(', ');
    let hint = 'the `image` field is relative to the IMAGES folder of the command line';
    for (const root of this.roots) {
      const wanted = path.resolve(root, image);
      const nearest = await this.#nearestFiles.nearest(wanted);
      if (nearest === undefined) continue;
      hint = `is ${quoted(posix(path.relative(root, path.join(path.dirname(wanted), nearest))))} meant?`;
      break;
    }
    return new VgrError('IMAGE_MISSING', `no photo ${quoted(image)} in ${where}`, { hint });
  }
}

/** A path of this system with `/` between folders. */
export function posix(name: string): string {
  return path.sep === '/' ? name : name.split(path.sep).join('/');
}

/**
 * Refuses to draw pictures into the folder of the photos: an id may be the name of a photo, which the picture would replace.
 * @throws VgrError USAGE
 */
export async function refuseAmongPhotos(folder: string, roots: readonly string[]): Promise<void> {
  const real = (name: string) => realpath(name).catch(() => path.resolve(name));
  const wanted = await real(folder);
  for (const root of roots) {
    if ((await real(root)) !== wanted) continue;
    throw new VgrError(
      'USAGE',
      `--visualize: expected another folder than that of the photos, got ${quoted(folder)}`,
      { hint: 'pictures are named by the ids of queries, and could replace photos of that name' },
    );
  }
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

/** Names of one folder that are looked at. */
const MAX_NAMES = 5000;
/** In larger folders names are compared by case and extension alone: distances to all of them would take too long. */
const MAX_COMPARED_NAMES = 300;
/** Letters to insert, drop or replace in a name that may have been meant. */
const MAX_SLIPS = 2;
/** Folders whose names are kept for the next missing one. */
const MAX_FOLDERS = 16;

interface NameIndex {
  readonly names: readonly string[];
  readonly byLower: ReadonlyMap<string, string>;
  readonly byStem: ReadonlyMap<string, string>;
}

/**
 * Finds what may have been meant by files that are not there. What it finds depends on the folder alone, not on what was
 * asked before, so that a run which is continued says the same.
 */
export class NearestFiles {
  readonly #folders = new PromiseCache<NameIndex>(MAX_FOLDERS);

  /**
   * The name in the file's folder that differs only by case, by extension, or in a small folder by at most two letters; undefined
   * where there is none or the folder cannot be read.
   */
  async nearest(file: string): Promise<string | undefined> {
    const folder = path.dirname(file);
    const { names, byLower, byStem } = await this.#folders.getOrMake(folder, () => indexOf(folder));
    const lower = path.basename(file).toLowerCase();
    const alike = byLower.get(lower) ?? byStem.get(path.parse(lower).name);
    if (alike !== undefined || names.length > MAX_COMPARED_NAMES) return alike;
    const options = { maxDistance: MAX_SLIPS + 1 };
    const distances = names.map((other) => leven(other.toLowerCase(), lower, options));
    const least = Math.min(...distances);
    return least > MAX_SLIPS ? undefined : names[distances.indexOf(least)];
  }
}

async function indexOf(folder: string): Promise<NameIndex> {
  const names: string[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      if (names.push(entry.name) >= MAX_NAMES) break;
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
