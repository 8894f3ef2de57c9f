import { join } from 'node:path';
import { asVgrError, VgrError } from '../formats/fault.js';
import { parseQueryLine, type Query } from '../formats/query-line.js';
import type { ResultLine } from '../formats/result-line.js';
import type { ImageSize } from '../geometry/box.js';
import { writeFileAtomic } from '../io/atomic-file.js';
import { savePicture } from '../io/chat-photo.js';
import { ImageRoots } from '../io/image-path.js';
import { imageRoots } from '../io/image-source.js';
import { type LineItem, readLines } from '../io/line-reader.js';
import { itemFault } from '../pipeline/item-fault.js';
import { orderedMap, take, untilAborted } from '../pipeline/ordered-map.js';
import { gridSize } from '../refinement/vlm/pixel-grid.js';
import {
  datasetInfo,
  llamaFactoryRow,
  type RowSettings,
  type TrainingCase,
  verlRow,
} from '../refinement/vlm/training-row.js';
import { counted } from './counted.js';
import { photoOpener } from './engine.js';
import { hasThoughts, imageOf, isRight, requestOf, resultsById, truthOf } from './export-source.js';
import type { Interruption } from './interruption.js';
import type { Printer } from './printer.js';
import { promptOf } from './vlm-open.js';
import { pixelGrid, type VlmFlags } from './vlm-settings.js';

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
  | { readonly line: number; readonly fault: VgrError }
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
        else if ('fault' in exported) {
          counts.failed += 1;
          tellFault(exported, printer);
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
  printer.closeFaults();
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

/** Faults of lines name the line themselves, those of photos do not. */
function tellFault(
  { line, fault: { message, hint } }: { readonly line: number; readonly fault: VgrError },
  printer: Printer,
): void {
  const name = `line ${line}`;
  const rest = message.startsWith(name)
    ? message.slice(name.length).replace(/^[:,] /, '')
    : message;
  printer.itemFault(name, { message: rest, ...(hint !== undefined && { hint }) });
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
      if ('fault' in item) throw item.fault;
      return await rowOf(parseQueryLine(item.text, item.number), item.number - 1);
    } catch (thrown) {
      return { line: item.number, fault: itemFault(asVgrError(thrown)) };
    }
  };
}

/** Only the size of the photo is wanted. */
const MEASURE = { width: 16, height: 16, fit: 'stretch', fill: 0 } as const;

function interrupted(): VgrError {
  return new VgrError('INPUT_UNREADABLE', 'stopped before the last query: no file was written');
}
