import { join } from 'node:path';
import { type BoxXyxy, type ImageSize, iouXyxy, isCorrect, xywhToXyxy } from '../core/box.js';
import { asVgrError, itemError, quoted, VgrError } from '../core/error.js';
import { writeFileAtomic } from '../core/files.js';
import { type LineItem, readLines } from '../core/line-reader.js';
import { orderedMap, take, untilAborted } from '../core/ordered-map.js';
import type { Interruption, Printer } from '../core/terminal.js';
import { counted } from '../core/text.js';
import { parseQueryLine, type Query } from '../formats/query-line.js';
import { type Bbox2d, parseOutputLine, type ResultLine } from '../formats/result-line.js';
import { imageRoots } from '../photos/find-photos.js';
import { ImageRoots } from '../photos/image-path.js';
import { firstAnswer } from '../refine/candidates.js';
import type { Candidate, RefineRequest } from '../refine/refiner.js';
import { photoOpener } from '../runtime/engine.js';
import { promptOf } from '../vlm/open.js';
import { savePicture } from '../vlm/photo.js';
import { gridSize } from '../vlm/prompt.js';
import { pixelGrid, type VlmFlags } from '../vlm/settings.js';
import {
  datasetInfo,
  llamaFactoryRow,
  type RowSettings,
  type TrainingCase,
  verlRow,
} from '../vlm/training-row.js';

export interface ExportFlags
  extends Pick<
    VlmFlags,
    'prompt-template' | 'vlm-preset' | 'vlm-grid' | 'vlm-min-pixels' | 'vlm-max-pixels'
  > {
  readonly queries: string;
  readonly results?: string | undefined;
  readonly format: string;
  readonly output: string;
  readonly tool?: string | undefined;
  readonly turns: string;
  readonly 'keep-wrong': boolean;
  readonly 'image-root': string;
  readonly 'vlm-image': string;
  readonly 'vlm-tool-boxes': number;
  readonly limit?: number | undefined;
  readonly 'max-pixels': number;
  readonly 'allow-outside': boolean;
}

export interface ExportCommand {
  readonly images: readonly string[];
  readonly flags: ExportFlags;
  readonly printer: Printer;
  readonly interruption: Interruption;
}

const CONCURRENCY = 4;

/** What became of one line. */
type Exported =
  | { readonly text: string }
  | { readonly line: number; readonly error: VgrError }
  | 'left out'
  | 'without thoughts';

/** `vgr export`: queries with ground truth, pictures and tools' boxes in the form of a trainer. @returns the exit code */
export async function exportCommand(command: ExportCommand): Promise<number> {
  const { flags, printer, interruption } = command;
  const results = await resultsById(flags.results);
  if (flags.format === 'llamafactory' && !results) {
    throw new VgrError('USAGE', '--format llamafactory needs the thoughts of earlier answers', {
      hint: 'give them with `--results out/results.jsonl`',
    });
  }
  const example = await exampleMaker(command, results);
  const counts = { rows: 0, leftOut: 0, thoughtless: 0, failed: 0 };
  const lines = take(
    untilAborted(readLines(flags.queries, { signal: interruption.signal }), interruption.signal),
    flags.limit ?? Number.POSITIVE_INFINITY,
  );
  const options = { concurrency: CONCURRENCY, backpressure: 2 * CONCURRENCY, unordered: false };
  const file = `${flags.format}.jsonl`;
  await writeFileAtomic(
    join(flags.output, file),
    (async function* () {
      for await (const exported of orderedMap(lines, example, options)) {
        if (exported === 'left out') counts.leftOut += 1;
        else if (exported === 'without thoughts') counts.thoughtless += 1;
        else if ('error' in exported) {
          counts.failed += 1;
          reportError(exported, printer);
        } else {
          counts.rows += 1;
          yield exported.text;
        }
      }
      // A file that was cut short would look whole.
      if (interruption.signal.aborted) throw interrupted();
    })(),
  );
  if (flags.format === 'llamafactory') {
    const info = `${JSON.stringify(datasetInfo(file), null, 2)}\n`;
    await writeFileAtomic(join(flags.output, 'dataset_info.json'), [info]);
  }
  printer.closeErrors();
  const { rows, leftOut, thoughtless, failed } = counts;
  printer.note(
    `${rows} rows in ${join(flags.output, file)}, ${leftOut + thoughtless} queries left out, ${failed} failed`,
  );
  if (thoughtless > 0) {
    printer.note(
      `warning: to ${counted(thoughtless, 'query')} --results holds no thoughts of a large refiner in two stages`,
    );
  }
  return counts.failed === 0 ? 0 : 1;
}

/** Errors of lines name the line themselves, those of photos do not. */
function reportError(
  { line, error: { message, hint } }: { readonly line: number; readonly error: VgrError },
  printer: Printer,
): void {
  const name = `line ${line}`;
  const rest = message.startsWith(name)
    ? message.slice(name.length).replace(/^[:,] /, '')
    : message;
  printer.itemError(name, { message: rest, ...(hint !== undefined && { hint }) });
}

