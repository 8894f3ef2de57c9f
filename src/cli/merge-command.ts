import { join } from 'node:path';
import { CategoryIds } from '../formats/coco-dataset.js';
import { quoted, VgrError } from '../formats/fault.js';
import { unplacedText } from '../formats/result-line.js';
import { canonicalSettings, parseShardRun } from '../formats/run-summary.js';
import { readLines } from '../io/line-reader.js';
import { fileExists, readJson } from '../io/text-file.js';
import { countingImages, imagesOfCocoFile } from '../pipeline/image-numbering.js';
import {
  mergedLines,
  type ShardFolder,
  type ShardLine,
  wholeOf,
  wholeSummary,
} from '../pipeline/shard-merge.js';
import { counted } from './counted.js';
import { MAX_JOURNAL_LINE_BYTES } from './journal-file.js';
import { OutputFolder } from './output-folder.js';
import type { Printer } from './printer.js';
import { sha256Of } from './versions.js';

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
    if ('fault' in item) throw item.fault;
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
