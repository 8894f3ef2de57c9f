import { deserialize, serialize } from 'node:v8';
import { areaXyxy, type BoxXyxy, clipXyxy, type ImageSize, xywhToXyxy } from '../core/box.js';
import { contentKey, type ExampleCache } from '../core/disk-cache.js';
import { asVgrError, quoted, VgrError } from '../core/error.js';
import { readTextChunks } from '../core/files.js';
import { readLines } from '../core/line-reader.js';
import { NameTable } from '../core/name-table.js';
import { orderedMap } from '../core/ordered-map.js';
import type { Printer } from '../core/terminal.js';
import { type CocoEntry, cocoEntries } from '../formats/coco-records.js';
import type { EncoderTrace } from '../formats/model-card.js';
import { duplicateId, extentOf, type Query, readQueryLine } from '../formats/query-line.js';
import type { ImageRoots } from '../photos/image-path.js';
import { boxColumns, COLUMNS_VERSION } from '../refine/columns.js';
import { situationOf, withCrops } from '../refine/situation.js';
import type { CropMatching } from '../runtime/encoder.js';
import type { Engine } from '../runtime/engine.js';
import { sha256OfFile } from '../runtime/model-store.js';
import {
  type ExaminedPhoto,
  type ExamineParts,
  examinePhoto,
  examinePrompts,
  openUnexamined,
} from '../runtime/photo-store.js';
import type { PhotoRef } from '../runtime/ports.js';
import { needsPhoto, requestOf } from '../runtime/query-answer.js';
import { PLAIN_SIDE } from '../runtime/refiner.js';
import { annotatedQueries } from './annotated-queries.js';
import { type Example, exampleOf } from './example.js';

/** Queries with ground truth, split by what they are for. */
export interface SplitQueries {
  readonly train: readonly Query[];
  readonly validation: readonly Query[];
}

/** Fewer queries teach nothing. */
const MIN_USABLE = 10;

/**
 * Reads the files of queries. Lines that cannot be read, and those without ground truth, are counted aloud and left out. Without
 * files for validation it is cut from those for training.
 * @throws VgrError INPUT_INVALID where nothing can be learned from the lines
 */
export async function readSplit(
  files: readonly string[],
  validation: readonly string[],
  share: number,
  printer: Printer,
): Promise<SplitQueries> {
  const train: Query[] = [];
  const held: Query[] = [];
  for (const file of files) {
    const queries = await readKnown(file, printer);
    const out = validation.length > 0 ? new Set<Query>() : heldOut(queries, share);
    train.push(...queries.filter((query) => !out.has(query)));
    held.push(...queries.filter((query) => out.has(query)));
  }
  for (const file of validation) held.push(...(await readKnown(file, printer)));
  if (train.length === 0) {
    throw new VgrError(
      'INPUT_INVALID',
      `${files.map((file) => quoted(file)).join(', ')}: expected ground truth in \`bbox\` or \`boxes\`, got it on no line`,
      {
        hint: 'a line reads {"image": "zoo/3.jpg", "query": "the left lion", "bbox": [x, y, w, h]}',
      },
    );
  }
  checkUsable(train);
  const photos = new Set(train.flatMap(({ imagePath }) => imagePath ?? []));
  const shared = new Set(
    held.flatMap(({ imagePath }) => (imagePath && photos.has(imagePath) ? [imagePath] : [])),
  );
  if (shared.size > 0) {
    printer.note(
      `warning: ${shared.size} photos are both in training and in validation: its numbers will be too good`,
    );
  }
  return { train, validation: held };
}

/** Ends a training that has too little to learn from. @throws VgrError INPUT_INVALID */
export function checkUsable({ length }: readonly unknown[]): void {
  if (length >= MIN_USABLE) return;
  throw new VgrError(
    'INPUT_INVALID',
    `expected at least ${MIN_USABLE} usable lines to train on, got ${length}`,
    { hint: 'a usable line has a `query`, `bbox` or `boxes`, and an image or `tools`' },
  );
}