/** What makes a row of a line. @throws VgrError of the folders, or of the template */
async function exampleMaker(
  { images, flags }: ExportCommand,
  results: ReadonlyMap<string, ResultLine> | undefined,
): Promise<(item: LineItem) => Promise<Exported>> {
  const roots = await ImageRoots.open(await imageRoots(images), {
    allowOutside: flags['allow-outside'],
  });
  const open = photoOpener(flags);
  const grid = pixelGrid(flags);
  const { prompt, sha256: template } = await promptOf({ ...flags, protocol: 'think-rethink' });
  const settings: RowSettings = {
    prompt,
    bare: template !== undefined,
    boxesPerTool: flags['vlm-tool-boxes'],
    mode: flags.turns === 'one' ? 'continue' : 'multi-turn',
  };
  const format = flags['vlm-image'] === 'png' ? 'png' : 'jpeg';
  const options = { format, maxPixels: flags['max-pixels'] } as const;
  const saving = new Map<string, Promise<void>>();
  /** Queries of one photo lie near each other: the second waits for the first one's picture. */
  const saved = (name: string, path: string, picture: ImageSize): Promise<void> => {
    const known = saving.get(name);
    if (known) return known;
    const target = join(flags.output, 'images', name);
    const made = savePicture(path, picture, target, options).finally(() => saving.delete(name));
    saving.set(name, made);
    return made;
  };

  const rowOf = async (query: Query, index: number): Promise<Exported> => {
    const result = results?.get(query.id);
    const truthXyxy = truthOf(query);
    const wantsRight = flags.format === 'llamafactory' && !flags['keep-wrong'];
    if (results && !(result && (!wantsRight || isRight(result, truthXyxy)))) return 'left out';
    if (flags.format === 'llamafactory' && !hasThoughts(result!)) return 'without thoughts';
    const path = await roots.resolve(imageOf(query));
    const { size: photo, sha256 } = await open({ image: path, path }, MEASURE);
    const picture = gridSize(photo, grid);
    // Named by content and size: no name of a photo leads out of the folder, and none stands for another.
    const name = `${sha256.slice(0, 20)}-${picture.width}x${picture.height}.${format === 'png' ? 'png' : 'jpg'}`;
    await saved(name, path, picture);
    const example: TrainingCase = {
      id: query.id,
      index,
      image: `${flags['image-root'].replace(/(?<=[^/])\/*$/, '/')}images/${name}`,
      request: requestOf(query, photo, { result, toolName: flags.tool }),
      truthXyxy,
      view: { photo, picture, grid },
    };
    const row =
      flags.format === 'verl'
        ? verlRow(example, settings)
        : llamaFactoryRow(example, result!, settings);
    return { text: `${JSON.stringify(row)}\n` };
  };

  return async (item) => {
    try {
      if ('error' in item) throw item.error;
      return await rowOf(parseQueryLine(item.text, item.number), item.number - 1);
    } catch (thrown) {
      return { line: item.number, error: itemError(asVgrError(thrown)) };
    }
  };
}

/** Only the size of the photo is wanted. */
const MEASURE = { width: 16, height: 16, fit: 'stretch', fill: 0 } as const;

function interrupted(): VgrError {
  return new VgrError('INPUT_UNREADABLE', 'stopped before the last query: no file was written');
}

/** The rewards of trainers compare one box with one. @throws VgrError QUERY_INVALID where the line has none, or several */
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
function imageOf({ imagePath, line }: Query): string {
  if (imagePath !== undefined) return imagePath;
  throw new VgrError('QUERY_INVALID', `line ${line}: expected \`image\`, got none`);
}

/** Whether the answer of a run hits the ground truth: there is nothing to learn from the thoughts of another. */
function isRight({ answer: { bbox_2d: box } }: ResultLine, truth: BoxXyxy): boolean {
  return box !== null && isCorrect(iouXyxy(xyxyOf(box), truth));
}

/** Whether it holds what a large refiner thought before and after it saw the tools' boxes: nobody else tells the format. */
function hasThoughts({ answer }: ResultLine): boolean {
  return answer.format !== undefined && answer.decision !== 'fallback';
}

/**
 * A request as the large refiner gets it: the tools of the line; where a run brought another one's answer, that one first.
 * @throws VgrError QUERY_INVALID where the tool is not there
 */
function requestOf(
  { query, tools, line }: Query,
  imageSize: { readonly width: number; readonly height: number },
  {
    result,
    toolName,
  }: { readonly result: ResultLine | undefined; readonly toolName: string | undefined },
): RefineRequest {
  const brought = tools.flatMap(({ name, boxes }) =>
    boxes.map((box, rank): Candidate => ({ ...box, tool: name, rank })),
  );
  const ran = result && !tools.some(({ name }) => name === result.tool.name) ? ranTool(result) : [];
  const name = toolName ?? result?.tool.name ?? tools[0]?.name;
  const candidates = [...ran, ...brought];
  const known = name === result?.tool.name || tools.some((tool) => tool.name === name);
  if (name === undefined || !known) {
    throw new VgrError(
      'QUERY_INVALID',
      `line ${line}: expected boxes of ${toolName === undefined ? 'a tool' : quoted(toolName)}, got none`,
      { hint: 'give them on the line in `tools`, or let `vgr refine` bring them: `--results`' },
    );
  }
  const tool = firstAnswer(candidates.filter((candidate) => candidate.tool === name));
  return { query, imageSize, candidates, toolName: name, tool };
}

function ranTool({ tool: { name, bbox_2d: box, score, label } }: ResultLine): Candidate[] {
  if (!box) return [];
  return [
    {
      boxXyxy: xyxyOf(box),
      tool: name,
      rank: 0,
      ...(score !== undefined && { score }),
      ...(label !== undefined && { label }),
    },
  ];
}

/** The answers of a run by id; undefined where none are named. @throws VgrError INPUT_MISSING, INPUT_INVALID */
async function resultsById(
  file: string | undefined,
): Promise<ReadonlyMap<string, ResultLine> | undefined> {
  if (file === undefined) return undefined;
  const results = new Map<string, ResultLine>();
  for await (const item of readLines(file)) {
    if ('error' in item) throw item.error;
    const line = parseOutputLine(item.text, `${file}:${item.number}`);
    if (line.type === 'result') results.set(line.id, line);
  }
  return results;
}

function xyxyOf([x1, y1, x2, y2]: Bbox2d): BoxXyxy {
  return { x1, y1, x2, y2 };
}
