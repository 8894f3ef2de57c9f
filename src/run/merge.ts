import { join } from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { isFile, readJson } from '../core/files.js';
import { readLines } from '../core/line-reader.js';
import { NameTable } from '../core/name-table.js';
import type { Printer } from '../core/terminal.js';
import { counted, sha256Of } from '../core/text.js';
import { type PlacedLine, unplacedText } from '../formats/result-line.js';
import {
  canonicalSettings,
  parseRunSummary,
  type RunSummary,
  STAGES,
  type StageLoads,
  settingsDifference,
} from '../formats/run-summary.js';
import { MAX_JOURNAL_LINE_BYTES, parseJournalLine } from './journal.js';
import { OutputFolder } from './output-folder.js';
import { shardOf, WHOLE } from './shard.js';

export interface MergeFlags {
  readonly output: string;
  readonly 'image-ids'?: string;
  readonly segmentation: 'none' | 'box';
}

/**
 * `vgr merge`: joins the folders of all shards to that of one run.
 * @param folders output folders of the shards, in any order
 * @returns 1 if items failed, as the one run would
 */
export async function mergeShards(
  folders: readonly string[],
  flags: MergeFlags,
  printer: Printer,
): Promise<number> {
  const shards = wholeOf(await Promise.all(folders.map(readShard)));
  const runs = shards.map(({ run }) => run);
  const summary = wholeSummary(runs, flags['image-ids'] ?? null);
  const folder = await OutputFolder.open(flags.output, summary.settings, {
    retryFailed: false,
    sharded: false,
    imageIds: flags['image-ids'],
    polygons: flags.segmentation === 'box',
    categories: summary.categories,
  });
  try {
    await folder.journal.replace(mergedLines(shards));
    await folder.finish();
    await folder.writeSummary(summary);
  } finally {
    await folder.close();
  }
  const { items, errors } = summary.counts;
  printer.note(
    `${counted(items, 'item')} of ${counted(shards.length, 'shard')}${errors > 0 ? `, ${errors} failed` : ''}`,
  );
  return errors > 0 ? 1 : 0;
}

type ShardFolder = Awaited<ReturnType<typeof readShard>>;

/** The folder of a shard with its run.json. @throws VgrError INPUT_MISSING, INPUT_INVALID */
async function readShard(folder: string) {
  const path = join(folder, 'run.json');
  const missing = [path, join(folder, 'results.jsonl')].find((each) => !isFile(each));
  if (missing !== undefined) {
    throw new VgrError(
      'INPUT_MISSING',
      `expected the output of a shard, got no ${quoted(missing)}`,
      {
        hint: 'a shard is made with `--shard i/n --output DIR`',
      },
    );
  }
  const run = parseRunSummary(await readJson(path));
  if (!run) throw new VgrError('INPUT_INVALID', `${quoted(path)}: expected the summary of a run`);
  return { folder, run, shard: shardOf(String(run.settings.shard), {}) };
}

/**
 * Checks that the folders are all shards of one run, each once and complete, and together have every item of the input.
 * @returns the folders in the order of their shards
 * @throws VgrError SHARD_MISSING, OUTPUT_MISMATCH
 */
