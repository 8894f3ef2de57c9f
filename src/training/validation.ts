import type { ParameterSet } from './adamw.js';
import { type TrainingExample, toolOverlap } from './example.js';
import type { PolicyGraphs, PolicyReading } from './policy-graphs.js';
import { RIGHT_IOU } from './reward.js';

/** Picks an action, [n + 2], for an example. */
export type Choose = (example: TrainingExample, reading: PolicyReading) => number;

/** Rates over the validation queries, 0..1; null where they are over nothing. */
interface ValidationMetrics {
  readonly accuracy: number;
  readonly toolAccuracy: number;
  readonly thinkAccuracy: number;
  readonly meanOverlap: number;
  readonly toolMeanOverlap: number;
  /** Critical correction rate: of the queries that the tool has wrong, the share that is answered right. */
  readonly corrected: number | null;
  /** Of the queries that the tool has right, the share that is answered wrong. */
  readonly lost: number | null;
}

export interface Validation extends ValidationMetrics {
  /** The action taken for each query, in their order. */
  readonly actions: Int32Array;
  readonly readings: readonly PolicyReading[];
}

/** The likeliest action; the first of equals. */
export const likeliest: Choose = (_, { rethink }) => rethink.indexOf(Math.max(...rethink));

/** Answers every example and counts. Right means an overlap above 0.5, as in evaluation. */
export async function validate(
  graphs: PolicyGraphs,
  values: ParameterSet,
  examples: readonly TrainingExample[],
  choose: Choose = likeliest,
): Promise<Validation> {
  const readings = await graphs.read(values, examples);
  const actions = Int32Array.from(examples, (each, i) => choose(each, readings[i]!));
  const outcomes = examples.map((example, i) => ({
    tool: toolOverlap(example),
    answer: example.overlaps[actions[i]!]!,
    think: thinkOverlap(example, readings[i]!),
  }));
  const right = (overlap: number) => overlap > RIGHT_IOU;
  const toolRight = outcomes.filter(({ tool }) => right(tool));
  const toolWrong = outcomes.filter(({ tool }) => !right(tool));
  return {
    accuracy: share(outcomes, ({ answer }) => right(answer)) ?? 0,
    toolAccuracy: share(outcomes, ({ tool }) => right(tool)) ?? 0,
    thinkAccuracy: share(outcomes, ({ think }) => right(think)) ?? 0,
    meanOverlap: mean(outcomes.map(({ answer }) => answer)),
    toolMeanOverlap: mean(outcomes.map(({ tool }) => tool)),
    corrected: share(toolWrong, ({ answer }) => right(answer)),
    lost: share(toolRight, ({ answer }) => !right(answer)),
    actions,
    readings,
  };
}

/** Overlap of think's likeliest choice; its last choice is none, which rethink lists last as well. */
function thinkOverlap(example: TrainingExample, { think }: PolicyReading): number {
  const choice = think.indexOf(Math.max(...think));
  return example.overlaps[choice === think.length - 1 ? example.overlaps.length - 1 : choice]!;
}

function share<T>(items: readonly T[], holds: (item: T) => boolean): number | null {
  return items.length === 0 ? null : items.filter(holds).length / items.length;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
