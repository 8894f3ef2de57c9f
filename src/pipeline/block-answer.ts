import { asVgrError, VgrError } from '../formats/fault.js';
import type { ErrorLine, ResultLine } from '../formats/result-line.js';
import { itemFault } from './item-fault.js';
import { failedQuery, type SeenPhoto, seenAt } from './query-answer.js';
import type { ReadQuery } from './query-intake.js';

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
export async function answerTogether(
  queries: readonly ReadQuery[],
  seen: SeenPhoto | undefined,
  answer: AnswerBlock,
): Promise<readonly AnsweredQuery[]> {
  try {
    return (await answer(queries, seen)).lines.map(answered);
  } catch (thrown) {
    if (!isCrash(thrown)) itemFault(thrown);
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
