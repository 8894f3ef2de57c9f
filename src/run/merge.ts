import { join } from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { fileExists, readJson } from '../core/files.js';
import { readLines } from '../core/line-reader.js';
import { NameTable } from '../core/name-table.js';
import type { Printer } from '../core/terminal.js';
import { counted, sha256Of } from '../core/text.js';
import { CategoryIds } from '../formats/coco.js';
import { unplacedText } from '../formats/result-line.js';
import {
  canonicalSettings,
  parseShardRun,
  type RunSummary,
  type ShardRun,
  STAGES,
  type StageLoad,
  type StageLoads,
  settingsDifference,
} from '../formats/run-summary.js';
import { countingImages, imagesOfCocoFile } from './image-numbering.js';
import { MAX_JOURNAL_LINE_BYTES } from './journal.js';
import { OutputFolder } from './output-folder.js';
import { shardOf } from './shard.js';

export interface MergeCommand {
  readonly folders: readonly string[];
  readonly output: string;
  readonly imageIds: string | undefined;
  readonly printer: Printer;
}

/** `vgr merge`: the folders of all shards to that of one run. @returns 1 where items failed, as the one run would */
export async function mergeCommand(command: MergeCommand): Promise<number> {
  const { folders, output, imageIds, printer } = command;
  const shards = wholeOf(await Promise.all(folders.map(readShard)));
  const summary = wholeSummary(shards, imageIds ?? null);
  const images =
    imageIds === undefined
      ? countingImages()
      : imagesOfCocoFile(await readJson(imageIds), imageIds);
  const folder = await OutputFolder.open(output, summary.settings, {
    retryFailed: false,
    sharded: false,
  });
  try {
    const journals = shards.map((shard) => ({ shard, lines: shardLines(shard.folder) }));
    await folder.replaceJournal(mergedLines(journals));
    await folder.finish(images, new CategoryIds(summary.categories));
    await folder.writeSummary({
      ...summary,
      settings_hash: sha256Of(canonicalSettings(summary.settings)),
    });
  } finally {
    await folder.close();
  }
  const { items, errors } = summary.counts;
  printer.note(
    `${counted(items, 'item')} of ${counted(shards.length, 'shard')}${errors > 0 ? `, ${errors} failed` : ''}`,
  );
  return errors > 0 ? 1 : 0;
}

/** @throws VgrError INPUT_MISSING, INPUT_INVALID */
async function readShard(folder: string): Promise<ShardFolder> {
  const path = join(folder, 'run.json');
  if (!fileExists(path)) {
    throw new VgrError('INPUT_MISSING', `expected the output of a shard, got no ${quoted(path)}`, {
      hint: 'a shard is made with `--shard i/n --output DIR`',
    });
  }
  const run = parseShardRun(await readJson(path));
  if (!run) throw new VgrError('INPUT_INVALID', `${quoted(path)}: expected the summary of a run`);
  return { folder, run };
}

/** @throws VgrError INPUT_INVALID for a line without its place */
async function* shardLines(folder: string): AsyncGenerator<ShardLine> {
  const path = join(folder, 'results.jsonl');
  for await (const item of readLines(path, { maxLineBytes: MAX_JOURNAL_LINE_BYTES })) {
    if ('error' in item) throw item.error;
    const line = unplacedText(item.text);
    if (!line) {
      throw new VgrError(
        'INPUT_INVALID',
        `${path}:${item.number}: expected a line with \`place\`, got ${quoted(item.text, 60)}`,
        { hint: 'only shards of a run (`--shard i/n`, n > 1) can be merged' },
      );
    }
    yield line;
  }
}

/** A shard's folder and what its run.json says. */
export interface ShardFolder {
  readonly folder: string;
  readonly run: ShardRun;
}

/**
 * The summary of the whole run: counts and times are sums over the shards, which may have run side by side; the wall time
 * and the memory are those of the largest shard.
 */
