import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { quoted, VgrError } from '../core/error.js';
import { lockOutput } from '../core/file-lock.js';
import { refuseForeignFile, refuseLinks, writeFileAtomic } from '../core/files.js';
import type { Terminal } from '../core/terminal.js';
import type { PhotoFlags } from '../photos/decode.js';
import { imageRoots } from '../photos/find-photos.js';
import { ImageRoots } from '../photos/image-path.js';
import { COLUMNS_VERSION } from '../refine/columns.js';
import { PRIOR_NUMBERS } from '../refine/policy.js';
import type { InferenceFlags } from '../runtime/device.js';
import { proveEncoder } from '../runtime/device-trial.js';
import {
  findEncoder,
  type OpenedEncoder,
  openEncoder,
  openTrainedEncoder,
} from '../runtime/encoder.js';
import { type Engine, openEngine } from '../runtime/engine.js';
import { readRefiner } from '../runtime/refiner.js';
import { startThreads } from '../runtime/threads.js';
import { ExampleMaker, weighted } from './examples.js';
import { type FitSettings, fitPolicy } from './fit.js';
import {
  checkUsable,
  readTrainingLines,
  type TrainingLineFlags,
  type TrainingLines,
  toolsOf,
} from './lines.js';
import { cardOf, validationOf, validationTable, verdict } from './report.js';

