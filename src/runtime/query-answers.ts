import { parseQueryLine } from '../formats/query-line.js';
import { type ErrorLine, lineJson, type ResultLine, roundedMs } from '../formats/result-line.js';
import { createLiteRefiner, type LiteSpec } from '../refine/lite-refiner.js';
import type { Refiner } from '../refine/refiner.js';
import type { RefineReply, RefineRequest } from './messages.js';
import {
  type AnswerRun,
  answerQuery,
  failedQuery,
  type SeenPhoto,
  seenAt,
} from './query-answer.js';

/**
 * The lines of the answers as JSON, parallel to the queries. They are answered together: each is told an equal share of the
 * time.
 */
export async function answerLines({
  refiner: spec,
  texts,
  numbers,
  seen,
  source,
  toolName,
  timing,
}: RefineRequest): Promise<RefineReply> {
  const start = performance.now();
  const refiner = refinerOf(spec);
  const run: AnswerRun = {
    refine: async (request) => (await refiner.refine([request]))[0]!,
    source,
    toolName,
    clock: () => performance.now(),
    progress: { refined: 0, refineMs: 0 },
    timing,
  };
  const answers = await Promise.all(
    texts.map((text, at) => answerLine({ text, line: numbers[at]! }, seenAt(at, seen), run)),
  );
  const ms = performance.now() - start;
  return { lines: answers.map((line) => lineJson(withShare(line, ms / texts.length))), ms };
}

function withShare(line: ResultLine | ErrorLine, ms: number): ResultLine | ErrorLine {
  if (line.type === 'error' || !line.timing_ms) return line;
  return { ...line, timing_ms: { ...line.timing_ms, refine: roundedMs(ms) } };
}

async function answerLine(
  { text, line }: { readonly text: string; readonly line: number },
  seen: SeenPhoto | undefined,
  run: AnswerRun,
): Promise<ResultLine | ErrorLine> {
  const query = parseQueryLine(text, line);
  try {
    return await answerQuery(query, seen, run);
  } catch (thrown) {
    return failedQuery(query, thrown);
  }
}

/** The refiner of this thread, kept until another is asked for. */
let made: { readonly key: string; readonly refiner: Refiner } | undefined;

function refinerOf(spec: LiteSpec): Refiner {
  const key = JSON.stringify(spec);
  if (made?.key !== key) made = { key, refiner: createLiteRefiner(spec) };
  return made.refiner;
}