function wholeSummary(
  shards: readonly ShardFolder[],
  imageIds: string | null,
): Omit<RunSummary, 'settings_hash'> {
  const runs = shards.map(({ run }) => run);
  const first = runs[0]!;
  const sum = (of: (run: ShardRun) => number): number =>
    runs.reduce((total, run) => total + of(run), 0);
  const most = (of: (run: ShardRun) => number): number => Math.max(...runs.map(of));
  const seconds = (of: (run: ShardRun) => number): number => Number(sum(of).toFixed(3));
  return {
    schema: 1,
    command: first.command,
    complete: true,
    settings: { ...first.settings, shard: '1/1' },
    versions: first.versions,
    models: first.models,
    image_ids: imageIds,
    categories: first.categories,
    device: first.device,
    sessions: first.sessions,
    threads: first.threads,
    counts: {
      listed: first.counts.listed,
      items: sum((run) => run.counts.items),
      errors: sum((run) => run.counts.errors),
      resumed: sum((run) => run.counts.resumed),
      images_left_out: sum((run) => run.counts.images_left_out),
    },
    timings: {
      wall_s: most((run) => run.timings.wall_s),
      decode_s: seconds((run) => run.timings.decode_s),
      detect_s: seconds((run) => run.timings.detect_s),
      refine_s: seconds((run) => run.timings.refine_s),
      session_utilisation: Number(
        (sum((run) => run.timings.session_utilisation) / runs.length).toFixed(3),
      ),
      cpu_s: seconds((run) => run.timings.cpu_s),
    },
    stages: wholeStages(runs),
    peak_memory_bytes: most((run) => run.peak_memory_bytes),
  };
}

/** Busy seconds are sums, utilisation is a mean, lanes are those of the largest shard. */
function wholeStages(runs: readonly ShardRun[]): StageLoads {
  const whole = (stage: keyof StageLoads): StageLoad => {
    const loads = runs.map(({ stages }) => stages[stage]);
    const sum = (of: (load: StageLoad) => number): number =>
      Number(loads.reduce((total, load) => total + of(load), 0).toFixed(3));
    return {
      busy_s: sum(({ busy_s }) => busy_s),
      lanes: Math.max(...loads.map(({ lanes }) => lanes)),
      utilisation: Number((sum(({ utilisation }) => utilisation) / runs.length).toFixed(3)),
    };
  };
  return Object.fromEntries(STAGES.map((stage) => [stage, whole(stage)])) as StageLoads;
}

/**
 * Checks that the folders are all the shards of one run, each once and each complete, and that together they hold every
 * item of the input.
 * @returns the folders in the order of their shards
 * @throws VgrError SHARD_MISSING, OUTPUT_MISMATCH
 */
function wholeOf(folders: readonly ShardFolder[]): readonly ShardFolder[] {
  const first = folders[0]!;
  for (const other of folders.slice(1)) refuseOtherRun(first, other);
  const count = shardOf(String(first.run.settings.shard), {}).count;
  const byIndex = new Map<number, ShardFolder>();
  for (const each of folders) {
    const { index } = shardOf(String(each.run.settings.shard), {});
    const double = byIndex.get(index);
    if (double) {
      throw new VgrError(
        'OUTPUT_MISMATCH',
        `${quoted(double.folder)} and ${quoted(each.folder)} are both shard ${index}/${count}`,
        { hint: 'give each shard once' },
      );
    }
    byIndex.set(index, each);
  }
  const missing = Array.from({ length: count }, (_, at) => at + 1).filter((at) => !byIndex.has(at));
  const incomplete = folders.filter(({ run }) => !run.complete);
  if (missing.length > 0 || incomplete.length > 0) {
    throw shardsMissing(count, missing, incomplete);
  }
  const items = folders.reduce((sum, { run }) => sum + run.counts.items, 0);
  if (items !== first.run.counts.listed) {
    throw new VgrError(
      'SHARD_MISSING',
      `expected ${first.run.counts.listed} items in all shards, got ${items}`,
      { hint: 'the input changed between the shards: run them again on one input' },
    );
  }
  return [...byIndex.entries()].sort(([a], [b]) => a - b).map(([, each]) => each);
}

