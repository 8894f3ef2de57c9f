import { type OutputLine, parseOutputLine, unplacedText } from '../formats/result-line.js';
import { writeFileAtomic } from '../io/atomic-file.js';
import { readLineBlocks } from '../io/line-reader.js';
import {
  DoneItems,
  type JournalLine,
  type JournalTally,
  withReplacements,
} from '../pipeline/journal.js';

/** A result echoes its query line, in which every byte may become an escape of six. */
export const MAX_JOURNAL_LINE_BYTES = 128 * 1024 * 1024;

/** What a run left in its journal. @throws VgrError INPUT_INVALID */
export async function readDone(file: string, retryFailed: boolean): Promise<DoneItems> {
  const done = new DoneItems(retryFailed);
  for await (const { line } of readJournal(file)) done.add(line);
  return done;
}

/** Whether lines are not yet where, or not yet as, an undisturbed run would have written them. */
export function isUnsettled({ replacements, placed }: JournalTally, sharded: boolean): boolean {
  return replacements > 0 || (placed > 0 && !sharded);
}

/** Puts retried lines in their places, and takes the places off them where the journal is no shard's. */
export async function settleJournal(file: string, sharded: boolean): Promise<void> {
  const lines = withReplacements(() => readJournal(file));
  await writeFileAtomic(file, sharded ? lines : withoutPlaces(lines));
}

async function* withoutPlaces(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const text of lines) yield unplacedText(text)?.text ?? text;
}

/** @throws VgrError INPUT_INVALID for a line that no run writes */
export async function* readJournal(
  path: string,
  isWanted: (text: string) => boolean = () => true,
): AsyncGenerator<JournalLine> {
  for await (const block of readLineBlocks(path, { maxLineBytes: MAX_JOURNAL_LINE_BYTES })) {
    for (const item of block) {
      if ('fault' in item) throw item.fault;
      const { text, number } = item;
      if (isWanted(text)) {
        yield { line: parseOutputLine(text, `${path}:${number}`), text: `${text}\n` };
      }
    }
  }
}

/** The lines that name a photo: the others have no place in COCO files, and are not even parsed. */
export async function* linesOfPhotos(path: string): AsyncGenerator<OutputLine> {
  for await (const { line } of readJournal(path, (text) => text.includes('"image":'))) yield line;
}
