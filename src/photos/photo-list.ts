import path from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { readLines } from '../core/line-reader.js';
import { NameTable } from '../core/name-table.js';
import { type Listed, type ListImagesOptions, listImages } from './find-photos.js';
import { ImageRoots, posix } from './image-path.js';

/** The photos of a command: what its arguments name, or what a list names. */
export interface PhotoInput {
  /** Folders, globs and files. */
  readonly images: readonly string[];
  /** File with the name of a photo in each line, in place of `images`; `-` is standard input. */
  readonly photos?: string;
}

export interface ListOptions extends ListImagesOptions {
  /** Ends a list that comes slowly. */
  readonly signal?: AbortSignal;
}

/** @throws VgrError as {@link listImages} */
export function listPhotos(
  { images, photos }: PhotoInput,
  { signal, ...options }: ListOptions,
): AsyncIterable<Listed> {
  return photos === undefined
    ? listImages(images, options)
    : listNamed(photos, { signal, ...options });
}

/**
 * The photos of a list, as they come, each once, by the name that the list has for it. Names are relative to the working folder.
 * Those of standard input may be of any file, as on a command line; a file may have been downloaded, so its names may lead out of
 * the working folder only where `allowOutside` says so.
 * @throws VgrError of the list; NO_IMAGES, at the end, if it was empty
 */
async function* listNamed(
  list: string,
  { signal, allowOutside = false }: ListOptions,
): AsyncGenerator<Listed> {
  const names = new NameTable();
  const roots = allowOutside || list === '-' ? undefined : await ImageRoots.open(['.']);
  let count = 0;
  for await (const line of readLines(list, { signal })) {
    count += 1;
    if ('error' in line) {
      yield { image: `line ${line.number}`, error: line.error };
      continue;
    }
    const image = posix(path.normalize(line.text));
    if (!names.add(image)) continue;
    const outside = await roots?.resolve(line.text).then(undefined, refusalOf);
    if (outside instanceof VgrError) yield { image, error: outside };
    else yield { image, path: path.resolve(line.text) };
  }
  if (count === 0 && !signal?.aborted) {
    throw new VgrError(
      'NO_IMAGES',
      `--photos: expected names of photos, ${quoted(list)} is empty`,
      {
        hint: 'one name in each line: `find photos -name "*.jpg" | vgr detect -`',
      },
    );
  }
}

/** Whatever else is wrong with a photo is said where it is opened. */
function refusalOf(thrown: unknown): VgrError | undefined {
  return thrown instanceof VgrError && thrown.code === 'IMAGE_OUTSIDE' ? thrown : undefined;
}
