import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { globbyStream, isDynamicPattern } from 'globby';
import { isInside } from './image-path.js';
import { extensionOf, type Listed, linkOut, posix, type WalkOptions } from './photo-folder.js';

/** A pattern as globby takes it, relative to the deepest folder without a wildcard. */
export interface ImageGlob {
  /** Absolute. */
  readonly root: string;
  /** With `/` between folders. */
  readonly pattern: string;
}

const SETTINGS = {
  objectMode: true,
  onlyFiles: false,
  followSymbolicLinks: false,
  expandDirectories: false,
  suppressErrors: true,
} as const;

/** Any sign that means something in a pattern, escaped ones too: what comes before the first is a plain folder. */
const WILDCARD = /[*?[\]{}()!|\\]/;

/** Whether the name has wildcards. */
export function isGlob(input: string): boolean {
  return isDynamicPattern(input);
}

/** Splits `photos/2024-*` + `/*.jpg` after `photos`. */
export function readGlob(input: string): ImageGlob {
  const parts = posix(path.resolve(input)).split('/');
  const wild = parts.findIndex((part) => WILDCARD.test(part));
  const cut = wild < 0 ? parts.length - 1 : wild;
  return { root: parts.slice(0, cut).join('/') || '/', pattern: parts.slice(cut).join('/') };
}

/**
 * The photos that match, in the order of their paths. Holds all matches, for the order. A glob does not follow links to
 * folders; under `**`, one that leads out of the root is a error, as it is in a folder.
 */
export async function* matchGlob(
  { root, pattern }: ImageGlob,
  { extensions, allowOutside, tally }: WalkOptions,
): AsyncGenerator<Listed> {
  const real = await realpath(root).catch(() => root);
  const matches = new Map<string, LinkTarget | undefined>();
  for await (const { path: match, dirent } of entries(root, pattern)) {
    const wanted = extensions.has(extensionOf(match));
    const target = dirent.isSymbolicLink() ? await readLink(path.join(root, match)) : undefined;
    if (dirent.isDirectory()) continue;
    if (wanted || target?.isFolder) matches.set(match, target);
    else tally.count(extensionOf(match));
  }
  if (pattern.includes('**')) for await (const link of folderLinks(root)) matches.set(...link);
  for (const match of [...matches.keys()].sort()) {
    const target = matches.get(match);
    const inside = target === undefined || isInside(real, target.real);
    if (!inside && (target.isFolder || !allowOutside)) yield linkOut(match, target.real, root);
    else if (!target?.isFolder) {
      yield { image: match, path: path.join(root, match), root };
    }
  }
}

function entries(root: string, pattern: string) {
  return globbyStream(pattern, { ...SETTINGS, cwd: root });
}

/** All links to folders below the root. */
async function* folderLinks(root: string): AsyncGenerator<[string, LinkTarget]> {
  for await (const { path: link, dirent } of entries(root, '**')) {
    if (!dirent.isSymbolicLink()) continue;
    const target = await readLink(path.join(root, link));
    if (target.isFolder) yield [link, target];
  }
}

interface LinkTarget {
  readonly real: string;
  readonly isFolder: boolean;
}

/** A link that leads nowhere is taken as a photo, so that opening it says so. */
async function readLink(link: string): Promise<LinkTarget> {
  try {
    const real = await realpath(link);
    return { real, isFolder: (await stat(real)).isDirectory() };
  } catch {
    return { real: link, isFolder: false };
  }
}
