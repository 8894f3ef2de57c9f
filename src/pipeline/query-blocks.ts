import { asVgrError, VgrError } from '../formats/fault.js';
import { type ErrorLine, errorLine, lineJson, type ResultLine } from '../formats/result-line.js';
import { type OrderedMapOptions, orderedMap } from './ordered-map.js';
import type { PlacedLine, RunProgress } from './ports.js';
import type { IntakeItem, QueryIntake, QueryLineItem, ReadQuery } from './query-intake.js';
import { failedQuery } from './refine-run.js';

/** Most queries that go to a thread together: enough to fill the runs of a policy, few enough to share among threads. */
const BLOCK_QUERIES = 128;

/** What becomes of the lines before they are answered. */
export interface BlockIntake {
  readonly intake: QueryIntake;
  /** Whether an earlier run has answered it. */
  readonly isDone: (item: IntakeItem) => boolean;
  /** Most items that are taken. */
  readonly limit: number;
}

/** The items of a run in blocks, in their order. Lines that came together stay together, and none waits for later ones. */
export async function* intakeBlocks(
  blocks: AsyncIterable<readonly QueryLineItem[]>,
  { intake, isDone, limit }: BlockIntake,
): AsyncGenerator<readonly IntakeItem[]> {
  let left = limit;
  const takeLine = (line: QueryLineItem): IntakeItem[] => {
    const item = left > 0 ? intake.take(line) : undefined;
    if (!item) return [];
    left -= 1;
    return isDone(item) ? [] : [item];
  };
  if (left <= 0) return;
  for await (const lines of blocks) {
    for (let from = 0; from < lines.length; from += BLOCK_QUERIES) {
      const items = lines.slice(from, from + BLOCK_QUERIES).flatMap(takeLine);
      if (items.length > 0) yield items;
    }
    if (left <= 0) return;
  }
}

/** One answer a query, as the JSON of its line. @throws VgrError WORKER_CRASHED, or what else ends the run */
export type AnswerBlock = (queries: readonly ReadQuery[]) => Promise<readonly string[]>;

/** Answers queries that bring their own boxes, a block at a time: one line a query, in the order of the file. */
export async function* refineBlocks(
  blocks: AsyncIterable<readonly IntakeItem[]>,
  answer: AnswerBlock,
  progress: Pick<RunProgress, 'refined'>,
  stream: OrderedMapOptions,
): AsyncGenerator<PlacedLine<ResultLine | ErrorLine>> {
  const answered = orderedMap(blocks, (items) => linesOf(items, answer, progress), stream);
  for await (const lines of answered) yield* lines;
}

async function linesOf(
  items: readonly IntakeItem[],
  answer: AnswerBlock,
  progress: Pick<RunProgress, 'refined'>,
): Promise<readonly PlacedLine<ResultLine | ErrorLine>[]> {
  const queries = items.filter((item): item is ReadQuery => 'query' in item);
  const answers = (await answerAll(queries, answer)).values();
  return items.map((item) => {
    if ('fault' in item) return { place: item.line, line: errorLine(item, item.fault) };
    const json = answers.next().value!;
    const line = JSON.parse(json) as ResultLine | ErrorLine;
    if (line.type === 'result') progress.refined += 1;
    return { place: item.query.line, line, json };
  });
}

/** Where a thread ends under a block, its queries are answered one by one, so that one takes no other along. */
async function answerAll(
  queries: readonly ReadQuery[],
  answer: AnswerBlock,
): Promise<readonly string[]> {
  if (queries.length === 0) return [];
  try {
    return await answer(queries);
  } catch (thrown) {
    if (asVgrError(thrown).code !== 'WORKER_CRASHED') throw thrown;
  }
  const lines: string[] = [];
  for (const query of queries) lines.push(await answerAgain(query, answer));
  return lines;
}

async function answerAgain(query: ReadQuery, answer: AnswerBlock): Promise<string> {
  try {
    return (await answer([query]))[0]!;
  } catch (thrown) {
    const fault = asVgrError(thrown);
    if (fault.code !== 'WORKER_CRASHED') throw fault;
    const failed = new VgrError(
      'REFINEMENT_FAILED',
      `the refiner ended twice on this query: ${fault.message}`,
      { cause: fault },
    );
    return lineJson(failedQuery(query.query, failed));
  }
}
