import { join } from 'node:path';
import { quoted, VgrError } from '../formats/fault.js';
import type { Query } from '../formats/query-line.js';
import type { RefinerCard } from '../formats/refiner-card.js';
import type { SessionPool } from '../inference/pool.js';
import { codeTrace } from '../io/code-trace.js';
import { ExampleCache } from '../io/example-cache.js';
import { ImageRoots } from '../io/image-path.js';
import { imageRoots } from '../io/image-source.js';
import { parseExpression } from '../language/expression.js';
import { startedProgress } from '../pipeline/ports.js';
import { litePolicySettings } from '../refinement/lite-example.js';
import { Vocabulary } from '../refinement/lite-words.js';
import type { KnownQuery } from '../training/example-file.js';
import { bothViews, plainView } from '../training/known-query.js';
import { policyParameters } from '../training/training-graph.js';
import {
  cropMatching,
  type OpenedEncoder,
  openFeatures,
  openTrainedEncoder,
} from './encoder-open.js';
import { type Engine, openEngine, photoOpener } from './engine.js';
import type { Interruption } from './interruption.js';
import { type LiteModel, readLiteModel } from './lite-open.js';
import { openPool } from './open-pool.js';
import type { Printer } from './printer.js';
import { progressMode, startProgress } from './progress.js';
import { cluesTaught, constructsTaught } from './taught.js';
import {
  checkUsable,
  makeExamples,
  readSplit,
  type SplitQueries,
  toolSlots,
} from './train-data.js';
import { TrainFolder } from './train-folder.js';
import { type Lessons, trainMembers } from './train-members.js';
import { writeRefiner } from './train-result.js';
import { liteSizes, type TrainFlags } from './train-settings.js';

export interface TrainCommand {
  readonly images: readonly string[];
  readonly flags: TrainFlags;
  readonly printer: Printer;
  readonly interruption: Interruption;
  /** Folder for examples where `--cache` names none. */
  readonly cacheFolder: string;
  /** The command line as it can be run again. */
  readonly commandLine: string;
}

/** `vgr train-lite`: queries with ground truth to a refiner. @returns the exit code */
export async function trainCommand(command: TrainCommand): Promise<number> {
  const { flags, images, printer, interruption } = command;
  const sizes = liteSizes(flags);
  const queries = await readSplit(flags.queries, flags.val ?? [], flags['val-share'], printer);
  checkPhotos(queries, images);
  checkTool(queries, flags);
  const engine = await openEngine(
    images.length > 0 ? flags : { ...flags, detector: 'none' },
    openPool(flags, printer),
    printer,
  );
  try {
    const init = flags.init === undefined ? undefined : await readLiteModel(flags.init);
    const encoder = await encoderOf(flags, init, engine.pool);
    const folder = await TrainFolder.open(flags.output, { anew: flags['no-resume'] });
    try {
      const tools =
        init?.card.tools ??
        toolSlots([...queries.train, ...queries.validation], engine.detector?.name);
      const made = await examplesOf(command, engine, queries, { tools, encoder });
      if (interruption.signal.aborted) return 0;
      checkUsable(made.train);
      const vocabulary = init ? new Vocabulary(init.card.vocabulary) : vocabularyOf(made.train);
      const lessons: Lessons = {
        policy: litePolicySettings(init?.sizes ?? sizes, vocabulary, encoder !== undefined),
        queries: made.train.map((known) => bothViews(known, vocabulary)),
        validation: made.validation.map((known) => plainView(known, vocabulary)),
        ...(init && { initial: init.members }),
      };
      const trained = await trainMembers(lessons, {
        flags,
        pool: engine.pool,
        folder,
        printer,
        signal: interruption.signal,
      });
      if (trained === undefined) return 0;
      const card = await writeRefiner(trained, {
        lessons,
        vocabulary,
        tools,
        constructs: constructsTaught(made.train, init?.card.constructs),
        clues: cluesTaught(made.train, init?.card.clues),
        encoder: encoder?.trace,
        sizes: init?.sizes ?? sizes,
        flags,
        folder,
        commandLine: command.commandLine,
        parameters: policyParameters(lessons.policy),
      });
      await report(card, command);
      return 0;
    } finally {
      await folder.close();
    }
  } finally {
    engine.closing();
    await engine.pool.close();
  }
}

