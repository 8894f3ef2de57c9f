import path from 'node:path';
import { countOf } from '../core/ordered-map.js';
import { parseQueryLine, type Query, type ReadLine } from '../formats/query-line.js';
import { imageRoots } from '../photos/find-photos.js';
import { type ListOptions, listPhotos, type PhotoInput } from '../photos/photo-list.js';

/**
 * The expressions of `--query`, asked of every photo in place of a file of queries. A query is called by its photo, `zoo/3.jpg`;
 * where there are several expressions, with the number of its own: `zoo/3.jpg#2`.
 */
export class AskedPhotos {
  /**
   * Paths of photos. A photo of the only folder or glob, or of a list, is found by its name; with several of them names do not tell
   * where a photo is from.
   */
  readonly #paths = new Map<string, string>();
  #root?: Promise<string>;
  /** One for each expression, of no photo yet. */
  readonly #queries: readonly Query[];

  constructor(
    private readonly input: PhotoInput,
    expressions: readonly string[],
    private readonly options: ListOptions,
  ) {
    // An expression that no line may have is refused before anything is opened.
    this.#queries = expressions.map((query) =>
      parseQueryLine(JSON.stringify({ image: '-', query }), 1),
    );
  }

  /** The queries, photo by photo. @throws VgrError as {@link listPhotos} */
  async *queries(): AsyncGenerator<readonly ReadLine[]> {
    const several = this.input.images.length > 1;
    let line = 0;
    for await (const photo of listPhotos(this.input, this.options)) {
      const { image } = photo;
      if (several && 'path' in photo) this.#paths.set(image, photo.path);
      yield this.#queries.map((query, at): ReadLine => {
        line += 1;
        const id = this.#queries.length === 1 ? image : `${image}#${at + 1}`;
        if ('error' in photo) return { id, line, error: photo.error };
        return { id, line, query: { ...query, id, line, imagePath: image } };
      });
    }
  }

  /** The path of a photo that {@link queries} has named. */
  async locate(image: string): Promise<string> {
    const known = this.#paths.get(image);
    if (known !== undefined) return known;
    this.#root ??= imageRoots(this.input.images).then(([root = '.']) => root);
    return path.resolve(await this.#root, image);
  }

  async count(): Promise<number | undefined> {
    if (this.input.photos === '-') return undefined;
    return (await countOf(listPhotos(this.input, this.options))) * this.#queries.length;
  }
}
