import { asVgrError, quoted, VgrError } from '../formats/fault.js';
import type { Query } from '../formats/query-line.js';
import { extentOf } from '../formats/query-line.js';
import type { EncoderTrace } from '../formats/refiner-card.js';
import { xywhToXyxy } from '../geometry/box.js';
import { contentKey, type ExampleCache } from '../io/example-cache.js';
import type { ImageRoots } from '../io/image-path.js';
import { readLines } from '../io/line-reader.js';
import { sha256OfFile } from '../io/model-weights.js';
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
import { intakeQueries } from '../pipeline/query-intake.js';
import { requestOf } from '../pipeline/query-request.js';
import {
  heldOut,
  type QueryGroup,
  queryGroups,
  truthsInside,
} from '../pipeline/training-intake.js';
import { TOOL_SLOTS } from '../refinement/lite-features.js';
import { decodeExamples, encodeExamples, type KnownQuery } from '../training/example-file.js';
import { knownQuery, knownQueryWithCrops } from '../training/known-query.js';
import type { Engine } from './engine.js';
import type { Printer } from './printer.js';
import { PLAIN_SIDE } from './vlm-open.js';

/** Queries with ground truth, split by what they are for. */
export interface SplitQueries {
  readonly train: readonly Query[];
  readonly validation: readonly Query[];
}

/** Fewer queries teach nothing. */
const LEAST_USABLE = 10;

/**
 * Reads the files of queries. Lines that cannot be read, and those without ground truth, are told and passed by. Without
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
      `${files.map((file) => quoted(file)).join(', ')}: expected ground truth in \`bbox\`, got it on no line`,
      {
        hint: 'a line reads {"image": "zoo/3.jpg", "query": "the left lion", "bbox": [x, y, w, h]}',
      },
    );
  }
  if (train.length < LEAST_USABLE) throw tooFew(train.length);
  const photos = new Set(train.flatMap(({ image }) => image ?? []));
  const shared = new Set(held.flatMap(({ image }) => (image && photos.has(image) ? [image] : [])));
  if (shared.size > 0) {
    printer.note(
      `warning: ${shared.size} photos are both in training and in validation: its numbers will be too good`,
    );
  }
  return { train, validation: held };
}

function tooFew(count: number): VgrError {
  return new VgrError(
    'INPUT_INVALID',
    `expected at least ${LEAST_USABLE} usable lines to train on, got ${count}`,
    { hint: 'a usable line has a `query`, a `bbox`, and an image or `tools`' },
  );
}

async function readKnown(file: string, printer: Printer): Promise<readonly Query[]> {
  const known: Query[] = [];
  let [without, empty, otherCount] = [0, 0, 0];
  const all = { index: 1, count: 1 };
  for await (const item of intakeQueries(readLines(file), all, { listed: 0 })) {
    if ('fault' in item) printer.itemFault(`${file}:${item.line}`, item.fault);
    else if (item.query.truthsXywh === undefined) without += 1;
    else if (item.query.truthsXywh.length !== 1) otherCount += 1;
    else if (item.query.image === undefined && item.query.tools.length === 0) empty += 1;
    else known.push(item.query);
  }
  if (without > 0) printer.note(`${file}: ${without} lines without \`bbox\` are left out`);
  if (otherCount > 0) {
    printer.note(
      `${file}: ${otherCount} lines whose \`boxes\` are none or several are left out: one box is learned`,
    );
  }
  if (empty > 0) {
    printer.note(
      `${file}: ${empty} lines with neither an image nor boxes in \`tools\` are left out`,
    );
  }
  return known;
}

/** Names that get a slot of their own: tools of the lines and the detector, the most frequent first. */
export function toolSlots(queries: readonly Query[], detector: string | undefined): string[] {
  const counts = new Map<string, number>();
  const count = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const { tools, image } of queries) {
    for (const { name } of tools) count(name);
    if (detector !== undefined && image !== undefined) count(detector);
  }
  return [...counts]
    .sort(([a, many], [b, few]) => few - many || (a < b ? -1 : 1))
    .slice(0, TOOL_SLOTS)
    .map(([name]) => name)
    .sort();
}

/** The encoder whose numbers are learned from, and what holds crops against words with it. */
export interface TrainingEncoder {
  readonly trace: EncoderTrace;
  readonly matching: CropMatching;
}