function wholeOf(folders: readonly ShardFolder[]): readonly ShardFolder[] {
  const first = folders[0]!;
  for (const other of folders.slice(1)) refuseOtherRun(first, other);
  const { count } = first.shard;
  const byIndex = new Map<number, ShardFolder>();
  for (const each of folders) {
    const { index } = each.shard;
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
  refuseMissing(byIndex, count);
  const items = folders.reduce((sum, { run }) => sum + run.counts.items, 0);
  if (items !== first.run.counts.listed) {
    throw new VgrError(
      'SHARD_MISSING',
      `expected ${first.run.counts.listed} items in all shards, got ${items}`,
      { hint: 'the input changed between the shards: run them again on one input' },
    );
  }
  return folders.toSorted((a, b) => a.shard.index - b.shard.index);
}

function refuseOtherRun(first: ShardFolder, other: ShardFolder): void {
  const identity = ({ run, shard }: ShardFolder) => ({
    ...run.settings,
    shard: `of ${shard.count}`,
    command: run.command,
  });
  const difference = settingsDifference(identity(first), identity(other));
  const [listed, otherListed] = [first.run.counts.listed, other.run.counts.listed];
  if (listed !== otherListed && other.run.complete && difference.length === 0) {
    difference.push(`input items: ${listed}, now ${otherListed}`);
  }
  if (difference.length === 0) return;
  throw new VgrError(
    'OUTPUT_MISMATCH',
    `${quoted(first.folder)} and ${quoted(other.folder)} are of different runs: ${difference.join('; ')}`,
    { hint: 'merge the shards of one run, made with the same flags on the same input' },
  );
}

function refuseMissing(byIndex: ReadonlyMap<number, ShardFolder>, count: number): void {
  const missing = Array.from({ length: count }, (_, at) => at + 1).filter((at) => !byIndex.has(at));
  const incomplete = [...byIndex.values()].filter(({ run }) => !run.complete);
  const parts = [
    ['missing', missing.map((at) => `${at}/${count}`)],
    ['incomplete', incomplete.map(({ folder }) => quoted(folder))],
  ] as const;
  const lacking = parts
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what}: ${names.join(', ')}`);
  if (lacking.length === 0) return;
  throw new VgrError('SHARD_MISSING', `expected all ${count} shards; ${lacking.join('; ')}`, {
    hint: 'run the command of these shards again: each continues where it ended',
  });
}

/**
 * The summary of the whole run: sums of counts and times, maxima of wall time, memory and lanes, means of utilisation. Shards
 * may have run in parallel.
 */
function wholeSummary(runs: readonly RunSummary[], imageIds: string | null): RunSummary {
  // The report of a refiner is about one shard.
  const { refiner: _, ...first } = runs[0]!;
  const settings = { ...first.settings, shard: WHOLE };
  const most = (of: (run: RunSummary) => number): number => Math.max(...runs.map(of));
  const total = (of: (run: RunSummary) => number): number =>
    runs.reduce((sum, run) => sum + of(run), 0);
  const sum = (of: (run: RunSummary) => number): number => Number(total(of).toFixed(3));
  const mean = (of: (run: RunSummary) => number): number =>
    Number((total(of) / runs.length).toFixed(3));
  const stages = STAGES.map((stage) => [
    stage,
    {
      busy_s: sum((run) => run.stages[stage].busy_s),
      lanes: most((run) => run.stages[stage].lanes),
      utilisation: mean((run) => run.stages[stage].utilisation),
    },
  ]);
  const starts = runs.map(({ started }) => started ?? '').sort();
  return {
    ...first,
    started: starts[0] || undefined,
    complete: true,
    settings,
    settings_hash: sha256Of(canonicalSettings(settings)),
    image_ids: imageIds,
    counts: {
      listed: first.counts.listed,
      items: sum((run) => run.counts.items),
      errors: sum((run) => run.counts.errors),
      resumed: sum((run) => run.counts.resumed),
      images_left_out: sum((run) => run.counts.images_left_out),
    },
    timings: {
      wall_s: most((run) => run.timings.wall_s),
      decode_s: sum((run) => run.timings.decode_s),
      detect_s: sum((run) => run.timings.detect_s),
      refine_s: sum((run) => run.timings.refine_s),
      session_utilisation: mean((run) => run.timings.session_utilisation),
      cpu_s: sum((run) => run.timings.cpu_s),
    },
    stages: Object.fromEntries(stages) as StageLoads,
    peak_memory_bytes: most((run) => run.peak_memory_bytes),
  };
}

/**
 * The lines of all shards in the order of the input, which each shard has too: one line of each is in memory, and at most 16
 * bytes for each place. Falling places (of an unordered run) are taken as they come.
 * @throws VgrError OUTPUT_MISMATCH if a place comes twice, and those of {@link shardLines}
 */
async function* mergedLines(shards: readonly ShardFolder[]): AsyncGenerator<string> {
  const heads = await Promise.all(
    shards.map(async (shard) => {
      const lines = shardLines(shard);
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

/**
 * The lines of the journal of a shard, each with the place of its item in the whole input.
 * @throws VgrError INPUT_INVALID for a line without place; at the end SHARD_MISSING if there are not as many as run.json says
 */
async function* shardLines({ folder, run }: ShardFolder): AsyncGenerator<PlacedLine> {
  const path = join(folder, 'results.jsonl');
  let count = 0;
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
    parseJournalLine(item.text, `${path}:${item.number}`);
    count += 1;
    yield line;
  }
  const { items } = run.counts;
  if (count === items) return;
  throw new VgrError(
    'SHARD_MISSING',
    `${quoted(folder)}: expected ${items} lines in \`results.jsonl\`, as its \`run.json\` says, got ${count}`,
    {
      hint:
        count < items
          ? 'run the command of this shard again: it does what is missing'
          : 'the file was changed after the run: run this shard again, in a new folder',
    },
  );
}
