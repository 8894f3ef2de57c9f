import type { NamedTensors } from '../detection/tensor.js';
import { parseQueryLine } from '../formats/query-line.js';
import { lineJson } from '../formats/result-line.js';
import { type AnswerRun, answerOrError } from '../pipeline/refine-run.js';
import { createLiteRefiner } from '../refinement/lite-refiner.js';
import { Vocabulary } from '../refinement/lite-words.js';
import type { Refiner } from '../refinement/refiner.js';
import { createScorerRefiner } from '../refinement/scorer-refiner.js';
import type { RefineRequest, RefinerOrder } from './messages.js';
import { WorkerRefusal } from './pooled-worker.js';
import { refusedRun } from './refusal.js';

/** Runs a graph of this thread. */
type RunGraph = (model: string, feeds: NamedTensors) => Promise<NamedTensors>;

/** Refiners of this thread by what they were made from. */
const refiners = new Map<string, Refiner>();

/** The lines of the answers as JSON, parallel to the queries. */
export async function answerLines(
  { refiner: order, texts, numbers, toolName, timing }: RefineRequest,
  runGraph: RunGraph,
): Promise<string[]> {
  const refiner = refinerOf(order, runGraph);
  const run: AnswerRun = {
    refine: async (request) => (await refiner.refine([request]))[0]!,
    ...(toolName !== undefined && { toolName }),
    clock: () => performance.now(),
    progress: { refined: 0, refineMs: 0 },
    timing,
  };
  const lines = texts.map(async (text, at) =>
    lineJson(await answerOrError(parseQueryLine(text, numbers[at]!), run)),
  );
  return Promise.all(lines);
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
