import { lstat, opendir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { isInside } from './image-path.js';

/** One photo to look at. */
interface ListedImage {
  /** Relative to its root, with `/` between folders; names the photo in every output. */
  readonly image: string;
  /** Where it is opened, absolute. */
  readonly path: string;
  /** The folder that `image` is relative to, absolute. */
  readonly root: string;
}

/** Something in place of a photo that cannot be taken; one failed item, not the end of the run. */
export interface ListedError {
  readonly image: string;
  readonly error: VgrError;
}

export type Listed = ListedImage | ListedError;

/** Counts what was passed by, for the message that says that nothing was found. */
export interface Tally {
  count(extension: string): void;
}

export interface WalkOptions {
  /** Lower case, with the dot. */
  readonly extensions: ReadonlySet<string>;
  /** Follow links that lead out of the folder. */
  readonly allowOutside: boolean;
  readonly tally: Tally;
}

interface Walk extends WalkOptions {
  /** As the user named it, absolute. */
  readonly root: string;
  /** Real folders whose photos are listed by their own names; a link into one of them adds nothing and may be a cycle. */
  readonly claimed: string[];
}

/** Sorting names with their marks gives the order of whole paths: `a-1.jpg`, `a.jpg`, `a/1.jpg`. */
const FOLDER_MARK = '/';
const PHOTO_MARK = '\0';
const LINK_MARK = '\x01';

/** The extension in lower case, `.jpg` for `A.JPG`; empty for a name without one. */
export function extensionOf(name: string): string {
  return path.extname(name).toLowerCase();
}

/** A path of this system with `/` between folders. */
export function posix(name: string): string {
  return path.sep === '/' ? name : name.split(path.sep).join('/');
}

/**
 * The photos of a folder and of the folders in it, in the order of their paths by UTF-16 code units. Holds the names of
 * one folder at a time (and of those above it). Names that begin with a dot are passed by. Links to photos inside are
 * taken; links to folders inside are not followed, for their photos are listed already, so cycles end.
 */
export async function* walkFolder(root: string, options: WalkOptions): AsyncGenerator<Listed> {
  const real = await realpath(root);
  yield* walk(root, '', real, { ...options, root, claimed: [real] });
}

async function* walk(
  folder: string,
  prefix: string,
  real: string,
  state: Walk,
): AsyncGenerator<Listed> {
  let names: string[];
  try {
    names = await sortedNames(folder, state);
  } catch (cause) {
    yield failed(prefix || '.', 'IMAGE_UNREADABLE', `cannot read folder ${quoted(folder)}`, cause);
    return;
  }
  for (const marked of names) {
    const mark = marked.at(-1);
    const name = marked.slice(0, -1);
    const child = path.join(folder, name);
    const childPath = prefix + name;
    if (mark === FOLDER_MARK) {
      const childReal = path.join(real, name);
      if (!state.claimed.includes(childReal)) yield* walk(child, `${childPath}/`, childReal, state);
    } else if (mark === LINK_MARK) {
      yield* followLink(child, childPath, state);
    } else {
      yield { image: childPath, path: child, root: state.root };
    }
  }
}

/**
 * Names that matter, each with a mark as last character that says what it is.
 */
async function sortedNames(folder: string, { extensions, tally }: Walk): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of await opendir(folder, { bufferSize: 1024 })) {
    const { name } = entry;
    if (name.startsWith('.')) continue;
    const kind = entry.isDirectory() || entry.isFile() || entry.isSymbolicLink();
    const known = kind ? entry : await lstat(path.join(folder, name));
    if (known.isDirectory()) names.push(name + FOLDER_MARK);
    else if (known.isSymbolicLink()) names.push(name + LINK_MARK);
    else if (known.isFile() && extensions.has(extensionOf(name))) names.push(name + PHOTO_MARK);
    else tally.count(extensionOf(name));
  }
  return names.sort();
}

async function* followLink(link: string, linkPath: string, state: Walk): AsyncGenerator<Listed> {
  const wanted = state.extensions.has(extensionOf(link));
  let real: string;
  let target: Awaited<ReturnType<typeof stat>>;
  try {
    real = await realpath(link);
    target = await stat(real);
  } catch (cause) {
    if (wanted) {
      yield failed(linkPath, 'IMAGE_MISSING', `link ${quoted(link)} leads nowhere`, cause);
    } else state.tally.count(extensionOf(link));
    return;
  }
  const inside = state.claimed.some((folder) => isInside(folder, real));
  if (target.isDirectory()) {
    if (inside) return;
    if (!state.allowOutside) {
      yield linkOut(linkPath, real, state.root);
      return;
    }
    state.claimed.push(real);
    yield* walk(link, `${linkPath}/`, real, state);
  } else if (!wanted) {
    state.tally.count(extensionOf(link));
  } else if (inside || state.allowOutside) {
    yield { image: linkPath, path: link, root: state.root };
  } else yield linkOut(linkPath, real, state.root);
}

/** The error of a link that is not followed. */
export function linkOut(image: string, real: string, root: string): ListedError {
  const error = new VgrError(
    'IMAGE_OUTSIDE',
    `${quoted(image)} is a link out of ${quoted(root)}, to ${quoted(real)}`,
    { hint: 'name its target on the command line, or pass `--allow-outside`' },
  );
  return { image, error };
}

function failed(
  image: string,
  code: 'IMAGE_UNREADABLE' | 'IMAGE_MISSING',
  message: string,
  cause: unknown,
): ListedError {
  return { image, error: new VgrError(code, message, { cause }) };
}
