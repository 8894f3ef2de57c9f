import { lstat, opendir, readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { asVgrError, type ErrorCode, type ErrorDetail, quoted, VgrError } from '../core/error.js';
import { headOf } from '../core/files.js';
import { NameTable } from '../core/name-table.js';
import { isInside, NearestFiles, posix, readsLikeExpression } from './image-path.js';
import { isPicture } from './picture-name.js';

/** Extensions of files that are taken from folders and globs; a file that is given by its name may have any. */
const IMAGE_EXTENSIONS: ReadonlySet<string> = new Set([
  '.jpg',
  '.jpeg',
  '.jpe',
  '.jfif',
  '.pjpeg',
  '.pjp',
  '.png',
  '.webp',
  '.avif',
  '.tif',
  '.tiff',
  '.gif',
]);

/** Folders in which systems keep thumbnails and what was thrown away. */
const SYSTEM_FOLDERS =
  /^(?:@eadir|@recycle|#recycle|#snapshot|~snapshot|@__thumb|\$recycle\.bin|recycler|recycled|system volume information|lost\+found|lost\.dir|found\.\d{3}|_?_macosx|ipod photo cache|.+\.lrdata)$/i;

/** A photo, or the error of one item. */
export type Listed =
  | {
      /** Relative to its root, with `/` between folders; names the photo in every output. */
      readonly image: string;
      /** Where it is opened, absolute. */
      readonly path: string;
    }
  | { readonly image: string; readonly error: VgrError };

export interface ListImagesOptions {
  /** Follow links that lead out of the folders; otherwise such a link is a failed item. */
  readonly allowOutside?: boolean;
  /** Folders that hold what this run writes. */
  readonly except?: readonly string[];
  /** Counts what is passed by. */
  readonly others?: OtherFiles;
}

/**
 * Photos of folders (recursively), globs and single files, in the order of the inputs, each input in the order of its paths, each
 * photo once. Names are relative to the folder; for a glob, to the deepest folder without a wildcard; for files given by name, to
 * the deepest common folder, so that a glob that the shell expands gives the same names. If inputs have a name in common, the later
 * photo is named from further up: `b/cat.jpg` besides `cat.jpg` of folder `a`. Memory holds the names of one folder at a time, but
 * all matches of a glob, to sort them.
 * @throws VgrError INPUT_MISSING for an input that is not there; NO_IMAGES, at the end, if there was no photo
 */
export async function* listImages(
  inputs: readonly string[],
  { allowOutside = false, except = [], others = new OtherFiles() }: ListImagesOptions = {},
): AsyncGenerator<Listed> {
  const own = await Promise.all(
    except.map((folder) => realpath(folder).catch(() => path.resolve(folder))),
  );
  const seen = new SeenPhotos();
  const names = new NameTable();
  let count = 0;
  for (const input of await readInputs(inputs)) {
    for await (const found of new InputSearch(input, { allowOutside, own, others }).photos()) {
      const item =
        'path' in found && (await isUndecoded(found.path)) ? notUtf8(found.image) : found;
      if ('path' in item && !seen.isNew(item.path, input.kind)) continue;
      count += 1;
      yield inputs.length === 1 ? item : { ...item, image: newName(item.image, input.root, names) };
    }
    if (input.kind === 'folder') seen.addFolder(input.root);
  }
  if (count === 0) {
    const where = inputs.map((input) => quoted(input)).join(', ') || 'no input';
    throw new VgrError(
      'NO_IMAGES',
      `no image in ${where}: looked for ${[...IMAGE_EXTENSIONS].join(' ')}, found ${`${others}` || 'no files'}`,
      {
        hint: 'quote globs, as in `vgr detect "photos/**/*.jpg"`; a single file is taken by its name',
      },
    );
  }
}

/** The folders that the names of {@link listImages} are relative to, absolute, in the order of the inputs. */
export async function imageRoots(inputs: readonly string[]): Promise<string[]> {
  return [...new Set((await readInputs(inputs)).map(({ root }) => root))];
}

/** The first name for a photo that no other has: from its root, or from a folder above. */
function newName(image: string, root: string, names: NameTable): string {
  const absolute = path.join(root, image);
  let from = root;
  let name = image;
  while (!names.add(name) && from !== path.dirname(from)) {
    from = path.dirname(from);
    name = posix(path.relative(from, absolute));
  }
  return name;
}

/** `root` is absolute. */
type Input =
  | { readonly kind: 'folder'; readonly root: string }
  | { readonly kind: 'file'; readonly root: string; readonly absolute: string }
  /** A pattern relative to the deepest folder without a wildcard, with `/` between folders. */
  | { readonly kind: 'glob'; readonly root: string; readonly pattern: string };

/** The name of an existing file is never read as a pattern: `photo[1].jpg` may be one. */
async function readInputs(inputs: readonly string[]): Promise<Input[]> {
  const read = await Promise.all(
    inputs.map(async (input): Promise<Input> => {
      const absolute = path.resolve(input);
      const there = await stat(absolute).catch(() => undefined);
      if (there?.isDirectory()) return { kind: 'folder', root: absolute };
      if (there) return { kind: 'file', root: path.dirname(absolute), absolute };
      const { isDynamicPattern } = await import('globby');
      if (isDynamicPattern(input)) return readGlob(input);
      throw new VgrError('INPUT_MISSING', `no file or folder ${quoted(input)}`, {
        hint: await hintFor(input),
      });
    }),
  );
  let common: string | undefined;
  for (const input of read) {
    if (input.kind !== 'file') continue;
    common ??= input.root;
    while (!isInside(common, input.absolute)) common = path.dirname(common);
  }
  return read.map((input) => (input.kind === 'file' ? { ...input, root: common! } : input));
}

/** What was most likely meant by an input that is not there. */
async function hintFor(input: string): Promise<string | undefined> {
  const nearest = await new NearestFiles().nearest(path.resolve(input));
  if (nearest !== undefined) return `is ${quoted(path.join(path.dirname(input), nearest))} meant?`;
  if (!readsLikeExpression(input)) return undefined;
  return `an expression follows \`--query\`: ${quoted(`vgr refine PHOTO --query "${input}"`, 120)}`;
}

/** Any special character of patterns, escaped ones too: the path before the first one is a plain folder. */
const WILDCARD = /[*?[\]{}()!|\\]/;

/** Splits `photos/2024-*` + `/*.jpg` after `photos`. */
function readGlob(input: string): Input {
  const parts = posix(path.resolve(input)).split('/');
  const wild = parts.findIndex((part) => WILDCARD.test(part));
  const cut = wild < 0 ? parts.length - 1 : wild;
  const root = parts.slice(0, cut).join('/') || '/';
  return { kind: 'glob', root, pattern: parts.slice(cut).join('/') };
}

/** Names sorted with these marks have the order of whole paths: `a-1.jpg`, `a.jpg`, `a/1.jpg`. */
const FOLDER_MARK = '/';
const PHOTO_MARK = '\0';
const LINK_MARK = '\x01';
const OUTPUT_MARK = '\x02';

/** What stands in a name in place of bytes that are no UTF-8. */
const UNDECODED = '\ufffd';
/** Files of a run, or of an export, below which lie pictures that vgr has made. */
const OUTPUT_FILES = ['results.jsonl', 'verl.jsonl', 'llamafactory.jsonl'];

/**
 * Whether a folder holds what vgr has written, and no photo itself: a run, an export, or pictures alone. Ends at the first photo.
 * @param names with their marks
 */
async function holdsOutput(folder: string, names: readonly string[]): Promise<boolean> {
  const photos = names.filter((name) => name.endsWith(PHOTO_MARK));
  const mark = photos.length === 0 ? OUTPUT_MARK : FOLDER_MARK;
  if (names.some((name) => name.endsWith(mark)) !== (mark === OUTPUT_MARK)) return false;
  for (const name of photos) {
    const head = await headOf(path.join(folder, name.slice(0, -1))).catch(() => '');
    if (!isPicture(head)) return false;
  }
  return true;
}

/** The name of a file with its mark; as it is where it has none. */
function markedName(name: string): string {
  if (hasImageExtension(name)) return name + PHOTO_MARK;
  return OUTPUT_FILES.includes(name) ? name + OUTPUT_MARK : name;
}

/** The search of one input. */
class InputSearch {
  /** Real folders that are listed; a link into one of them adds nothing and may be a cycle. */
  readonly #claimed: string[] = [];

  constructor(
    private readonly input: Input,
    private readonly options: {
      readonly allowOutside: boolean;
      /** Real folders that this run writes into. */
      readonly own: readonly string[];
      readonly others: OtherFiles;
    },
  ) {}

  async *photos(): AsyncGenerator<Listed> {
    const { input } = this;
    if (input.kind === 'folder') {
      const real = await realpath(input.root);
      this.#claimed.push(real);
      yield* this.#walk(input.root, '', real);
    } else if (input.kind === 'glob') {
      yield* this.#matches(input.pattern);
    } else {
      yield { image: posix(path.relative(input.root, input.absolute)), path: input.absolute };
    }
  }

  /**
   * The photos of a folder, recursively, in the order of their paths by UTF-16 code units. Names that begin with a dot are skipped.
   * Links to photos inside are taken; links to folders inside are not followed, since their photos are listed already.
   * @param prefix the folder from the root, with `/` at its end; empty for the root
   * @param real the folder, free of links
   */
  async *#walk(folder: string, prefix: string, real: string): AsyncGenerator<Listed> {
    let names: string[];
    const read = () => this.#markedNames(folder);
    try {
      names = await read().catch(async (thrown) => {
        const { readAgain } = await import('./storage.js');
        // It was there when the folder above it was read.
        return readAgain(folder, thrown, read, { isGone: async () => true });
      });
    } catch (cause) {
      if (asVgrError(cause).code === 'IMAGES_UNAVAILABLE') throw cause;
      const message = `cannot read folder ${quoted(folder)}`;
      yield failed(prefix || '.', 'IMAGE_UNREADABLE', message, { cause });
      return;
    }
    if (prefix !== '' && (await holdsOutput(folder, names))) {
      this.options.others.countFolder(prefix.slice(0, -1));
      return;
    }
    for (const marked of names) {
      const mark = marked.at(-1);
      const name = marked.slice(0, -1);
      const child = path.join(folder, name);
      const image = prefix + name;
      if (mark === OUTPUT_MARK) continue;
      if (mark === FOLDER_MARK) yield* this.#enter(child, image, path.join(real, name));
      else if (mark === LINK_MARK) yield* this.#followLink(child, image);
      else yield { image, path: child };
    }
  }

  async *#enter(folder: string, image: string, real: string): AsyncGenerator<Listed> {
    if (this.options.own.includes(real)) this.options.others.countFolder(image);
    else if (await isUndecoded(folder)) yield notUtf8(image);
    else if (!this.#claimed.includes(real)) yield* this.#walk(folder, `${image}/`, real);
  }

  /** Names of folders, links and photos, sorted, each with its mark as last character. */
  async #markedNames(folder: string): Promise<string[]> {
    const names: string[] = [];
    for await (const entry of await opendir(folder, { bufferSize: 1024 })) {
      const { name } = entry;
      if (name.startsWith('.')) continue;
      const isKnown = entry.isDirectory() || entry.isFile() || entry.isSymbolicLink();
      const kind = isKnown ? entry : await lstat(path.join(folder, name));
      if (kind.isDirectory() && SYSTEM_FOLDERS.test(name)) this.options.others.countFolder(name);
      else if (kind.isDirectory()) names.push(name + FOLDER_MARK);
      else if (kind.isSymbolicLink()) names.push(name + LINK_MARK);
      else if (kind.isFile() && markedName(name) !== name) names.push(markedName(name));
      else this.options.others.count(name);
    }
    return names.sort();
  }

  async *#followLink(link: string, image: string): AsyncGenerator<Listed> {
    const isWanted = hasImageExtension(link);
    let target: LinkTarget;
    try {
      target = await targetOf(link);
    } catch (cause) {
      if (isWanted) {
        yield failed(image, 'IMAGE_MISSING', `link ${quoted(link)} leads nowhere`, { cause });
      } else this.options.others.count(link);
      return;
    }
    const { real, isFolder } = target;
    const inside = this.#claimed.some((folder) => isInside(folder, real));
    if (!isFolder && !isWanted) this.options.others.count(link);
    else if (!inside && !this.options.allowOutside) yield this.#linkOut(image, real);
    else if (!isFolder) yield { image, path: link };
    else if (!inside) {
      this.#claimed.push(real);
      yield* this.#walk(link, `${image}/`, real);
    }
  }

  /**
   * The photos that match, in the order of their paths. Links to folders are not followed; under `**`, one that leads out of the
   * root is an error, as it is in a folder. A broken link is taken as a photo, so that opening it says so.
   */
  async *#matches(pattern: string): AsyncGenerator<Listed> {
    const { root } = this.input;
    const found = new Map<string, LinkTarget | undefined>();
    const named = new Set(pattern.split('/'));
    for await (const { name, target } of this.#globbed(pattern, named)) {
      if (hasImageExtension(name) || target?.isFolder) found.set(name, target);
      else this.options.others.count(name);
    }
    if (pattern.includes('**')) {
      for await (const { name, target } of this.#globbed('**', named)) {
        if (target?.isFolder) found.set(name, target);
      }
    }
    const real = await realpath(root).catch(() => root);
    for (const name of [...found.keys()].sort()) {
      const target = found.get(name);
      const inside = target === undefined || isInside(real, target.real);
      if (!inside && (target.isFolder || !this.options.allowOutside)) {
        yield this.#linkOut(name, target.real);
      } else if (!target?.isFolder) {
        yield { image: name, path: path.join(root, name) };
      }
    }
  }

  /** By folder from the root: whether a pattern passes it by, as a walk does. */
  readonly #passed = new Map<string, Promise<boolean>>([['.', Promise.resolve(false)]]);

  /** @param named parts of the user's pattern: a folder that it names is meant */
  async *#globbed(pattern: string, named: ReadonlySet<string>): ReturnType<typeof globbed> {
    for await (const entry of globbed(this.input.root, pattern)) {
      if (!(await this.#isBelowPassed(path.posix.dirname(entry.name), named))) yield entry;
    }
  }

  #isBelowPassed(folder: string, named: ReadonlySet<string>): Promise<boolean> {
    let passed = this.#passed.get(folder);
    if (!passed) {
      passed = this.#isPassed(folder, named);
      this.#passed.set(folder, passed);
    }
    return passed;
  }

  async #isPassed(folder: string, named: ReadonlySet<string>): Promise<boolean> {
    const { own, others } = this.options;
    const name = path.posix.basename(folder);
    if (await this.#isBelowPassed(path.posix.dirname(folder), named)) return true;
    if (named.has(name)) return false;
    const place = path.join(this.input.root, folder);
    const isSystem = SYSTEM_FOLDERS.test(name);
    if (!isSystem && !own.includes(await realpath(place).catch(() => place))) {
      const entries = await readdir(place, { withFileTypes: true }).catch(() => []);
      const names = entries.flatMap((entry) => {
        if (entry.isDirectory()) return entry.name + FOLDER_MARK;
        return entry.isFile() ? markedName(entry.name) : [];
      });
      if (!(await holdsOutput(place, names))) return false;
    }
    others.countFolder(isSystem ? name : folder);
    return true;
  }

  #linkOut(image: string, real: string): Listed {
    const message = `${quoted(image)} is a link out of ${quoted(this.input.root)}, to ${quoted(real)}`;
    const hint = 'name its target on the command line, or pass `--allow-outside`';
    return failed(image, 'IMAGE_OUTSIDE', message, { hint });
  }
}

