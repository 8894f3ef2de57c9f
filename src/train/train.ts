import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ExampleCache } from '../core/disk-cache.js';
import { quoted, VgrError } from '../core/error.js';
import { lockOutput } from '../core/file-lock.js';
import { writeFileAtomic } from '../core/files.js';
import type { Terminal } from '../core/terminal.js';
import type { RefinerCard } from '../formats/model-card.js';
import type { Query } from '../formats/query-line.js';
import { imageRoots } from '../photos/find-photos.js';
import { ImageRoots } from '../photos/image-path.js';
import { COLUMNS_VERSION } from '../refine/columns.js';
import { type PolicyNumbers, PRIOR_NUMBERS } from '../refine/policy.js';
import type { InferenceFlags } from '../runtime/device.js';
import {
  cropMatching,
  type OpenedEncoder,
  openNamedEncoder,
  openTrainedEncoder,
} from '../runtime/encoder.js';
import { type Engine, openEngine, photoOpener } from '../runtime/engine.js';
import { openPool } from '../runtime/open-pool.js';
import { startedProgress } from '../runtime/ports.js';
import { readRefiner } from '../runtime/refiner.js';
import { codeFingerprint } from './code-fingerprint.js';
import {
  checkUsable,
  type KnownExample,
  makeExamples,
  readAnnotated,
  readSplit,
  type SplitQueries,
  toolsOf,
  weighted,
} from './data.js';
import { type FitSettings, fitPolicy } from './fit.js';
import { heldOutNumbers, validationTable, verdict } from './report.js';

/** The flags of `vgr train-lite` as the parser gives them. */
export interface TrainFlags extends InferenceFlags {
  readonly queries: readonly string[];
  readonly val?: readonly string[] | undefined;
  readonly 'val-share': number;
  readonly annotations?: string | undefined;
  readonly output: string;
  readonly name: string;
  readonly tool?: string | undefined;
  readonly 'tool-columns': boolean;
  readonly cache?: string | undefined;
  readonly init: string;
  readonly encoder?: string | undefined;
  readonly algorithm: string;
  readonly epochs: number;
  readonly lr: number;
  readonly kl: number;
  readonly 'supervised-weight': number;
  readonly prior: number;
  readonly 'group-size': number;
  readonly seed: number;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly 'no-progress': boolean;
  readonly 'max-pixels': number;
  readonly 'allow-outside': boolean;
}

export interface TrainCommand {
  readonly images: readonly string[];
  readonly flags: TrainFlags;
  readonly terminal: Terminal;
  /** Folder for examples where `--cache` names none. */
  readonly cacheFolder: string;
  /** The command line as it can be run again. */
  readonly commandLine: string;
}

/** `vgr train-lite`: queries with ground truth to a refiner. @returns the exit code */
export async function trainCommand(command: TrainCommand): Promise<number> {
  const { flags, images } = command;
  const { printer, interruption } = command.terminal;
  const split = await readSplit(flags.queries, flags.val ?? [], flags['val-share'], printer);
  if (images.length === 0) checkBoxes(split, flags);
  const annotated = flags.annotations
    ? await readAnnotated(flags.annotations, split.train, flags.seed)
    : [];
  const start = await startOf(flags, split);
  const lock = await lockOutput(flags.output);
  const pool = openPool(flags, printer);
  try {
    const engine = await openEngine(
      images.length > 0 ? flags : { ...flags, detector: 'none' },
      pool,
      printer,
    );
    const encoder = await encoderOf(flags, start.encoder, engine);
    const learned = { tools: start.numbers.tools, encoder };
    const made = await examplesOf(command, engine, { ...split, annotated }, learned);
    engine.closing();
    if (interruption.signal.aborted) return 0;
    checkUsable(made.train);
    const curve: string[] = [];
    const lessons = weighted(made.train, made.annotated);
    const numbers = await fitPolicy(lessons, start.numbers, fitSettings(flags), async (epoch) => {
      curve.push(`${JSON.stringify({ type: 'epoch', schema: 1, ...epoch })}\n`);
      // A turn of the event loop, so that a signal is heard.
      await setImmediate();
      return !interruption.signal.aborted;
    });
    if (interruption.signal.aborted) return 0;
    const refiner = { schema: 1, columns: COLUMNS_VERSION, ...numbers };
    const text = `${JSON.stringify(refiner, null, 2)}\n`;
    const reached = (policy: PolicyNumbers | null) => heldOutNumbers(made.validation, policy);
    const card = {
      ...cardOf(command, made, text),
      ...(encoder && { encoder: encoder.trace }),
      validation:
        made.validation.length === 0
          ? null
          : {
              queries: made.validation.length,
              tool: reached(null),
              start: reached(start.numbers),
              fitted: reached(numbers),
            },
    };
    const write = (name: string, content: string) =>
      writeFileAtomic(join(flags.output, name), [content]);
    await write('curve.jsonl', curve.join(''));
    await write('refiner.json', text);
    await write('card.json', `${JSON.stringify(card, null, 2)}\n`);
    const told = flags.json
      ? JSON.stringify({ ...card, output: flags.output }, null, 2)
      : validationTable(card) + verdict(card, flags);
    await printer.data(`${told}\n`);
    return 0;
  } finally {
    await pool.close();
    await lock.release();
  }
}

