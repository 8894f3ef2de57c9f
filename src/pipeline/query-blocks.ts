import { asVgrError, VgrError } from '../formats/fault.js';
import { type ErrorLine, errorLine, lineJson, type ResultLine } from '../formats/result-line.js';
import { type OrderedMapOptions, orderedMap } from './ordered-map.js';
import type { PlacedLine, RunProgress } from './ports.js';
import { failedQuery, type SeenPhoto } from './query-answer.js';
import type { IntakeItem, QueryIntake, QueryLineItem, ReadQuery } from './query-intake.js';
import { type DrawAnswer, type LocatedPhoto, lookAt, type PhotoSource } from './refine-run.js';

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

/**
 * The items of a run in blocks, in their order. Lines that came together stay together as far as they name one photo, and none
 * waits for later ones.
 */
export async function* intakeBlocks(
  blocks: AsyncIterable<readonly QueryLineItem[]>,
  { intake, isDone, limit }: BlockIntake,
): AsyncGenerator<readonly IntakeItem[]> {
  let left = limit;
  if (left <= 0) return;
  for await (const lines of blocks) {
    let block: IntakeItem[] = [];
    for (const line of lines) {
      const item = left > 0 ? intake.take(line) : undefined;
      if (!item) continue;
      left -= 1;
      if (isDone(item)) continue;
      if (!hasRoom(block, item)) {
        yield block;
        block = [];
      }
      block.push(item);
    }
    if (block.length > 0) yield block;
    if (left <= 0) return;
  }
}

/** Whether a block takes one more item: its queries name one photo, or none. */
function hasRoom(block: readonly IntakeItem[], item: IntakeItem): boolean {
  if (block.length === BLOCK_QUERIES) return false;
  if (!('query' in item)) return true;
  const first = block.find((each): each is ReadQuery => 'query' in each);
  return first === undefined || first.query.image === item.query.image;
}

/** One answer a query, as the JSON of its line, and the milliseconds that they took. */
export interface AnsweredBlock {
  readonly lines: readonly string[];
  readonly ms: number;
}

/**
 * Answers queries together. The photo is that of all of them, fresh where it was looked at for the first.
 * @throws VgrError WORKER_CRASHED, or what else ends the run
 */
export type AnswerBlock = (
  queries: readonly ReadQuery[],
  seen: SeenPhoto | undefined,
) => Promise<AnsweredBlock>;

export interface BlockRun {
  readonly source?: Pick<PhotoSource, 'locate' | 'photos'>;
  readonly answer: AnswerBlock;
  readonly progress: Pick<RunProgress, 'refined' | 'refineMs'>;
  readonly stream: OrderedMapOptions;
  readonly draw?: DrawAnswer;
}

/** Answers queries a block at a time: one line a query, in the order of the file. */
export async function* refineBlocks(
  blocks: AsyncIterable<readonly IntakeItem[]>,
  run: BlockRun,
): AsyncGenerator<PlacedLine<ResultLine | ErrorLine>> {
  const answered = orderedMap(blocks, (items) => linesOf(items, run), run.stream);
  for await (const lines of answered) yield* lines;
}

async function linesOf(
  items: readonly IntakeItem[],
  run: BlockRun,
): Promise<readonly PlacedLine<ResultLine | ErrorLine>[]> {
  const queries = items.filter((item): item is ReadQuery => 'query' in item);
  const answers = (await answersOf(queries, run)).values();
  return items.map((item) =>
    'fault' in item
      ? { place: item.line, line: errorLine(item, item.fault) }
      : { place: item.query.line, ...answers.next().value! },
  );
}

type AnsweredLine = Pick<PlacedLine<ResultLine | ErrorLine>, 'line' | 'json'>;

/** @throws VgrError what ends the run */
async function answersOf(
  queries: readonly ReadQuery[],
  run: BlockRun,
): Promise<readonly AnsweredLine[]> {
  if (queries.length === 0) return [];
  let seen: LocatedPhoto | undefined;
  try {
    seen = await lookAt(queries[0]!.query, run.source);
  } catch (thrown) {
    return queries.map(({ query }) => ({ line: failedQuery(query, thrown) }));
  }
  const timed: AnswerBlock = async (asked, photo) => {
    const answered = await run.answer(asked, photo);
    run.progress.refineMs += answered.ms;
    return answered;
  };
  const answers = await answerAll(queries, seen, timed);
  const lines: AnsweredLine[] = [];
  // One after another: each drawing decodes its photo anew.
  for (const [at, json] of answers.entries())
    lines.push(await drawn(queries[at]!, json, seen, run));
  return lines;
}

/** The line of an answer once it is drawn, or why it cannot be. */
async function drawn(
  { query }: ReadQuery,
  json: string,
  seen: LocatedPhoto | undefined,
  { draw, progress }: BlockRun,
): Promise<AnsweredLine> {
  const line = JSON.parse(json) as ResultLine | ErrorLine;
  if (line.type === 'error') return { line, json };
  progress.refined += 1;
  try {
    if (seen) await draw?.(line, seen.ref);
    return { line, json };
  } catch (thrown) {
    return { line: failedQuery(query, thrown) };
  }
}

/** Where a thread ends under a block, its queries are answered one by one, so that one takes no other along. */
async function answerAll(
  queries: readonly ReadQuery[],
  seen: SeenPhoto | undefined,
  answer: AnswerBlock,
): Promise<readonly string[]> {
  try {
    return (await answer(queries, seen)).lines;
  } catch (thrown) {
    if (asVgrError(thrown).code !== 'WORKER_CRASHED') throw thrown;
  }
  const lines: string[] = [];
  for (const [at, query] of queries.entries()) {
    const own = seen && { ...seen, fresh: seen.fresh && at === 0 };
    lines.push(await answerAgain(query, () => answer([query], own)));
  }
  return lines;
}

async function answerAgain(
  { query }: ReadQuery,
  answer: () => Promise<AnsweredBlock>,
): Promise<string> {
  try {
    return (await answer()).lines[0]!;
  } catch (thrown) {
    const fault = asVgrError(thrown);
    if (fault.code !== 'WORKER_CRASHED') throw fault;
    const failed = new VgrError(
      'REFINEMENT_FAILED',
      `the refiner ended twice on this query: ${fault.message}`,
      { cause: fault },
    );
    return lineJson(failedQuery(query, failed));
  }
}