async function readKnown(file: string, printer: Printer): Promise<readonly Query[]> {
  const known: Query[] = [];
  let [without, empty] = [0, 0];
  const ids = new NameTable();
  for await (const line of readLines(file)) {
    const item = readQueryLine(line);
    const { id } = 'error' in item ? item : item.query;
    const isFirst = ids.add(id);
    if ('error' in item) printer.itemError(`${file}:${item.line}`, item.error);
    else if (!isFirst) printer.itemError(`${file}:${line.number}`, duplicateId(id, line.number));
    else if (item.query.truthsXywh === undefined) without += 1;
    else if (item.query.imagePath === undefined && item.query.tools.length === 0) empty += 1;
    else known.push(item.query);
  }
  if (without > 0)
    printer.note(`${file}: ${without} lines without \`bbox\` or \`boxes\` are left out`);
  if (empty > 0) {
    printer.note(
      `${file}: ${empty} lines with neither an image nor boxes in \`tools\` are left out`,
    );
  }
  return known;
}

/**
 * Queries made of annotations, of the photos that are learned from.
 * @throws VgrError INPUT_MISSING, INPUT_INVALID
 */
export async function readAnnotated(
  file: string,
  train: readonly Query[],
  seed: number,
): Promise<readonly Query[]> {
  const images = new Set(train.flatMap(({ imagePath }) => imagePath ?? []));
  const entries: CocoEntry[] = [];
  for await (const entry of cocoEntries(readTextChunks(file), file)) entries.push(entry);
  return annotatedQueries(entries, { images, seed });
}

/** Tools with fewer lines teach nothing about themselves. */
const MIN_TOOL_LINES = 50;
const MAX_TOOLS = 8;

/** Tools that get columns of their own: where lines bring several, the most frequent of them, sorted. */
export function toolsOf(queries: readonly Query[]): string[] {
  const counts = new Map<string, number>();
  for (const { tools } of queries) {
    if (tools.length < 2) continue;
    for (const { name } of tools) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts]
    .filter(([, count]) => count >= MIN_TOOL_LINES)
    .sort(([a, many], [b, few]) => few - many || (a < b ? -1 : 1))
    .slice(0, MAX_TOOLS)
    .map(([name]) => name)
    .sort();
}

export interface ExampleMaker {
  readonly engine: Engine;
  /** Without a detector photos are opened for the encoder alone. */
  readonly parts: (Omit<ExamineParts, 'detector'> & Partial<ExamineParts>) | undefined;
  readonly roots: ImageRoots | undefined;
  readonly cache: ExampleCache;
  /** Those with columns of their own. */
  readonly tools: readonly string[];
  readonly toolName: string | undefined;
  /** What holds crops against words; absent where no image-text encoder is asked. */
  readonly encoder?: { readonly trace: EncoderTrace; readonly matching: CropMatching } | undefined;
  /** Of the code that makes the numbers. */
  readonly code: string;
  readonly printer: Printer;
  readonly signal: AbortSignal;
  /** Counts queries as they come. */
  readonly counted: (count: number, cached: boolean) => void;
}

/** A query as numbers. */
export type KnownExample = Example & {
  /** Whether it has a photo. */
  readonly image: boolean;
};

/** The numbers of all queries, in the order of the groups. Queries that fail are told and left out. */
export async function makeExamples(
  queries: readonly Query[],
  maker: ExampleMaker,
): Promise<readonly KnownExample[]> {
  const groups = queryGroups(queries, maker.roots !== undefined);
  const inWork = maker.engine.inFlight;
  const made: KnownExample[] = [];
  async function* source(): AsyncGenerator<QueryGroup> {
    for (const group of groups) if (!maker.signal.aborted) yield group;
  }
  const results = orderedMap(source(), (group) => examplesOf(group, maker), {
    concurrency: inWork,
    backpressure: 2 * inWork,
    unordered: false,
  });
  for await (const examples of results) made.push(...examples);
  return made;
}

