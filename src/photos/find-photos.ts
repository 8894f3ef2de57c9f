import { stat } from 'node:fs/promises';
import path from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { NameTable } from '../core/name-table.js';
import { NearestNames } from '../core/nearest-name.js';
import { isInside } from './image-path.js';
import {
  extensionOf,
  type Listed,
  posix,
  type Tally,
  type WalkOptions,
  walkFolder,
} from './photo-folder.js';
import type { ImageGlob } from './photo-glob.js';

/** What is taken from folders and globs; a file that is given by its name is taken whatever it is called. */
const IMAGE_EXTENSIONS = [
  '.jpg',
  '.jpeg',
  '.png',
  '.webp',
  '.avif',
  '.tif',
  '.tiff',
  '.gif',
] as const;

export interface ListImagesOptions {
  /** Follow links that lead out of the folders. Off by default: such a link is a failed item. */
  readonly allowOutside?: boolean;
  /** With or without the dot, any case. Default {@link IMAGE_EXTENSIONS}. */
  readonly extensions?: readonly string[];
}

type Input =
  | { readonly kind: 'folder'; readonly root: string }
  | { readonly kind: 'file'; readonly root: string; readonly absolute: string }
  | ({ readonly kind: 'glob' } & ImageGlob);

/**
 * Photos of folders (with the folders in them), globs and single files, in the order of the inputs, each input in the
 * order of its paths, each photo once. Names are relative to the folder; to the deepest folder without a wildcard for a
 * glob; to the deepest common folder for files given by name, so that a glob that the shell expands gives the same
 * names. Where several inputs have a name in common, the later photo is named from further up: `b/cat.jpg` beside `cat.jpg`
 * of folder `a`. Folders hold the names of one folder at a time in memory; a glob holds its own matches, for their order.
 * @throws VgrError INPUT_MISSING where an input is not there; NO_IMAGES, at the end, where there was nothing to take
 */
export async function* listImages(
  inputs: readonly string[],
  options: ListImagesOptions = {},
): AsyncGenerator<Listed> {
  const extensions = normalised(options.extensions ?? IMAGE_EXTENSIONS);
  const tally = new OtherFiles();
  const walkOptions = { extensions, allowOutside: options.allowOutside ?? false, tally };
  const seen = new SeenInputs(extensions);
  const names = new DistinctNames();
  let count = 0;
  for (const input of await readInputs(inputs)) {
    for await (const item of listInput(input, walkOptions)) {
      if ('path' in item && !seen.isNew(item.path, input.kind)) continue;
      count += 1;
      yield inputs.length === 1 ? item : { ...item, image: names.nameOf(item.image, input.root) };
    }
    if (input.kind === 'folder') seen.addFolder(input.root);
  }
  if (count === 0) throw noImages(inputs, extensions, tally);
}

/** The folders that the names of {@link listImages} are relative to, absolute, in the order of the inputs. */
export async function imageRoots(inputs: readonly string[]): Promise<string[]> {
  return [...new Set((await readInputs(inputs)).map(({ root }) => root))];
}

async function* listInput(input: Input, options: WalkOptions): AsyncGenerator<Listed> {
  if (input.kind === 'folder') yield* walkFolder(input.root, options);
  else if (input.kind === 'glob') {
    const { matchGlob } = await import('./photo-glob.js');
    yield* matchGlob(input, options);
  } else {
    const { root, absolute } = input;
    yield { image: posix(path.relative(root, absolute)), path: absolute, root };
  }
}

/** A name that is there is never read as a pattern, so `photo[1].jpg` is the file of that name. */
async function readInputs(inputs: readonly string[]): Promise<Input[]> {
  const files: string[] = [];
  const read = await Promise.all(
    inputs.map(async (input): Promise<Input | { kind: 'file'; absolute: string }> => {
      const absolute = path.resolve(input);
      const there = await stat(absolute).catch(() => undefined);
      if (there?.isDirectory()) return { kind: 'folder', root: absolute };
      if (there) return { kind: 'file', absolute };
      // Most runs name folders, and need not wait for the library.
      const { isGlob, readGlob } = await import('./photo-glob.js');
      if (isGlob(input)) return { kind: 'glob', ...readGlob(input) };
      throw await missingInput(input, absolute);
    }),
  );
  for (const input of read) if (input.kind === 'file') files.push(input.absolute);
  const common = commonFolder(files);
  return read.map((input) => (input.kind === 'file' ? { ...input, root: common } : input));
}

