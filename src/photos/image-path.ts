import { opendir, readdir, readlink, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import leven from 'leven';
import { codeOf, quoted, VgrError } from '../core/error.js';
import type { Patience } from '../core/files.js';
import { PromiseCache } from '../core/lru.js';
import { loosePath } from '../core/photo-path.js';

/** Photos whose paths are remembered. */
const MAX_PATHS = 64;

/** Folders whose names are kept for photos that lists spell in another way: a folder may have some 100,000. */
const MAX_SPELLED_FOLDERS = 4;

/** The names in a folder by one spelling of each; null where several are alike. */
async function spellingsIn(folder: string): Promise<ReadonlyMap<string, string | null>> {
  const names = new Map<string, string | null>();
  for (const name of await readdir(folder)) {
    const loose = loosePath(name);
    names.set(loose, names.has(loose) ? null : name);
  }
  return names;
}

/** True where `inner` is `outer` or lies below it. Both are absolute and free of links. */
export function isInside(outer: string, inner: string): boolean {
  const relative = path.relative(outer, inner);
  return (
    relative === '' ||
    (relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative))
  );
}

export interface ImageRootsOptions extends Patience {
  /** Take absolute paths, `..` and links that lead out of the folders. */
  readonly allowOutside?: boolean;
}

/** The folders that the `image` field of query lines is relative to, tried in order. */
export class ImageRoots {
  readonly #nearestFiles = new NearestFiles();
  /** Queries of one photo lie near each other: its path is followed once for them. */
  readonly #resolved = new PromiseCache<string>(MAX_PATHS);
  /** By folder. */
  readonly #spellings = new PromiseCache<ReadonlyMap<string, string | null>>(MAX_SPELLED_FOLDERS);
  readonly #seen = new SeenFolders();

  private constructor(
    private readonly roots: readonly string[],
    private readonly options: ImageRootsOptions,
  ) {}

  /**
   * @throws VgrError INPUT_MISSING where a folder is not there
   */
  static async open(
    folders: readonly string[],
    options: ImageRootsOptions = {},
  ): Promise<ImageRoots> {
    const roots = await Promise.all(
      folders.map((folder) =>
        realpath(folder).catch((cause: unknown) => {
          throw new VgrError('INPUT_MISSING', `no folder ${quoted(folder)}`, { cause });
        }),
      ),
    );
    return new ImageRoots([...new Set(roots)], options);
  }

  /**
   * The real path of a photo, free of links, under the name as it is or another spelling of it.
   * @param image the `image` field of a query line, with `/` between folders
   * @throws VgrError IMAGE_OUTSIDE where it leads out of every folder, IMAGE_MISSING where no folder has it, IMAGES_UNAVAILABLE
   * where the folders have gone, after a few seconds
   */
  resolve(image: string): Promise<string> {
    return this.#resolved.getOrMake(image, () => this.#resolveLasting(image));
  }

  async #resolveLasting(image: string): Promise<string> {
    const read = () => this.#resolve(image);
    try {
      return await read();
    } catch (thrown) {
      if (codeOf(thrown) === '') throw thrown;
      const { readAgain } = await import('./storage.js');
      const wanted = this.roots.map((root) => path.resolve(root, image));
      const isGone = () => this.#seen.isGone(this.roots, wanted);
      return readAgain(wanted[0]!, thrown, read, { ...this.options, isGone });
    }
  }

  async #resolve(image: string): Promise<string> {
    if (image.includes('\0')) {
      throw new VgrError('IMAGE_OUTSIDE', `expected a path, got ${quoted(image)} with a NUL byte`);
    }
    const { allowOutside = false } = this.options;
    if (!allowOutside) refuseAbsolute(image);
    const found = await this.#find(image);
    if (found.real !== undefined) return found.real;
    const loose = loosePath(image);
    if (allowOutside || !isAbsolute(loose)) {
      for (const root of this.roots) {
        const other = await this.#spelled(root, loose);
        const { real } = other === undefined ? {} : await this.#find(other);
        if (real !== undefined) return real;
      }
    }
    throw found.outside ?? (await this.#missing(image, found.cause));
  }

  /** The real path, or why there is none: it leads out, or no folder has it. */
  async #find(
    image: string,
  ): Promise<{ readonly real?: string; readonly outside?: VgrError; readonly cause?: unknown }> {
    const { allowOutside = false } = this.options;
    let outside: VgrError | undefined;
    let cause: unknown;
    for (const root of this.roots) {
      const wanted = path.resolve(root, image);
      if (!allowOutside && !isInside(root, wanted)) {
        outside ??= leadsOut(image, root);
        continue;
      }
      let real: string;
      try {
        real = await realpath(wanted);
      } catch (thrown) {
        cause ??= thrown;
        continue;
      }
      if (allowOutside || isInside(root, real)) {
        await this.#seen.note(root, wanted, real);
        return { real };
      }
      outside ??= leadsOut(image, root, real);
    }
    return { outside, cause };
  }

  /** A path as its parts are spelled on the disk; undefined where a part is not there, or several names could be it. */
  async #spelled(root: string, loose: string): Promise<string | undefined> {
    let found = path.resolve(root, path.isAbsolute(loose) ? '/' : '.');
    for (const part of loose.split('/').filter((each) => each !== '')) {
      const folder = found;
      const names = await this.#spellings
        .getOrMake(folder, () => spellingsIn(folder))
        .catch(() => undefined);
      const name = names?.get(loosePath(part));
      if (name == null) return undefined;
      found = path.join(folder, name);
    }
    return found;
  }

  async #missing(image: string, cause: unknown): Promise<VgrError> {
    const where = this.roots.map((root) => quoted(root)).join(', ');
    let hint = 'the `image` field is relative to the IMAGES folder of the command line';
    for (const root of this.roots) {
      const wanted = path.resolve(root, image);
      const nearest = await this.#nearestFiles.nearest(wanted);
      if (nearest === undefined) continue;
      hint = `is ${quoted(posix(path.relative(root, path.join(path.dirname(wanted), nearest))))} meant?`;
      break;
    }
    return new VgrError('IMAGE_MISSING', `no photo ${quoted(image)} in ${where}`, { cause, hint });
  }
}

