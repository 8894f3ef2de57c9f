import { asVgrError, itemError, VgrError } from '../core/error.js';
import { type OrderedMapOptions, orderedMap } from '../core/ordered-map.js';
import type { QueryLineItem, ReadQuery } from '../formats/query-line.js';
import { type ErrorLine, errorLine, type ResultLine } from '../formats/result-line.js';
import type { PhotoRef, PlacedLine, RunProgress } from '../runtime/ports.js';
import { failedQuery, type SeenPhoto, seenAt } from '../runtime/query-answer.js';
import type { IntakeItem, QueryIntake } from './intake.js';
import { type DrawAnswer, lookAt, type PhotoSource } from './refine-run.js';

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
  return first === undefined || first.query.imagePath === item.query.imagePath;
}

export interface BlockRun {
  readonly source?: Pick<PhotoSource, 'locate' | 'photos'>;
  readonly answer: AnswerBlock;
  readonly progress: Pick<RunProgress, 'refined' | 'refineMs'>;
  /** Blocks in work. */
  readonly stream: OrderedMapOptions;
  /** Draws answers, so many at a time. */
  readonly drawing?: { readonly draw: DrawAnswer; readonly stream: OrderedMapOptions };
}

type Line = PlacedLine<ResultLine | ErrorLine>;

/** A line with what it takes to draw it. */
interface DrawableLine {
  readonly placed: Line;
  readonly query?: ReadQuery['query'];
  readonly ref?: PhotoRef | undefined;
}

/** Answers queries a block at a time: one line a query, in the order of the file. */
export async function* refineBlocks(
  blocks: AsyncIterable<readonly IntakeItem[]>,
  run: BlockRun,
): AsyncGenerator<Line> {
  const lines = linesOf(orderedMap(blocks, (items) => answerBlock(items, run), run.stream));
  const { drawing } = run;
  // Behind the blocks, so that each line is written once it is drawn, and not the whole block at once.
  if (drawing) yield* orderedMap(lines, (line) => drawn(line, drawing.draw), drawing.stream);
  else for await (const { placed } of lines) yield placed;
}

async function* linesOf(
  blocks: AsyncIterable<readonly DrawableLine[]>,
): AsyncGenerator<DrawableLine> {
  for await (const block of blocks) yield* block;
}

/** @throws VgrError what ends the run */
async function answerBlock(
  items: readonly IntakeItem[],
  { source, answer, progress }: BlockRun,
): Promise<readonly DrawableLine[]> {
  const queries = items.filter((item): item is ReadQuery => 'query' in item);
  const { answers, ref } = await answersOf(queries, source, async (asked, photo) => {
    const answered = await answer(asked, photo);
    progress.refineMs += answered.ms;
    return answered;
  });
  progress.refined += answers.filter(({ line }) => line.type === 'result').length;
  const next = answers.values();
  return items.map((item) =>
    'error' in item
      ? { placed: { place: item.line, line: errorLine(item, item.error) } }
      : { placed: { place: item.query.line, ...next.next().value! }, query: item.query, ref },
  );
}

/** @throws VgrError what ends the run */
async function answersOf(
  queries: readonly ReadQuery[],
  source: BlockRun['source'],
  answer: AnswerBlock,
): Promise<{ readonly answers: readonly AnsweredQuery[]; readonly ref?: PhotoRef | undefined }> {
  const [first] = queries;
  if (!first) return { answers: [] };
  try {
    const seen = await lookAt(first.query, source);
    return { answers: await answerTogether(queries, seen, answer), ref: seen?.ref };
  } catch (thrown) {
    return { answers: queries.map(({ query }) => ({ line: failedQuery(query, thrown) })) };
  }
}

/** The line once it is drawn, or why it cannot be. @throws VgrError what ends the run */
async function drawn({ placed, query, ref }: DrawableLine, draw: DrawAnswer): Promise<Line> {
  if (placed.line.type === 'error' || !query || !ref) return placed;
  try {
    await draw(placed.line, ref);
    return placed;
  } catch (thrown) {
    return { place: placed.place, line: failedQuery(query, thrown) };
  }
}

/** One answer a query, as the JSON of its line, and the milliseconds that they took. */
export interface AnsweredBlock {
  readonly lines: readonly string[];
  readonly ms: number;
}

/**
 * Answers queries in one thread. The photo is that of all of them, fresh where it was looked at for the first.
 * @throws VgrError WORKER_CRASHED where the thread ends under them, or what it refuses
 */
export type AnswerBlock = (
  queries: readonly ReadQuery[],
  seen: SeenPhoto | undefined,
) => Promise<AnsweredBlock>;

/** The line of a query, and its JSON where it was written down already. */
export interface AnsweredQuery {
  readonly line: ResultLine | ErrorLine;
  readonly json?: string;
}

/**
 * The lines of queries, parallel to them. Where a thread ends under them or refuses them, they are answered one by one, so
 * that one takes no other along.
 * @throws VgrError what ends the run
 */
async function answerTogether(
  queries: readonly ReadQuery[],
  seen: SeenPhoto | undefined,
  answer: AnswerBlock,
): Promise<readonly AnsweredQuery[]> {
  try {
    return (await answer(queries, seen)).lines.map(answered);
  } catch (thrown) {
    if (!isCrash(thrown)) itemError(thrown);
  }
  const lines: AnsweredQuery[] = [];
  for (const [at, query] of queries.entries()) {
    lines.push(await answerAlone(query, seenAt(at, seen), answer));
  }
  return lines;
}

function answered(json: string): AnsweredQuery {
  return { line: JSON.parse(json) as ResultLine | ErrorLine, json };
}

async function answerAlone(
  read: ReadQuery,
  seen: SeenPhoto | undefined,
  answer: AnswerBlock,
): Promise<AnsweredQuery> {
  try {
    return answered((await answer([read], seen)).lines[0]!);
  } catch (thrown) {
    return { line: failedQuery(read.query, isCrash(thrown) ? ended(read, thrown) : thrown) };
  }
}

function isCrash(thrown: unknown): thrown is VgrError {
  return asVgrError(thrown).code === 'WORKER_CRASHED';
}

function ended({ query }: ReadQuery, cause: VgrError): VgrError {
  return new VgrError(
    'REFINEMENT_FAILED',
    `line ${query.line}: the refiner ended twice on this query: ${cause.message}`,
    { cause, hint: cause.hint ?? 'leave the line out, or give it fewer boxes' },
  );
}
