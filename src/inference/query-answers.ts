import type { NamedTensors } from '../detection/tensor.js';
import { parseQueryLine } from '../formats/query-line.js';
import { type ErrorLine, lineJson, type ResultLine, roundedMs } from '../formats/result-line.js';
import {
  type AnswerRun,
  answerQuery,
  failedQuery,
  type SeenPhoto,
  seenAt,
} from '../pipeline/query-answer.js';
import { createLiteRefiner } from '../refinement/lite-refiner.js';
import { Vocabulary } from '../refinement/lite-words.js';
import type { Refiner } from '../refinement/refiner.js';
import { createScorerRefiner } from '../refinement/scorer-refiner.js';
import type { RefineReply, RefineRequest, RefinerOrder } from './messages.js';
import { WorkerRefusal } from './pooled-worker.js';
import { refusedRun } from './refusal.js';

/** Runs a graph of this thread. */
type RunGraph = (model: string, feeds: NamedTensors) => Promise<NamedTensors>;

/** Refiners of this thread by what they were made from. */
const refiners = new Map<string, Refiner>();

/**
 * The lines of the answers as JSON, parallel to the queries. They are answered together: each is told an equal share of the
 * time.
 */
export async function answerLines(
  { refiner: order, texts, numbers, seen, source, toolName, timing }: RefineRequest,
  runGraph: RunGraph,
): Promise<RefineReply> {
  const start = performance.now();
  const refiner = refinerOf(order, runGraph);
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

function refinerOf(order: RefinerOrder, runGraph: RunGraph): Refiner {
  const key = order.kind === 'lite' ? order.model : order.kind;
  const known = refiners.get(key) ?? made(order, runGraph);
  refiners.set(key, known);
  return known;
}

function made(order: RefinerOrder, runGraph: RunGraph): Refiner {
  if (order.kind === 'v0') return createScorerRefiner();
  const { name, model, knowledge } = order;
  const vocabulary = new Vocabulary(knowledge.vocabulary);
  return createLiteRefiner(name, { ...knowledge, vocabulary }, async (feeds) => {
    try {
      return await runGraph(model, feeds);
    } catch (error) {
      throw refusedRun(new WorkerRefusal(error instanceof Error ? error.message : String(error)));
    }
  });
}