/** The encoder of `--features`; a refiner that is continued keeps the one it has. @throws VgrError USAGE and of the encoder */
async function encoderOf(
  { features, init: folder }: TrainFlags,
  init: LiteModel | undefined,
  pool: SessionPool,
): Promise<OpenedEncoder | undefined> {
  if (init === undefined) return features === undefined ? undefined : openFeatures(features, pool);
  const { encoder, name } = init.card;
  const has = encoder && `${encoder.family}:${encoder.name}`;
  if (features !== undefined && features !== has) {
    throw new VgrError(
      'USAGE',
      `--features: ${quoted(folder!)} was trained ${has ? `with ${has}` : 'without an encoder'}, got ${quoted(features)}`,
      {
        hint: `leave out ${has ? '`--features`: the refiner brings its own' : '`--init` to train with an encoder'}`,
      },
    );
  }
  return encoder && openTrainedEncoder(encoder, name, pool);
}

async function report(card: RefinerCard, { flags, printer }: TrainCommand): Promise<void> {
  if (flags.json) {
    const { vocabulary, ...rest } = card;
    await printer.data(
      `${JSON.stringify({ ...rest, output: flags.output, words: vocabulary.length }, null, 2)}\n`,
    );
    return;
  }
  const { validation } = card;
  const percent = (value: number | null) =>
    value === null ? '-' : `${(100 * value).toFixed(1)} %`;
  const numbers =
    validation === null
      ? 'nothing was held out'
      : `accuracy ${percent(validation.accuracy)} (tool ${percent(validation.tool_accuracy)}), CCR ${percent(validation.ccr)}, lost ${percent(validation.lost)}`;
  await printer.data(`${join(flags.output, card.file)}: ${numbers}\n`);
}

/** @throws VgrError USAGE where lines need photos and no folder is named */
function checkPhotos({ train, validation }: SplitQueries, images: readonly string[]): void {
  if (images.length > 0) return;
  const needs = ({ tools, image }: Query) => tools.length === 0 && image !== undefined;
  const first = [...train, ...validation].find(needs);
  if (first === undefined) return;
  throw new VgrError(
    'USAGE',
    `line ${first.line}: expected boxes in \`tools\`, since no image folder is given; got an image ${quoted(first.image!)}`,
    { hint: 'name the folder: `vgr train-lite ./images --queries train.jsonl --output DIR`' },
  );
}

/** @throws VgrError USAGE where no line has boxes of the tool that is asked for */
function checkTool({ train }: SplitQueries, { tool, photos }: TrainFlags): void {
  const names = new Set(train.flatMap(({ tools }) => tools.map(({ name }) => name)));
  if (tool === undefined || names.has(tool) || photos) return;
  throw new VgrError(
    'USAGE',
    `--tool: expected a name under \`tools\` of the lines, got ${quoted(tool)}`,
    {
      hint: `the lines have ${[...names].map((name) => quoted(name)).join(', ')}`,
    },
  );
}

function vocabularyOf(train: readonly KnownQuery[]): Vocabulary {
  return Vocabulary.of(
    train.flatMap(({ query, mirrored }) =>
      [query, mirrored.text].map((text) => parseExpression(text)),
    ),
    // Each expression counts twice, as it is and mirrored.
    4,
  );
}

/** Queries of both parts as numbers. */
async function examplesOf(
  command: TrainCommand,
  engine: Engine,
  queries: SplitQueries,
  {
    tools,
    encoder,
  }: { readonly tools: readonly string[]; readonly encoder: OpenedEncoder | undefined },
): Promise<{ train: readonly KnownQuery[]; validation: readonly KnownQuery[] }> {
  const { flags, images, printer, interruption } = command;
  // As `refine` does: photos that neither a detector nor an encoder looks at are left closed.
  const roots =
    images.length === 0 || !(engine.detector || encoder)
      ? undefined
      : await ImageRoots.open(await imageRoots(images), { allowOutside: flags['allow-outside'] });
  const total = queries.train.length + queries.validation.length;
  const counts = { all: 0, cached: 0 };
  const display = await startProgress({
    stages: [{ title: 'features', count: () => counts.all }],
    share: () => counts.all / total,
    printer,
    mode: progressMode({
      quiet: flags.quiet,
      noProgress: flags['no-progress'],
      linesOnTerminal: false,
    }),
  });
  const maker = {
    engine,
    parts: (engine.detector || encoder) && {
      open: photoOpener(flags),
      ...(engine.detector && { detector: engine.detector }),
      clock: () => performance.now(),
      progress: startedProgress(),
    },
    roots,
    code: await codeTrace(),
    cache: new ExampleCache(flags.cache ?? command.cacheFolder),
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
    const validation = await makeExamples(queries.validation, maker);
    return { train, validation };
  } finally {
    await display.stop();
    printer.note(
      `features of ${counts.all} queries, ${counts.cached} of them from ${flags.cache ?? command.cacheFolder}`,
    );
    printer.closeFaults();
  }
}