/** The flags of `vgr train-lite` as the parser gives them. */
export interface TrainFlags extends InferenceFlags, TrainingLineFlags, PhotoFlags {
  readonly output: string;
  readonly force: boolean;
  readonly name: string;
  readonly 'tool-columns': boolean;
  readonly cache?: string;
  readonly init: string;
  readonly encoder?: string;
  readonly algorithm: FitSettings['algorithm'];
  readonly epochs: number;
  readonly lr: number;
  readonly kl: number;
  readonly 'supervised-weight': number;
  readonly prior: number;
  readonly 'group-size': number;
  readonly json: boolean;
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

/** What the files hold that the command writes. */
const OUR_MARKS = {
  'refiner.json': '"columns": "',
  'card.json': '"kind": "refiner"',
  'curve.jsonl': '{"type":"epoch"',
};

/** `vgr train-lite`: from queries with ground truth to a refiner. @returns the exit code */
export async function trainCommand(command: TrainCommand): Promise<number> {
  const { flags, images } = command;
  const { printer, interruption } = command.terminal;
  const { signal } = interruption;
  const within = flags.output;
  refuseLinks(within, within);
  for (const [name, mark] of Object.entries(OUR_MARKS)) {
    const isOurs = (head: string): boolean => head.includes(mark);
    await refuseForeignFile(join(flags.output, name), { isOurs, force: flags.force });
  }
  const lines = await readTrainingLines(flags, images, printer);
  const start = await startOf(flags);
  const lock = await lockOutput(flags.output);
  try {
    const { train, annotated, validation, ...made } = await makeExamples(command, lines, start);
    if (signal.aborted) return 0;
    checkUsable(train);

    const curve: string[] = [];
    const settings = fitSettings(flags);
    const fitted = await fitPolicy(
      weighted(train, annotated),
      made.numbers,
      settings,
      async (epoch) => {
        curve.push(`${JSON.stringify({ type: 'epoch', schema: 1, ...epoch })}\n`);
        // A turn of the event loop, so that a signal is heard.
        await setImmediate();
        return !signal.aborted;
      },
    );
    if (signal.aborted) return 0;

    const refiner = jsonText({ schema: 1, columns: COLUMNS_VERSION, ...fitted });
    const card = cardOf(refiner, {
      name: flags.name,
      command: command.commandLine,
      settings,
      detectors: made.detectors,
      encoder: made.encoder,
      examples: [...train, ...annotated],
      validation: validationOf(validation, made.numbers, fitted),
    });
    await writeFileAtomic(join(flags.output, 'curve.jsonl'), curve, { within });
    await writeFileAtomic(join(flags.output, 'refiner.json'), [refiner], { within });
    await writeFileAtomic(join(flags.output, 'card.json'), [jsonText(card)], { within });
    await printer.data(
      flags.json
        ? jsonText({ ...card, output: flags.output })
        : `${validationTable(card)}${verdict(card, flags)}\n`,
    );
    return 0;
  } finally {
    await lock.release();
  }
}

const jsonText = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

type Start = Awaited<ReturnType<typeof startOf>>;

/** A refiner, or with `none` the prior weights of the columns. */
async function startOf(flags: TrainFlags) {
  const from = flags.init === 'none' ? undefined : await readRefiner(flags.init);
  return {
    numbers: from?.numbers ?? PRIOR_NUMBERS,
    /** The one that the refiner was trained with. */
    encoder: from?.card.encoder,
  };
}

/**
 * The lines as numbers, with the start for the tools that they show, and the models whose boxes and matches they hold. Opens the
 * detectors and the encoder, has them look at all lines that the cache does not know, and closes them.
 */
async function makeExamples(command: TrainCommand, lines: TrainingLines, start: Start) {
  const { flags, images, terminal } = command;
  const { printer, interruption } = terminal;
  await using threads = startThreads(flags, printer);
  const detector = images.length > 0 ? flags.detector : ['none'];
  using engine = await openEngine({ ...flags, detector }, threads, printer);
  const encoder = await encoderOf(flags, start, engine);
  // As `refine` does: photos that neither a detector nor an encoder looks at stay closed.
  const detectors = engine.detectors.map(({ name }) => name);
  const several = detectors.length > 1 ? detectors : undefined;
  const own = flags['tool-columns'] ? [...toolsOf(lines.train), ...(several ?? [])] : [];
  const tools = [...new Set([...start.numbers.tools, ...own])].sort();
  const usesPhotos = images.length > 0 && (engine.detectors.length > 0 || encoder);
  const roots = usesPhotos
    ? await ImageRoots.open(await imageRoots(images), { allowOutside: flags['allow-outside'] })
    : undefined;
  const cache = flags.cache ?? command.cacheFolder;
  const settings = { engine, encoder, roots, tools, flags };
  const maker = new ExampleMaker(settings, printer, cache);
  const { counts } = maker;
  const total = lines.train.length + lines.annotated.length + lines.validation.length;
  const display = await terminal.showProgress({
    stages: [{ title: 'queries', count: () => counts.all }],
    share: () => counts.all / total,
  });
  try {
    const train = await maker.make(lines.train, interruption.signal);
    const annotated = await maker.make(lines.annotated, interruption.signal);
    const validation = await maker.make(lines.validation, interruption.signal);
    return {
      ...{ train, annotated, validation },
      numbers: { ...start.numbers, tools },
      detectors: several,
      encoder: encoder?.fingerprint,
    };
  } finally {
    await display.stop();
    printer.note(`${counts.all} queries, ${counts.cached} of them from the cache in ${cache}`);
    printer.closeErrors();
  }
}

/** The encoder of `--encoder`; a refiner that is continued keeps its own. @throws VgrError USAGE and of the encoder */
async function encoderOf(
  { encoder: wanted, init }: TrainFlags,
  { encoder: own }: Start,
  { threads: { pool } }: Engine,
): Promise<OpenedEncoder | undefined> {
  const proven = async (opened: OpenedEncoder): Promise<OpenedEncoder> => {
    await proveEncoder(opened, pool);
    return opened;
  };
  if (own === undefined) {
    if (wanted === undefined) return undefined;
    return proven(await openEncoder(await findEncoder(wanted), pool));
  }
  if (wanted !== undefined && wanted !== own.name) {
    throw new VgrError(
      'USAGE',
      `--encoder: ${quoted(init)} was trained with ${quoted(own.name)}, got ${quoted(wanted)}`,
      { hint: 'leave out `--encoder`: the refiner uses the one it was trained with' },
    );
  }
  return proven(await openTrainedEncoder(own, init, pool));
}

function fitSettings(flags: TrainFlags): FitSettings {
  return {
    algorithm: flags.algorithm,
    epochs: flags.epochs,
    learningRate: flags.lr,
    kl: flags.kl,
    supervised: flags['supervised-weight'],
    prior: flags.prior,
    seed: flags.seed,
    group: { size: flags['group-size'], clip: 0.2, reuse: 4 },
  };
}
