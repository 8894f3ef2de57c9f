import { join } from 'node:path';
import { type BoxXyxy, type ImageSize, iouXyxy, xywhToXyxy } from '../core/box.js';
import { itemError, quoted, VgrError } from '../core/error.js';
import { refuseForeignFile, refuseLinks, writeFileAtomic } from '../core/files.js';
import { isCorrect } from '../core/iou.js';
import { type LineItem, readLines, refuseReadTwice } from '../core/line-reader.js';
import { PromiseCache } from '../core/lru.js';
import { orderedMap, take, untilAborted } from '../core/ordered-map.js';
import type { Printer, Terminal } from '../core/terminal.js';
import { counted } from '../core/text.js';
import { parseQueryLine, type Query } from '../formats/query-line.js';
import { type Bbox2d, parseOutputLine, type ResultLine } from '../formats/result-line.js';
import { type PhotoFlags, photoLimits } from '../photos/decode.js';
import { imageRoots } from '../photos/find-photos.js';
import { ImageRoots } from '../photos/image-path.js';
import { firstAnswer } from '../refine/candidates.js';
import type { Candidate, RefineRequest } from '../refine/refiner.js';
import { photoOpener } from '../runtime/engine.js';
import { promptOf } from '../vlm/open.js';
import { type PictureFormat, savePicture } from '../vlm/photo.js';
import { gridSize } from '../vlm/prompt.js';
import { pixelGrid, type VlmFlags } from '../vlm/settings.js';
import {
  datasetInfo,
  llamaFactoryRow,
  type RowSettings,
  type TrainingCase,
  verlRow,
} from '../vlm/training-row.js';
import { readJournal } from './journal.js';

export interface ExportFlags
  extends PhotoFlags,
    Pick<
      VlmFlags,
      'prompt-template' | 'vlm-preset' | 'vlm-grid' | 'vlm-min-pixels' | 'vlm-max-pixels'
    > {
  readonly queries: string;
  readonly force: boolean;
  readonly results?: string;
  readonly format: 'verl' | 'llamafactory';
  readonly output: string;
  readonly tool?: string;
  readonly turns: 'one' | 'two';
  readonly 'keep-wrong': boolean;
  readonly 'image-root': string;
  readonly 'vlm-image': PictureFormat;
  readonly 'vlm-tool-boxes': number;
  readonly limit?: number;
  readonly 'allow-outside': boolean;
}

/** Lines processed at a time. */
const CONCURRENCY = 4;

/** What became of one line: the text of its row, its error, or why it has none. */
type Exported =
  | { readonly row: string }
  | { readonly line: number; readonly error: VgrError }
  | 'left out'
  | 'without thoughts';