async function missingInput(input: string, absolute: string): Promise<VgrError> {
  const names = new NearestNames();
  const nearest = await names.nearest(path.dirname(absolute), path.basename(absolute));
  return new VgrError('INPUT_MISSING', `no file or folder ${quoted(input)}`, {
    ...(nearest !== undefined && {
      hint: `is ${quoted(path.join(path.dirname(input), nearest))} meant?`,
    }),
  });
}

/** The deepest folder that holds all files. */
function commonFolder(files: readonly string[]): string {
  let common = path.dirname(files[0] ?? path.resolve('x'));
  for (const file of files) while (!isInside(common, file)) common = path.dirname(common);
  return common;
}

function noImages(
  inputs: readonly string[],
  extensions: ReadonlySet<string>,
  others: OtherFiles,
): VgrError {
  const where = inputs.map((input) => quoted(input)).join(', ') || 'no input';
  return new VgrError(
    'NO_IMAGES',
    `no image in ${where}: looked for ${[...extensions].join(' ')}, found ${others}`,
    {
      hint: 'quote globs, as in `vgr detect "photos/**/*.jpg"`; a single file is taken by its name',
    },
  );
}

function normalised(extensions: readonly string[]): ReadonlySet<string> {
  return new Set(extensions.map((name) => `.${name.replace(/^\./, '').toLowerCase()}`));
}

/** What earlier inputs have given, so that inputs that overlap give each photo once. */
class SeenInputs {
  readonly #extensions: ReadonlySet<string>;
  readonly #folders: string[] = [];
  readonly #files = new Set<string>();

  constructor(extensions: ReadonlySet<string>) {
    this.#extensions = extensions;
  }

  addFolder(folder: string): void {
    this.#folders.push(folder);
  }

  /** A folder lists each of its photos once, so those need not be remembered one by one. */
  isNew(absolute: string, from: Input['kind']): boolean {
    if (this.#files.has(absolute)) return false;
    if (this.#folders.some((folder) => this.#lists(folder, absolute))) return false;
    if (from !== 'folder') this.#files.add(absolute);
    return true;
  }

  /** A folder lists neither hidden names nor other extensions; a file given by its name may have both. */
  #lists(folder: string, absolute: string): boolean {
    return (
      isInside(folder, absolute) &&
      this.#extensions.has(extensionOf(absolute)) &&
      !/(^|[/\\])\./.test(path.relative(folder, absolute))
    );
  }
}

/** Names under which photos are known in every output: no two have the same. */
class DistinctNames {
  readonly #taken = new NameTable();

  nameOf(image: string, root: string): string {
    const absolute = path.join(root, image);
    let from = root;
    let name = image;
    while (!this.#taken.add(name) && from !== path.dirname(from)) {
      from = path.dirname(from);
      name = posix(path.relative(from, absolute));
    }
    return name;
  }
}

/** Files that are no images, by extension; bounded, for a folder may hold anything. */
class OtherFiles implements Tally {
  readonly #counts = new Map<string, number>();
  #rest = 0;

  count(extension: string): void {
    const known = this.#counts.get(extension);
    if (known !== undefined || this.#counts.size < 1000) {
      this.#counts.set(extension, (known ?? 0) + 1);
    } else this.#rest += 1;
  }

  toString(): string {
    const sorted = [...this.#counts].sort(([, a], [, b]) => b - a);
    const total = sorted.reduce((sum, [, n]) => sum + n, this.#rest);
    if (total === 0) return 'no files';
    const shown = sorted
      .slice(0, 4)
      .map(([extension, n]) => `${n} ${extension === '' ? 'without extension' : extension}`);
    return `${total} other files (${shown.map((text) => quoted(text).slice(1, -1)).join(', ')}${sorted.length > 4 ? ', ...' : ''})`;
  }
}