function refuseOtherRun(first: ShardFolder, other: ShardFolder): void {
  const difference = settingsDifference(
    { ...first.run.settings, shard: countOf(first), command: first.run.command },
    { ...other.run.settings, shard: countOf(other), command: other.run.command },
  );
  const listed = first.run.counts.listed === other.run.counts.listed || !other.run.complete;
  if (difference.length === 0 && listed) return;
  const why =
    difference.length > 0
      ? difference.join('; ')
      : `input items: ${first.run.counts.listed}, now ${other.run.counts.listed}`;
  throw new VgrError(
    'OUTPUT_MISMATCH',
    `${quoted(first.folder)} and ${quoted(other.folder)} are of different runs: ${why}`,
    { hint: 'merge the shards of one run, made with the same flags on the same input' },
  );
}

function countOf({ run }: ShardFolder): string {
  return `of ${shardOf(String(run.settings.shard), {}).count}`;
}

function shardsMissing(
  count: number,
  missing: readonly number[],
  incomplete: readonly ShardFolder[],
): VgrError {
  const parts = [
    ...(missing.length > 0 ? [`missing: ${missing.map((at) => `${at}/${count}`).join(', ')}`] : []),
    ...(incomplete.length > 0
      ? [`not at their end: ${incomplete.map(({ folder }) => quoted(folder)).join(', ')}`]
      : []),
  ];
  return new VgrError('SHARD_MISSING', `expected all ${count} shards; ${parts.join('; ')}`, {
    hint: 'run the command of these shards again: each continues where it ended',
  });
}

/** A line of a shard's journal with its place in the whole input. */
export interface ShardLine {
  readonly place: number;
  readonly text: string;
}

/** A shard with the lines of its journal. */
export interface ShardJournal {
  readonly shard: ShardFolder;
  readonly lines: AsyncIterable<ShardLine>;
}

/**
 * The lines of all shards in the order of the input. Each shard holds its own in that order, so one line a shard is in
 * memory, and at most 16 bytes for each place. Places that fall (an unordered run) are taken as they come.
 * @throws VgrError OUTPUT_MISMATCH where a place comes twice, SHARD_MISSING where a journal does not hold as many lines as
 * its run.json says
 */
async function* mergedLines(journals: readonly ShardJournal[]): AsyncGenerator<string> {
  const heads = await Promise.all(
    journals.map(async (journal) => {
      const lines = wholeJournal(journal);
      return { lines, next: await lines.next() };
    }),
  );
  const places = new NameTable();
  for (;;) {
    const open = heads.filter(({ next }) => !next.done);
    if (open.length === 0) return;
    const first = open.reduce((least, head) =>
      head.next.value.place < least.next.value.place ? head : least,
    );
    const { place, text } = first.next.value;
    if (!places.add(String(place))) {
      throw new VgrError('OUTPUT_MISMATCH', `the shards hold input item ${place} twice`, {
        hint: 'run all shards with the same `--shard` count on the same input',
      });
    }
    yield text;
    first.next = await first.lines.next();
  }
}

/** The lines as they come. @throws VgrError SHARD_MISSING at their end, where they are not as many as were written */
async function* wholeJournal({ shard, lines }: ShardJournal): AsyncGenerator<ShardLine> {
  let count = 0;
  for await (const line of lines) {
    count += 1;
    yield line;
  }
  const { items } = shard.run.counts;
  if (count === items) return;
  throw new VgrError(
    'SHARD_MISSING',
    `${quoted(shard.folder)}: expected ${items} lines in \`results.jsonl\`, as its \`run.json\` says, got ${count}`,
    {
      hint:
        count < items
          ? 'run the command of this shard again: it does what is missing'
          : 'the file was changed after the run: do this shard anew, in a folder of its own',
    },
  );
}
