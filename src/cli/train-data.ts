import { deserialize, serialize } from 'node:v8';
import { type CocoEntry, cocoEntries } from '../formats/coco-records.js';
import { asVgrError, quoted, VgrError } from '../formats/fault.js';
import { extentOf, type Query } from '../formats/query-line.js';
import type { EncoderTrace } from '../formats/refiner-card.js';
import { xywhToXyxy } from '../geometry/box.js';
import { contentKey, type ExampleCache } from '../io/example-cache.js';
import type { ImageRoots } from '../io/image-path.js';
import { readLines } from '../io/line-reader.js';
import { sha256OfFile } from '../io/model-weights.js';
import { readTextChunks } from '../io/text-file.js';
import type { CropMatching } from '../pipeline/crop-matching.js';
import { orderedMap } from '../pipeline/ordered-map.js';
import {
  type ExaminedPhoto,
  type ExamineParts,
  examinePhoto,
  openUnexamined,
} from '../pipeline/photo-store.js';
import type { PhotoRef } from '../pipeline/ports.js';
import { examinePrompts } from '../pipeline/prompted-photos.js';
import { needsPhoto } from '../pipeline/query-answer.js';
import { intakeQueries } from '../pipeline/query-intake.js';
import { requestOf } from '../pipeline/query-request.js';
import {
  heldOut,
  type QueryGroup,
  queryGroups,
  truthsInside,
} from '../pipeline/training-intake.js';
import { boxColumns, COLUMNS_VERSION } from '../refinement/columns.js';
import { withCrops } from '../refinement/lite-refiner.js';
import { situationOf } from '../refinement/situation.js';
import { annotatedQueries } from '../training/annotated-queries.js';
import { type Example, exampleOf } from '../training/example.js';
import type { Engine } from './engine.js';
import type { Printer } from './printer.js';
import { PLAIN_SIDE } from './vlm-open.js';

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
  const photos = new Set(train.flatMap(({ image }) => image ?? []));
  const shared = new Set(held.flatMap(({ image }) => (image && photos.has(image) ? [image] : [])));
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
  const all = { index: 1, count: 1 };
  for await (const item of intakeQueries(readLines(file), all, { listed: 0 })) {
    if ('fault' in item) printer.itemFault(`${file}:${item.line}`, item.fault);
    else if (item.query.truthsXywh === undefined) without += 1;
    else if (item.query.image === undefined && item.query.tools.length === 0) empty += 1;
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
  const images = new Set(train.flatMap(({ image }) => image ?? []));
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
      queries: group.queries.map(({ query, truthsXywh, tools: own, size }) => ({
        query,
        truthsXywh,
        own,
        size,
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
    const fault = asVgrError(thrown);
    if (fault.exit !== 1) throw fault;
    printer.itemFault(group.image ?? `line ${group.queries[0]!.line}`, fault);
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
    const bounds = photo?.size ?? query.size ?? extentOf(query.truthsXywh!.map(xywhToXyxy));
    const truths = truthsInside(query, bounds);
    const seen = crops ? await withCrops(situation) : situation;
    return [{ ...exampleOf(seen, truths, boxColumns(tools)), image: photo !== undefined }];
  } catch (thrown) {
    const fault = asVgrError(thrown);
    if (fault.exit !== 1) throw fault;
    printer.itemFault(query.id, fault);
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
