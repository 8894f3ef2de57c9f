import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import {
  areaXyxy,
  type BoxXyxy,
  clipXyxy,
  type ImageSize,
  iouXyxy,
  xywhToXyxy,
} from '../core/box.js';
import { DiskCache } from '../core/disk-cache.js';
import { asVgrError, VgrError } from '../core/error.js';
import { isCorrect } from '../core/iou.js';
import { orderedMap } from '../core/ordered-map.js';
import type { Printer } from '../core/terminal.js';
import { sha256Of } from '../core/text.js';
import { extentOf, type Query } from '../formats/query-line.js';
import type { PhotoFlags } from '../photos/decode.js';
import type { ImageRoots } from '../photos/image-path.js';
import { boxColumns, COLUMNS_VERSION } from '../refine/columns.js';
import { asksForSeveral, overlapTable } from '../refine/decision.js';
import { type PolicyRows, rowsOf } from '../refine/policy.js';
import { situationOf, withCrops } from '../refine/situation.js';
import { type CropMatching, type OpenedEncoder, photoMatching } from '../runtime/encoder.js';
import { type Engine, photoOpener } from '../runtime/engine.js';
import { sha256OfFile } from '../runtime/model-store.js';
import { type PhotoShelf, photoShelf } from '../runtime/photo-store.js';
import {
  candidateSources,
  type ExaminedPhoto,
  type PhotoRef,
  startedProgress,
} from '../runtime/ports.js';
import { needsPhoto, requestOf } from '../runtime/query-answer.js';

/** A query as numbers, with what is right. n boxes. */
export interface Example {
  readonly rows: PolicyRows;
  /** [n, n]: IoU of the boxes. */
  readonly pairs: Float32Array;
  /** [n]: highest IoU with a true box. */
  readonly overlaps: Float32Array;
  /** [n]: index of the true box that it shows, -1 for none. */
  readonly truthOf: Int32Array;
  /** Number of true boxes; 0 where nothing fits. */
  readonly truths: number;
  /** IoU of the tool's answer; where nothing fits, 1 if the tool has none. */
  readonly tool: number;
  /** Whether the words ask for several things, and not for a single true box. */
  readonly several: boolean;
  readonly hasPhoto: boolean;
  /** How much it counts in fitting. */
  readonly weight: number;
}

/** What decides the numbers of an example, beside its line and the photo's file. */
export interface ExampleSettings {
  /** The detector, if any, and its settings. */
  readonly engine: Engine;
  /** Compares crops with words; absent where no column needs it. */
  readonly encoder?: OpenedEncoder;
  /** Folders of photos; absent where nothing looks at photos. */
  readonly roots?: ImageRoots;
  /** Tools with columns of their own, sorted. */
  readonly tools: readonly string[];
  readonly flags: PhotoFlags & { readonly tool?: string };
}

/** Makes examples of queries, or takes them from the cache where the same ones were made before. */
export class ExampleMaker {
  /** Queries that went through, and how many of them came from the cache. */
  readonly counts = { all: 0, cached: 0 };
  readonly #cache: DiskCache;
  readonly #matching: CropMatching | undefined;
  readonly #shelf: PhotoShelf;
  #code = '';