/** `vgr export`: queries with ground truth, pictures and tools' boxes in the format of a trainer. @returns the exit code */
export async function exportRows(
  images: readonly string[],
  flags: ExportFlags,
  { printer, interruption: { signal } }: Terminal,
): Promise<number> {
  await refuseReadTwice([flags.queries, flags.results]);
  const results = flags.results === undefined ? undefined : await resultsById(flags.results);
  if (flags.format === 'llamafactory' && !results) {
    throw new VgrError('USAGE', '--format llamafactory needs the thoughts of earlier answers', {
      hint: 'give them with `--results out/results.jsonl`',
    });
  }
  const exported = await exporter(images, flags, results);
  const lines = take(untilAborted(readLines(flags.queries, { signal }), signal), flags.limit);
  const options = { concurrency: CONCURRENCY, backpressure: 2 * CONCURRENCY, unordered: false };
  const counts = { rows: 0, leftOut: 0, thoughtless: 0, failed: 0 };
  async function* rows(): AsyncGenerator<string> {
    for await (const outcome of orderedMap(lines, exported, options)) {
      if (outcome === 'left out') counts.leftOut += 1;
      else if (outcome === 'without thoughts') counts.thoughtless += 1;
      else if ('error' in outcome) {
        counts.failed += 1;
        reportError(outcome.line, outcome.error, printer);
      } else {
        counts.rows += 1;
        yield outcome.row;
      }
    }
    // A truncated file would look complete.
    if (signal.aborted) {
      throw new VgrError('INPUT_UNREADABLE', 'stopped before the last query: no file was written');
    }
  }
  const name = `${flags.format}.jsonl`;
  const file = join(flags.output, name);
  refuseLinks(join(flags.output, 'images'), flags.output);
  const isOurs = (head: string): boolean => head.startsWith('{');
  await refuseForeignFile(file, { isOurs, force: flags.force });
  const within = flags.output;
  await writeFileAtomic(file, rows(), { within });
  if (flags.format === 'llamafactory') {
    const info = `${JSON.stringify(datasetInfo(name), null, 2)}\n`;
    await writeFileAtomic(join(flags.output, 'dataset_info.json'), info, { within });
  }
  printer.closeErrors();
  printer.note(
    `${counts.rows} rows in ${file}, ${counts.leftOut + counts.thoughtless} queries left out, ${counts.failed} failed`,
  );
  if (counts.thoughtless > 0) {
    printer.note(
      `warning: to ${counted(counts.thoughtless, 'query')} --results holds no thoughts of a large refiner in two stages`,
    );
  }
  return counts.failed === 0 ? 0 : 1;
}

/** Errors of lines name their line, those of photos do not. */
function reportError(line: number, { message, hint }: VgrError, printer: Printer): void {
  const name = `line ${line}`;
  const isNamed = message.startsWith(name);
  const rest = isNamed ? message.slice(name.length).replace(/^[:,] /, '') : message;
  printer.itemError(name, { message: rest, hint });
}

/** Only the size of the photo is wanted. */
const MEASURE = { width: 16, height: 16, fit: 'stretch', fill: 0 } as const;