async function examplesOf(
  group: QueryGroup,
  maker: ExampleMaker,
): Promise<readonly KnownExample[]> {
  const { cache, engine, tools, toolName, roots, encoder, counted, printer } = maker;
  const { length } = group.queries;
  try {
    const path = group.image === undefined ? undefined : await roots!.resolve(group.image);
    const key = contentKey({
      code: maker.code,
      columns: COLUMNS_VERSION,
      photo: path === undefined ? null : await sha256OfFile(path),
      detector: path === undefined ? null : engine.settings,
      tools,
      tool: toolName ?? null,
      encoder: path === undefined ? undefined : encoder?.trace,
      queries: group.queries.map(({ query, truthsXywh, tools: own, imageSize }) => ({
        query,
        truthsXywh,
        own,
        size: imageSize,
      })),
    });
    const cached = examplesIn(await cache.get(key));
    if (cached) {
      counted(length, true);
      return cached;
    }
    const photoOf = await groupPhotos(group, path, maker.parts);
    const ref = path === undefined ? undefined : { image: group.image!, path };
    const results = await Promise.all(
      group.queries.map((query) => knownExample(query, ref, photoOf(query), maker)),
    );
    const made = results.flat();
    // Where a query failed, the next run tells of it again.
    if (made.length === length) await cache.put(key, serialize(made));
    counted(length, false);
    return made;
  } catch (thrown) {
    const error = asVgrError(thrown);
    if (error.exit !== 1) throw error;
    printer.itemError(group.image ?? `line ${group.queries[0]!.line}`, error);
    return [];
  }
}

/** Undefined where there is no file, or one that cannot be read: its examples are made again. */
function examplesIn(bytes: Uint8Array | undefined): readonly KnownExample[] | undefined {
  try {
    return bytes && (deserialize(bytes) as readonly KnownExample[]);
  } catch {
    return undefined;
  }
}

/** The photo of a group as each of its queries sees it. */
async function groupPhotos(
  { image, queries }: QueryGroup,
  path: string | undefined,
  parts: ExampleMaker['parts'],
): Promise<(query: Query) => ExaminedPhoto | undefined> {
  if (path === undefined || !parts) return () => undefined;
  const ref = { image: image!, path };
  const { detector, ...rest } = parts;
  if (!detector) {
    const photo = await openUnexamined(ref, rest, PLAIN_SIDE);
    return () => photo;
  }
  const port = detector.prompted;
  if (port) {
    const expressions = queries.map(({ query }) => query);
    const photos = await examinePrompts(ref, { ...rest, detector }, port, expressions);
    return ({ query }) => photos.get(query);
  }
  const photo = await examinePhoto(ref, { ...rest, detector });
  return () => photo;
}

/** The example of one query, none where it fails. */
async function knownExample(
  query: Query,
  ref: PhotoRef | undefined,
  photo: ExaminedPhoto | undefined,
  { engine, tools, toolName, encoder, printer }: ExampleMaker,
): Promise<readonly KnownExample[]> {
  try {
    if (!photo && query.tools.length === 0) throw needsPhoto(query);
    const { name: detectorName, calibration } = (photo && engine.detector) ?? {};
    const request = requestOf(query, photo, {
      toolName,
      ...(detectorName !== undefined && { source: { detectorName, calibration } }),
    });
    const crops = ref && encoder?.matching.of(ref);
    const situation = situationOf({ ...request, ...(crops && { crops }) });
    // Where nobody states the photo's size, it is at least as large as the truth.
    const bounds = photo?.size ?? query.imageSize ?? extentOf(query.truthsXywh!.map(xywhToXyxy));
    const truths = truthsInside(query, bounds);
    const seen = crops ? await withCrops(situation) : situation;
    return [{ ...exampleOf(seen, truths, boxColumns(tools)), image: photo !== undefined }];
  } catch (thrown) {
    const error = asVgrError(thrown);
    if (error.exit !== 1) throw error;
    printer.itemError(query.id, error);
    return [];
  }
}