  constructor(
    private readonly settings: ExampleSettings,
    private readonly printer: Printer,
    cacheFolder: string,
  ) {
    const { engine, encoder, flags } = settings;
    this.#cache = new DiskCache(cacheFolder, 'bin');
    this.#matching = encoder && photoMatching(encoder, flags);
    this.#shelf = photoShelf(
      {
        open: photoOpener(flags).openFor,
        progress: startedProgress(),
        detectors: engine.detectors,
      },
      engine.inFlight,
    );
  }

  /** Examples by photo, in the order of the first line of each. Queries that fail are reported and left out. */
  async make(queries: readonly Query[], signal: AbortSignal): Promise<readonly Example[]> {
    const { engine, roots } = this.settings;
    this.#code ||= await codeFingerprint();
    const groups = queryGroups(queries, roots !== undefined);
    async function* source() {
      for (const group of groups) if (!signal.aborted) yield group;
    }
    const results = orderedMap(source(), (group) => this.#ofGroup(group), {
      concurrency: engine.inFlight,
      backpressure: 2 * engine.inFlight,
      unordered: false,
    });
    const made: Example[] = [];
    for await (const examples of results) made.push(...examples);
    return made;
  }

  async #ofGroup(queries: readonly Query[]): Promise<readonly Example[]> {
    const { line, imagePath } = queries[0]!;
    const { roots } = this.settings;
    const image = roots && imagePath;
    try {
      const ref = image === undefined ? undefined : { image, path: await roots!.resolve(image) };
      const key = await this.#key(queries, ref);
      const cached = examplesIn(await this.#cache.get(key));
      const examples = cached ?? (await this.#ofQueries(queries, ref));
      // A query that failed is made again by the next run, which reports it again.
      if (!cached && examples.length === queries.length) {
        await this.#cache.put(key, serialize(examples));
      }
      this.counts.all += queries.length;
      if (cached) this.counts.cached += queries.length;
      return examples;
    } catch (thrown) {
      this.#reportItem(image ?? `line ${line}`, thrown);
      return [];
    }
  }

  async #key(queries: readonly Query[], ref: PhotoRef | undefined): Promise<string> {
    const { engine, encoder, tools, flags } = this.settings;
    const content = {
      code: this.#code,
      columns: COLUMNS_VERSION,
      photo: ref ? await sha256OfFile(ref.path) : null,
      detector: ref ? engine.settings : null,
      tools,
      tool: flags.tool ?? null,
      encoder: ref && encoder?.fingerprint,
      // Neither the ids nor the numbers of the lines.
      queries: queries.map((each) => [each.query, each.truthsXywh, each.tools, each.imageSize]),
    };
    return sha256Of(JSON.stringify(content));
  }

  async #ofQueries(queries: readonly Query[], ref: PhotoRef | undefined): Promise<Example[]> {
    const photos = await Promise.all(
      queries.map(({ query }) => ref && this.#shelf(ref, query).photo),
    );
    const examples = await Promise.all(
      queries.map((query, at) =>
        this.#ofQuery(query, ref, photos[at]).catch((thrown: unknown) => {
          this.#reportItem(query.id, thrown);
          return [];
        }),
      ),
    );
    return examples.flat();
  }

  async #ofQuery(
    query: Query,
    ref: PhotoRef | undefined,
    photo: ExaminedPhoto | undefined,
  ): Promise<Example> {
    const { engine, tools, flags } = this.settings;
    if (!photo && query.tools.length === 0) throw needsPhoto(query);
    const detectors = photo ? candidateSources(engine.detectors) : [];
    const request = requestOf(query, photo, { toolName: flags.tool, detectors });
    const situation = situationOf({ ...request, crops: ref && this.#matching?.(ref) });
    // Where nobody states the photo's size, it is at least as large as the truth.
    const size = photo?.size ?? query.imageSize ?? extentOf(query.truthsXywh!.map(xywhToXyxy));
    const truths = truthsInside(query, size);
    const best = (box: BoxXyxy) =>
      truths.reduce((most, truth) => Math.max(most, iouXyxy(box, truth)), 0);
    const boxes = situation.actions.map(({ boxXyxy }) => boxXyxy);
    const { tool } = request;
    return {
      rows: rowsOf(await withCrops(situation), boxColumns(tools)),
      pairs: overlapTable(boxes),
      overlaps: Float32Array.from(boxes, best),
      truthOf: Int32Array.from(boxes, (box) =>
        truths.findIndex((truth) => isCorrect(iouXyxy(box, truth))),
      ),
      truths: truths.length,
      tool: tool === null ? Number(truths.length === 0) : best(tool.boxXyxy),
      several: asksForSeveral(situation.expression) && truths.length !== 1,
      hasPhoto: photo !== undefined,
      weight: 1,
    };
  }

  /** @throws VgrError where it ends the command */
  #reportItem(name: string, thrown: unknown): void {
    const error = asVgrError(thrown);
    if (error.exit !== 1) throw error;
    this.printer.itemError(name, error);
  }
}