/** What makes the row of a line. @throws VgrError of the folders, or of the template */
async function exporter(
  images: readonly string[],
  flags: ExportFlags,
  results: ReadonlyMap<string, ResultLine> | undefined,
): Promise<(item: LineItem) => Promise<Exported>> {
  const roots = await ImageRoots.open(await imageRoots(images), {
    allowOutside: flags['allow-outside'],
  });
  const { open } = photoOpener(flags);
  const grid = pixelGrid(flags);
  const { prompt, sha256: template } = await promptOf({ ...flags, protocol: 'think-rethink' });
  const settings: RowSettings = {
    prompt,
    bare: template !== undefined,
    boxesPerTool: flags['vlm-tool-boxes'],
    mode: flags.turns === 'one' ? 'continue' : 'multi-turn',
  };
  const isSupervised = flags.format === 'llamafactory';
  const root = flags['image-root'].replace(/(?<=[^/])\/*$/, '/');
  const format = flags['vlm-image'];
  // Queries of one photo are near each other: the second waits for the picture of the first.
  const saved = new PromiseCache<void>(2 * CONCURRENCY);

  const rowOf = async (query: Query): Promise<Exported> => {
    const result = results?.get(query.id);
    const truthXyxy = truthOf(query);
    if (results && !result) return 'left out';
    if (isSupervised && !flags['keep-wrong'] && !isRight(result!, truthXyxy)) return 'left out';
    if (isSupervised && !hasThoughts(result!)) return 'without thoughts';
    const path = await roots.resolve(imagePathOf(query));
    const { size: photo, sha256 } = await open({ image: path, path }, MEASURE);
    const picture = gridSize(photo, grid);
    // Named by content and size, so that no photo's name leads out of the folder or hides another photo.
    const name = `${sha256.slice(0, 20)}-${picture.width}x${picture.height}.${format === 'png' ? 'png' : 'jpg'}`;
    const target = join(flags.output, 'images', name);
    await saved.getOrMake(name, () =>
      savePicture(path, picture, target, { format, within: flags.output, ...photoLimits(flags) }),
    );
    const example: TrainingCase = {
      id: query.id,
      index: query.line - 1,
      image: `${root}images/${name}`,
      request: requestOf(query, photo, { result, toolName: flags.tool }),
      truthXyxy,
      view: { photo, picture, grid },
    };
    const row = isSupervised
      ? llamaFactoryRow(example, result!, settings)
      : verlRow(example, settings);
    return { row: `${JSON.stringify(row)}\n` };
  };

  return async (item) => {
    try {
      if ('error' in item) throw item.error;
      return await rowOf(parseQueryLine(item.text, item.number));
    } catch (thrown) {
      return { line: item.number, error: itemError(thrown) };
    }
  };
}

/** Trainers compare one box with one box. @throws VgrError QUERY_INVALID where the line has none, or several */
function truthOf({ truthsXywh, line }: Query): BoxXyxy {
  const [truth, ...others] = truthsXywh ?? [];
  if (truth && others.length === 0) return xywhToXyxy(truth);
  const got = truth ? `${truthsXywh!.length} boxes` : 'none';
  throw new VgrError(
    'QUERY_INVALID',
    `line ${line}: expected the ground truth in \`bbox\`, got ${got}`,
    {
      hint: 'rows for trainers hold one box each: leave out lines that mean several objects or none',
    },
  );
}

/** @throws VgrError QUERY_INVALID */
function imagePathOf({ imagePath, line }: Query): string {
  if (imagePath !== undefined) return imagePath;
  throw new VgrError('QUERY_INVALID', `line ${line}: expected \`image\`, got none`);
}

/** Whether the answer of a run hits the ground truth: there is nothing to learn from the thoughts of another. */
function isRight({ answer: { bbox_2d: box } }: ResultLine, truth: BoxXyxy): boolean {
  return box !== null && isCorrect(iouXyxy(xyxyOf(box), truth));
}

/** Whether it has the thoughts of a large refiner before and after it saw the tools' boxes; only those have a format. */
function hasThoughts({ answer }: ResultLine): boolean {
  return answer.format !== undefined && answer.decision !== 'fallback';
}

/**
 * A request as the large refiner gets it: the tools of the line, preceded by the tool of the run where the line does not have it.
 * @throws VgrError QUERY_INVALID where the tool is not there
 */
function requestOf(
  { query, tools, line }: Query,
  imageSize: ImageSize,
  { result, toolName }: { readonly result?: ResultLine; readonly toolName?: string },
): RefineRequest {
  const names = new Set(tools.map(({ name }) => name));
  const candidates = tools.flatMap(({ name, boxes }) =>
    boxes.map((box, rank): Candidate => ({ ...box, tool: name, rank })),
  );
  if (result && !names.has(result.tool.name)) {
    const { name, bbox_2d: box, score, label } = result.tool;
    names.add(name);
    if (box) candidates.unshift({ boxXyxy: xyxyOf(box), tool: name, rank: 0, score, label });
  }
  const name = toolName ?? result?.tool.name ?? tools[0]?.name;
  if (name === undefined || !names.has(name)) {
    throw new VgrError(
      'QUERY_INVALID',
      `line ${line}: expected boxes of ${toolName === undefined ? 'a tool' : quoted(toolName)}, got none`,
      { hint: 'give them in `tools` of the line, or in the results of a run: `--results`' },
    );
  }
  const tool = firstAnswer(candidates.filter((candidate) => candidate.tool === name));
  return { query, imageSize, candidates, toolName: name, tool };
}

/** The answers of a run by id. @throws VgrError INPUT_MISSING, INPUT_INVALID */
async function resultsById(file: string): Promise<ReadonlyMap<string, ResultLine>> {
  const results = new Map<string, ResultLine>();
  // Thoughts may have been edited for training.
  for await (const { line } of readJournal(file, { parse: parseOutputLine })) {
    if (line.type === 'result') results.set(line.id, line);
  }
  return results;
}

function xyxyOf([x1, y1, x2, y2]: Bbox2d): BoxXyxy {
  return { x1, y1, x2, y2 };
}