/** How much a query that is made of annotations counts against one that somebody wrote or chose. */
const ANNOTATED_WEIGHT = 0.5;

/**
 * The examples by weight. Lines without photos count together no more than those with photos do, however many there are: one
 * policy serves both.
 */
export function weighted(
  examples: readonly KnownExample[],
  annotated: readonly KnownExample[],
): readonly Example[] {
  const photos = examples.filter(({ image }) => image).length;
  const others = examples.length - photos;
  const share = photos === 0 ? 1 : Math.min(1, photos / Math.max(1, others));
  return [
    ...examples.map((example) => (example.image ? example : { ...example, weight: share })),
    ...annotated.map((example) => ({ ...example, weight: ANNOTATED_WEIGHT })),
  ];
}

/** Queries that are looked at together: those of one photo, or neighbours without photos. */
export interface QueryGroup {
  /** Absent where lines bring their own boxes. */
  readonly image?: string;
  readonly queries: readonly Query[];
}

/** Lines without a photo that are kept in one cache entry. */
const GROUP_LINES = 64;

/** Queries by photo, in the order of the first line of each. */
export function queryGroups(queries: readonly Query[], withPhotos: boolean): readonly QueryGroup[] {
  const photos = new Map<string, Query[]>();
  const others: Query[] = [];
  for (const query of queries) {
    if (withPhotos && query.imagePath !== undefined) {
      const known = photos.get(query.imagePath);
      if (known) known.push(query);
      else photos.set(query.imagePath, [query]);
    } else {
      others.push(query);
    }
  }
  const blocks = Array.from({ length: Math.ceil(others.length / GROUP_LINES) }, (_, at) => ({
    queries: others.slice(at * GROUP_LINES, (at + 1) * GROUP_LINES),
  }));
  return [...[...photos].map(([image, own]) => ({ image, queries: own })), ...blocks];
}

/**
 * The boxes of the ground truth inside the photo; none where nothing in it fits.
 * @throws VgrError QUERY_INVALID where a box lies outside the photo or has no extent
 */
export function truthsInside({ line, truthsXywh = [] }: Query, image: ImageSize): BoxXyxy[] {
  return truthsXywh.map((xywh) => {
    const inside = clipXyxy(xywhToXyxy(xywh), image);
    if (areaXyxy(inside) > 0) return inside;
    const { x, y, width, height } = xywh;
    throw new VgrError(
      'QUERY_INVALID',
      `line ${line}, ground truth: expected a box inside the photo of ${image.width} x ${image.height} pixels, got [${[x, y, width, height].join(', ')}]`,
      { hint: 'boxes are [x, y, width, height] in pixels of the upright photo' },
    );
  });
}

/** Rows that are kept together when some are held out. */
const BLOCKS = 20;

/**
 * Cuts rows held out for validation from the rows of one file: every n-th of 20 blocks of neighbouring rows, so that rows of
 * one photo stay together and files of equal length lose the same places. Rows of a photo follow its first row.
 * @param share of the rows that are held out, 0..1
 */
export function heldOut(queries: readonly Query[], share: number): ReadonlySet<Query> {
  const firstRow = new Map<string, number>();
  const chosen = new Set<Query>();
  for (const [row, query] of queries.entries()) {
    const key = query.imagePath ?? `line ${query.line}`;
    const first = firstRow.get(key) ?? row;
    firstRow.set(key, first);
    const block = Math.floor((first / queries.length) * BLOCKS);
    // The block at which the running share passes a whole number.
    if (Math.floor((block + 1) * share + 1e-9) > Math.floor(block * share + 1e-9))
      chosen.add(query);
  }
  return chosen;
}