/** Undefined where there is no file, or one that cannot be read: its examples are made again. */
function examplesIn(bytes: Uint8Array | undefined): readonly Example[] | undefined {
  try {
    return bytes && (deserialize(bytes) as readonly Example[]);
  } catch {
    return undefined;
  }
}

/** How much a query that is made of annotations counts against one that somebody wrote or chose. */
const ANNOTATED_WEIGHT = 0.5;

/**
 * The examples by weight. Lines without photos count together no more than those with photos do, however many there are: one
 * policy serves both.
 */
export function weighted(
  examples: readonly Example[],
  annotated: readonly Example[],
): readonly Example[] {
  const photos = examples.filter(({ hasPhoto }) => hasPhoto).length;
  const others = examples.length - photos;
  const share = photos === 0 ? 1 : Math.min(1, photos / Math.max(1, others));
  return [
    ...examples.map((example) => (example.hasPhoto ? example : { ...example, weight: share })),
    ...annotated.map((example) => ({ ...example, weight: ANNOTATED_WEIGHT })),
  ];
}

/** Lines without a photo that are kept in one cache entry. */
const GROUP_LINES = 64;

/**
 * Queries that are looked at together: those of each photo, in the order of the first line of each; then neighbours without a
 * photo.
 * @param withPhotos false: the lines bring their own boxes
 */
export function queryGroups(queries: readonly Query[], withPhotos: boolean): Query[][] {
  const photos = new Map<string, Query[]>();
  const others: Query[][] = [];
  for (const query of queries) {
    const { imagePath } = query;
    if (withPhotos && imagePath !== undefined) {
      const own = photos.get(imagePath);
      if (own) own.push(query);
      else photos.set(imagePath, [query]);
    } else if ((others.at(-1)?.length ?? GROUP_LINES) < GROUP_LINES) others.at(-1)!.push(query);
    else others.push([query]);
  }
  return [...photos.values(), ...others];
}

/**
 * The boxes of the ground truth inside the photo; none where nothing in it fits.
 * @throws VgrError QUERY_INVALID where a box lies outside the photo or has no extent
 */
export function truthsInside({ line, truthsXywh = [] }: Query, photo: ImageSize): BoxXyxy[] {
  return truthsXywh.map((xywh) => {
    const inside = clipXyxy(xywhToXyxy(xywh), photo);
    if (areaXyxy(inside) > 0) return inside;
    const { x, y, width, height } = xywh;
    throw new VgrError(
      'QUERY_INVALID',
      `line ${line}, ground truth: expected a box inside the photo of ${photo.width} x ${photo.height} pixels, got [${[x, y, width, height].join(', ')}]`,
      { hint: 'boxes are [x, y, width, height] in pixels of the upright photo' },
    );
  });
}

/** Code of the rooms that make numbers of queries and photos. */
const CODE = /^(?:core|detect|formats|language|photos|refine|runtime|train)\/.*\.(?:js|ts)$/;

/**
 * sha256 over the names and bytes of the program's own files that turn a query and its photo into numbers: examples that other
 * code made, or another lexicon, have another key in the cache.
 * @param root the folder that holds the rooms
 */
export async function codeFingerprint(
  root = fileURLToPath(new URL('..', import.meta.url)),
): Promise<string> {
  const hash = createHash('sha256');
  const names = (await readdir(root, { recursive: true })).map((name) => name.replaceAll(sep, '/'));
  for (const name of names.filter((each) => CODE.test(each)).sort()) {
    const bytes = await readFile(join(root, name));
    hash.update(`${name}\n${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}