/** Files and links that match a pattern, unsorted; links with their targets. */
async function* globbed(
  root: string,
  pattern: string,
): AsyncGenerator<{ readonly name: string; readonly target?: LinkTarget }> {
  const { globbyStream } = await import('globby');
  const entries = globbyStream(pattern, {
    cwd: root,
    objectMode: true,
    onlyFiles: false,
    followSymbolicLinks: false,
    expandDirectories: false,
    suppressErrors: true,
  });
  for await (const { path: name, dirent } of entries) {
    const link = path.join(root, name);
    if (dirent.isSymbolicLink()) {
      yield { name, target: await targetOf(link).catch(() => ({ real: link, isFolder: false })) };
    } else if (!dirent.isDirectory()) yield { name };
  }
}

/** Whether the bytes of a name are no UTF-8: it opens nothing then, since other characters stand in it for them. */
async function isUndecoded(absolute: string): Promise<boolean> {
  if (!absolute.includes(UNDECODED)) return false;
  return (await lstat(absolute).catch(() => undefined)) === undefined;
}

function notUtf8(image: string): Listed {
  return failed(image, 'IMAGE_UNREADABLE', `the name of ${quoted(image)} is not UTF-8`, {
    hint: 'rename it: `convmv -f latin1 -t utf8 --notest -r FOLDER`',
  });
}