export interface ExampleMaker {
  readonly engine: Engine;
  /** Without a detector photos are opened for the encoder alone. */
  readonly parts: (Omit<ExamineParts, 'detector'> & Partial<ExamineParts>) | undefined;
  readonly roots: ImageRoots | undefined;
  readonly cache: ExampleCache;
  readonly tools: readonly string[];
  readonly toolName: string | undefined;
  /** Absent where no image-text encoder is asked. */
  readonly encoder?: TrainingEncoder | undefined;
  /** Of the code that makes the numbers. */
  readonly code: string;
  readonly printer: Printer;
  readonly signal: AbortSignal;
  /** Counts queries as they come. */
  readonly counted: (count: number, cached: boolean) => void;
}

/** The numbers of all queries, in the order of the groups. Queries that fail are told and passed by. */
export async function makeExamples(
  queries: readonly Query[],
  maker: ExampleMaker,
): Promise<readonly KnownQuery[]> {
  const groups = queryGroups(queries, maker.roots !== undefined);
  const inWork = maker.engine.inFlight;
  const made: KnownQuery[] = [];
  async function* source(): AsyncGenerator<QueryGroup> {
    for (const group of groups) {
      if (maker.signal.aborted) return;
      yield group;
    }
  }
  const results = orderedMap(source(), (group) => examplesOf(group, maker), {
    concurrency: inWork,
    backpressure: 2 * inWork,
    unordered: false,
  });
  for await (const examples of results) made.push(...examples);
  return made;
}

async function examplesOf(group: QueryGroup, maker: ExampleMaker): Promise<readonly KnownQuery[]> {
  const { cache, engine, tools, toolName, roots, encoder, counted, printer } = maker;
  try {
    const path = group.image === undefined ? undefined : await roots!.resolve(group.image);
    const key = contentKey({
      code: maker.code,
      photo: path === undefined ? null : await sha256OfFile(path),
      detector: path === undefined ? null : engine.settings,
      // As the card tells it, which may be corrected while the weights stay.
      calibration: path === undefined ? undefined : engine.detector?.calibration,
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
    const bytes = await cache.get(key);
    const cached = bytes && decodeExamples(bytes);
    if (cached) {
      counted(group.queries.length, true);
      return cached;
    }
    const photoOf = await groupPhotos(group, path, maker.parts);
    const ref = path === undefined ? undefined : { image: group.image!, path };
    const results = await Promise.all(
      group.queries.map((query) => exampleOf(query, { ref, photo: photoOf(query) }, maker)),
    );
    const made = results.flat();
    // Where a query failed, the next run tells of it again.
    if (made.length === group.queries.length) await cache.put(key, encodeExamples(made));
    counted(group.queries.length, false);
    return made;
  } catch (thrown) {
    const fault = asVgrError(thrown);
    if (fault.exit !== 1) throw fault;
    printer.itemFault(group.image ?? `line ${group.queries[0]!.line}`, fault);
    return [];
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
  const photo = await examinePhoto(ref, { ...rest, detector }, true);
  return () => photo;
}

interface SeenPhoto {
  readonly ref: PhotoRef | undefined;
  readonly photo: ExaminedPhoto | undefined;
}

async function exampleOf(
  query: Query,
  { ref, photo }: SeenPhoto,
  { engine, tools, toolName, encoder, printer }: ExampleMaker,
): Promise<readonly KnownQuery[]> {
  try {
    const detectorName = photo && engine.detector?.name;
    const calibration = engine.detector?.calibration;
    const request = requestOf(query, photo, {
      toolName,
      ...(detectorName !== undefined && {
        source: { detectorName, ...(calibration && { calibration }) },
      }),
    });
    const image = photo?.size ?? query.size;
    const extent = image ?? extentOf((query.truthsXywh ?? []).map(xywhToXyxy));
    const truth = truthsInside(query, extent)[0]!;
    if (!encoder) return [knownQuery(request, truth, tools)];
    const crops = ref && encoder.matching.of(ref);
    return [await knownQueryWithCrops({ ...request, ...(crops && { crops }) }, truth, tools)];
  } catch (thrown) {
    const fault = asVgrError(thrown);
    if (fault.exit !== 1) throw fault;
    printer.itemFault(query.id, fault);
    return [];
  }
}

/** Ends a training that has too little left. @throws VgrError INPUT_INVALID */
export function checkUsable(made: readonly KnownQuery[]): void {
  if (made.length < LEAST_USABLE) throw tooFew(made.length);
}
