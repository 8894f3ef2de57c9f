import { quoted, VgrError } from '../core/error.js';
import { readTextChunks } from '../core/files.js';
import { readLines } from '../core/line-reader.js';
import { NameTable } from '../core/name-table.js';
import type { Printer } from '../core/terminal.js';
import { type CocoEntry, cocoEntries } from '../formats/coco-records.js';
import { duplicateId, type Query, readQueryLine } from '../formats/query-line.js';
import { annotatedQueries } from './annotated-queries.js';

/** Queries with ground truth, by what they are for. */
export type TrainingLines = Awaited<ReturnType<typeof readTrainingLines>>;

/** The flags that decide the lines. */
export interface TrainingLineFlags {
  readonly queries: readonly string[];
  readonly val?: readonly string[];
  readonly 'val-share': number;
  readonly annotations?: string;
  readonly tool?: string;
  readonly seed: number;
}

/** With fewer queries there is nothing to fit. */
const MIN_USABLE = 10;

/**
 * Reads the files of queries. Lines that cannot be read, and those without ground truth, are reported and left out. Without
 * `--val` the lines for validation are cut from those for training.
 * @param images the folders of photos
 * @throws VgrError INPUT_MISSING; INPUT_INVALID where the lines are too few; USAGE where they do not suit the other flags
 */
export async function readTrainingLines(
  flags: TrainingLineFlags,
  images: readonly string[],
  printer: Printer,
) {
  const { queries: files, val = [] } = flags;
  const train: Query[] = [];
  const validation: Query[] = [];
  for (const file of files) {
    const queries = await readKnown(file, printer);
    const out = val.length > 0 ? new Set<Query>() : heldOut(queries, flags['val-share']);
    for (const query of queries) (out.has(query) ? validation : train).push(query);
  }
  for (const file of val) validation.push(...(await readKnown(file, printer)));
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
  const photos = photosOf(train);
  const shared = [...photosOf(validation)].filter((photo) => photos.has(photo));
  if (shared.length > 0) {
    printer.note(
      `warning: ${shared.length} photos are in both training and validation, so the validation numbers will be too high`,
    );
  }
  if (images.length === 0) checkTools(train, validation, flags.tool);
  const annotated = flags.annotations
    ? annotatedQueries(await readEntries(flags.annotations), { images: photos, seed: flags.seed })
    : [];
  return { train, /** For photos of `train`. */ annotated, validation };
}

/** @throws VgrError INPUT_INVALID where there is too little to learn from */
export function checkUsable({ length }: readonly unknown[]): void {
  if (length >= MIN_USABLE) return;
  throw new VgrError(
    'INPUT_INVALID',
    `expected at least ${MIN_USABLE} usable lines to train on, got ${length}`,
    { hint: 'a usable line has a `query`, `bbox` or `boxes`, and an image or `tools`' },
  );
}

const photosOf = (queries: readonly Query[]): ReadonlySet<string> =>
  new Set(queries.flatMap(({ imagePath }) => imagePath ?? []));

/** The queries of one file that have ground truth, and boxes or a photo to choose from. */
async function readKnown(file: string, printer: Printer): Promise<readonly Query[]> {
  const known: Query[] = [];
  let [without, empty] = [0, 0];
  const ids = new NameTable();
  for await (const line of readLines(file)) {
    const item = readQueryLine(line);
    const { id } = item;
    const isFirst = ids.add(id);
    if ('error' in item) printer.itemError(`${file}:${item.line}`, item.error);
    else if (!isFirst) printer.itemError(`${file}:${line.number}`, duplicateId(id, line.number));
    else if (item.query.truthsXywh === undefined) without += 1;
    else if (item.query.imagePath === undefined && item.query.tools.length === 0) empty += 1;
    else known.push(item.query);
  }
  if (without > 0) {
    printer.note(`${file}: ${without} lines without \`bbox\` or \`boxes\` are left out`);
  }
  if (empty > 0) {
    printer.note(
      `${file}: ${empty} lines with neither an image nor boxes in \`tools\` are left out`,
    );
  }
  return known;
}

async function readEntries(file: string): Promise<readonly CocoEntry[]> {
  const entries: CocoEntry[] = [];
  for await (const entry of cocoEntries(readTextChunks(file), file)) entries.push(entry);
  return entries;
}

/** @throws VgrError USAGE where lines need photos and no folder is named, or none has boxes of the tool asked for */
function checkTools(
  train: readonly Query[],
  validation: readonly Query[],
  tool: string | undefined,
): void {
  const first = [...train, ...validation].find(
    ({ tools, imagePath }) => tools.length === 0 && imagePath !== undefined,
  );
  if (first !== undefined) {
    throw new VgrError(
      'USAGE',
      `line ${first.line}: expected boxes in \`tools\`, since no image folder is given; got an image ${quoted(first.imagePath!)}`,
      { hint: 'name the folder: `vgr train-lite ./images --queries train.jsonl --output DIR`' },
    );
  }
  const names = new Set(train.flatMap(({ tools }) => tools.map(({ name }) => name)));
  if (tool === undefined || names.has(tool)) return;
  throw new VgrError(
    'USAGE',
    `--tool: expected a name under \`tools\` of the lines, got ${quoted(tool)}`,
    { hint: `the lines have ${[...names].map((name) => quoted(name)).join(', ')}` },
  );
}

/** A tool on fewer lines gets no columns of its own: they would be fitted to noise. */
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

/** Rows are held out in blocks of a file. */
const BLOCKS = 20;

/**
 * Chooses rows of one file for validation: every n-th of 20 blocks of neighbouring rows, so that rows of one photo stay
 * together and files of equal length lose the same rows. Rows of a photo follow its first row.
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
    if (Math.floor((block + 1) * share + 1e-9) > Math.floor(block * share + 1e-9)) {
      chosen.add(query);
    }
  }
  return chosen;
}