/** What training starts from: a refiner, or with `none` the weights that the columns have by themselves. */
async function startOf({ init, 'tool-columns': named }: TrainFlags, { train }: SplitQueries) {
  const from = init === 'none' ? undefined : await readRefiner(init);
  const numbers = from?.numbers ?? PRIOR_NUMBERS;
  const tools = named ? toolsOf(train) : [];
  return {
    numbers: { ...numbers, tools: [...new Set([...numbers.tools, ...tools])].sort() },
    encoder: from?.card.encoder,
  };
}

/** The queries of all parts as numbers. */
interface MadeExamples {
  readonly train: readonly KnownExample[];
  /** Made of annotations. */
  readonly annotated: readonly KnownExample[];
  readonly validation: readonly KnownExample[];
}

function fitSettings(flags: TrainFlags): FitSettings {
  return {
    algorithm: flags.algorithm === 'grpo' ? 'grpo' : 'exact',
    epochs: flags.epochs,
    learningRate: flags.lr,
    kl: flags.kl,
    supervised: flags['supervised-weight'],
    prior: flags.prior,
    seed: flags.seed,
    group: { size: flags['group-size'], clip: 0.2, reuse: 4 },
  };
}

/** @param text of `refiner.json` */
function cardOf(
  { flags, commandLine }: TrainCommand,
  made: MadeExamples,
  text: string,
): Omit<RefinerCard, 'validation'> {
  const train = [...made.train, ...made.annotated];
  const count = (holds: (example: KnownExample) => boolean) => train.filter(holds).length;
  const data = createHash('sha256');
  for (const { rows, overlaps, truthOf, truths, tool, several } of train) {
    data.update(rows.boxes).update(rows.query).update(rows.ofTool).update(overlaps).update(truthOf);
    data.update(JSON.stringify([rows.hidden, truths, tool, several]));
  }
  return {
    schema: 1,
    kind: 'refiner',
    name: flags.name,
    title: `Lite refiner, fitted to ${train.length} lines`,
    file: 'refiner.json',
    sha256: createHash('sha256').update(text).digest('hex'),
    bytes: Buffer.byteLength(text),
    licence: 'MIT',
    citation: 'after VG-Refiner, arXiv 2512.06373',
    source: { added: 'vgr train-lite' },
    training: {
      command: commandLine,
      data_sha256: data.digest('hex'),
      photos: count(({ image }) => image),
      tools: count(({ image }) => !image),
      absent: count(({ truths }) => truths === 0),
      sets: count(({ truths }) => truths > 1),
      settings: JSON.parse(JSON.stringify(fitSettings(flags))),
    },
  };
}

/** The encoder of `--encoder`; a refiner that is continued keeps the one it has. @throws VgrError USAGE and of the encoder */
async function encoderOf(
  { encoder: wanted, init }: TrainFlags,
  has: RefinerCard['encoder'],
  { pool }: Engine,
): Promise<OpenedEncoder | undefined> {
  if (has === undefined) return wanted === undefined ? undefined : openNamedEncoder(wanted, pool);
  if (wanted !== undefined && wanted !== has.name) {
    throw new VgrError(
      'USAGE',
      `--encoder: ${quoted(init)} was trained with ${quoted(has.name)}, got ${quoted(wanted)}`,
      { hint: 'leave out `--encoder`: the refiner brings its own' },
    );
  }
  return openTrainedEncoder(has, init, pool);
}

/** @throws VgrError USAGE where lines need photos and no folder is named, or none has boxes of the tool asked for */
function checkBoxes({ train, validation }: SplitQueries, { tool }: TrainFlags): void {
  const needs = ({ tools, imagePath }: Query) => tools.length === 0 && imagePath !== undefined;
  const first = [...train, ...validation].find(needs);
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

/** The queries of all parts as numbers, from the cache or made now. */
async function examplesOf(
  command: TrainCommand,
  engine: Engine,
  queries: SplitQueries & { readonly annotated: readonly Query[] },
  { tools, encoder }: { tools: readonly string[]; encoder: OpenedEncoder | undefined },
): Promise<MadeExamples> {
  const { flags, images, terminal } = command;
  const { printer, interruption } = terminal;
  // As `refine` does: photos that neither a detector nor an encoder looks at are left closed.
  const roots =
    images.length === 0 || !(engine.detector || encoder)
      ? undefined
      : await ImageRoots.open(await imageRoots(images), { allowOutside: flags['allow-outside'] });
  const total = queries.train.length + queries.annotated.length + queries.validation.length;
  const counts = { all: 0, cached: 0 };
  const display = await terminal.showProgress({
    stages: [{ title: 'queries', count: () => counts.all }],
    share: () => counts.all / total,
  });
  const cache = flags.cache ?? command.cacheFolder;
  const maker = {
    engine,
    parts:
      engine.detector || encoder
        ? {
            open: photoOpener(flags),
            ...(engine.detector && { detector: engine.detector }),
            clock: () => performance.now(),
            progress: startedProgress(),
          }
        : undefined,
    roots,
    code: await codeFingerprint(),
    cache: new ExampleCache(cache),
    tools,
    toolName: flags.tool,
    encoder: encoder && { trace: encoder.trace, matching: cropMatching(encoder, flags) },
    printer,
    signal: interruption.signal,
    counted: (count: number, cached: boolean) => {
      counts.all += count;
      counts.cached += cached ? count : 0;
    },
  };
  try {
    const train = await makeExamples(queries.train, maker);
    const annotated = await makeExamples(queries.annotated, maker);
    const validation = await makeExamples(queries.validation, maker);
    return { train, annotated, validation };
  } finally {
    await display.stop();
    printer.note(`${counts.all} queries, ${counts.cached} of them from the cache in ${cache}`);
    printer.closeErrors();
  }
}