interface LinkTarget {
  readonly real: string;
  readonly isFolder: boolean;
}

async function targetOf(link: string): Promise<LinkTarget> {
  const real = await realpath(link);
  return { real, isFolder: (await stat(real)).isDirectory() };
}

function failed(image: string, code: ErrorCode, message: string, detail: ErrorDetail): Listed {
  return { image, error: new VgrError(code, message, detail) };
}

function hasImageExtension(name: string): boolean {
  return IMAGE_EXTENSIONS.has(path.extname(name).toLowerCase());
}

/** Photos of earlier inputs, so that overlapping inputs give each photo once. */
class SeenPhotos {
  readonly #folders: string[] = [];
  readonly #files = new Set<string>();

  addFolder(folder: string): void {
    this.#folders.push(folder);
  }

  /** The photos of a folder need not be remembered one by one: it lists each once. */
  isNew(absolute: string, from: Input['kind']): boolean {
    if (this.#files.has(absolute)) return false;
    if (this.#folders.some((folder) => lists(folder, absolute))) return false;
    if (from !== 'folder') this.#files.add(absolute);
    return true;
  }
}

/** A folder lists neither hidden names nor other extensions; a file given by its name may have both. */
function lists(folder: string, absolute: string): boolean {
  return (
    isInside(folder, absolute) &&
    hasImageExtension(absolute) &&
    !/(^|[/\\])\./.test(path.relative(folder, absolute))
  );
}

/** What a listing passes by: files by extension, at most 1000 of them, and folders of systems by name. */
export class OtherFiles {
  readonly #counts = new Map<string, number>();
  readonly #folders = new Set<string>();
  #rest = 0;

  countFolder(name: string): void {
    if (this.#folders.size < 1000) this.#folders.add(name);
  }

  count(name: string): void {
    const extension = path.extname(name).toLowerCase();
    const known = this.#counts.get(extension);
    if (known !== undefined || this.#counts.size < 1000) {
      this.#counts.set(extension, (known ?? 0) + 1);
    } else this.#rest += 1;
  }

  /** `3 other files (2 .heic, 1 .txt), folders \`@eaDir\``; empty where nothing was passed by. */
  toString(): string {
    const sorted = [...this.#counts].sort(([, a], [, b]) => b - a);
    const total = sorted.reduce((sum, [, n]) => sum + n, this.#rest);
    const names = [...this.#folders].sort();
    const folders =
      names.length === 0
        ? ''
        : `the folders ${names
            .slice(0, 4)
            .map((name) => quoted(name))
            .join(', ')}${names.length > 4 ? ', ...' : ''}`;
    if (total === 0) return folders;
    const shown = sorted
      .slice(0, 4)
      .map(([extension, n]) => `${n} ${extension === '' ? 'without extension' : extension}`);
    const files = `${total} other ${total === 1 ? 'file' : 'files'} (${shown.map((text) => quoted(text).slice(1, -1)).join(', ')}${sorted.length > 4 ? ', ...' : ''})`;
    return folders === '' ? files : `${files}, ${folders}`;
  }
}