/** Folders that are remembered. */
const MAX_SEEN = 4096;

/** The folders in which photos were found, by which a photo that is missing is told from one whose share is. */
class SeenFolders {
  /** By path: device and number on it. */
  readonly #identities = new Map<string, string>();

  /** Remembers the folders of a photo, from the root down, and that to which it is a link. */
  async note(root: string, wanted: string, real: string): Promise<void> {
    const folders = [path.dirname(real), ...foldersBetween(root, wanted)];
    for (const folder of folders) {
      if (this.#identities.has(folder) || this.#identities.size >= MAX_SEEN) continue;
      const identity = await identityOf(folder);
      if (identity !== undefined) this.#identities.set(folder, identity);
    }
  }

  /**
   * Whether photos may be missing because their folders are: a root is gone or empty, or a folder in which there were photos is
   * gone, empty, or another one.
   */
  async isGone(roots: readonly string[], wanted: readonly string[]): Promise<boolean> {
    const { stateOf } = await import('./storage.js');
    for (const [at, root] of roots.entries()) {
      if ((await stateOf(root)) !== 'filled') return true;
      const target = await readlink(wanted[at]!).catch(() => undefined);
      const folders = foldersBetween(root, wanted[at]!);
      if (target) folders.push(path.dirname(path.resolve(path.dirname(wanted[at]!), target)));
      for (const folder of folders) {
        const identity = this.#identities.get(folder);
        if (identity === undefined) continue;
        if ((await stateOf(folder)) !== 'filled' || (await identityOf(folder)) !== identity) {
          return true;
        }
      }
    }
    return false;
  }
}

/** The folders of a file up to a root, which is the last. */
function foldersBetween(root: string, file: string): string[] {
  const folders: string[] = [];
  let folder = path.dirname(file);
  while (isInside(root, folder)) {
    folders.push(folder);
    if (folder === root) break;
    folder = path.dirname(folder);
  }
  return folders;
}

async function identityOf(folder: string): Promise<string | undefined> {
  const there = await stat(folder).catch(() => undefined);
  return there && `${there.dev} ${there.ino}`;
}

/** Whether an argument that is no file is words of a sentence: it has blanks, and neither the marks nor the end of a path. */
export function readsLikeExpression(word: string): boolean {
  return /\p{L}\s+\p{L}/u.test(word) && !/[/\\*]|\.\w{1,5}$/.test(word);
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

function isAbsolute(image: string): boolean {
  return path.posix.isAbsolute(image) || path.win32.isAbsolute(image) || /^[A-Za-z]:/.test(image);
}

function refuseAbsolute(image: string): void {
  if (isAbsolute(image)) {
    throw new VgrError(
      'IMAGE_OUTSIDE',
      `expected a path relative to the image folder, got ${quoted(image)}`,
      {
        hint: 'make it relative, or pass `--allow-outside` where the file that names it is trusted',
      },
    );
  }
}

function leadsOut(image: string, root: string, real?: string): VgrError {
  const target = real === undefined ? '' : `, a link to ${quoted(real)}`;
  return new VgrError('IMAGE_OUTSIDE', `${quoted(image)} leads out of ${quoted(root)}${target}`, {
    hint: 'copy the photo into the folder, or pass `--allow-outside` where the file that names it is trusted',
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
