import { type TrainingExample, type TrainingQuery, withoutWords } from './example.js';
import type { Learner } from './learner.js';
import { type Lesson, type LossValues, lossValues, type PolicyGraphs } from './policy-graphs.js';
import type { RandomStream } from './random.js';
import type { Schedule } from './schedule.js';
import type { TrainingSettings } from './settings.js';

/** What an epoch learns with. */
export interface EpochParts {
  readonly graphs: PolicyGraphs;
  readonly learner: Learner;
  readonly queries: readonly TrainingQuery[];
  readonly settings: TrainingSettings;
  readonly schedule: Schedule;
}

/**
 * One epoch in which think, rethink and the score are shown what to answer. Gives the mean loss of each part.
 * @param lessonsOf what the examples of a batch teach, each as a share of the batch
 */
export async function shownEpoch(
  { graphs, learner, queries, settings, schedule }: EpochParts,
  lessonsOf: (examples: readonly TrainingExample[]) => Promise<readonly Lesson[]>,
): Promise<{ readonly losses: LossValues }> {
  const weights = lossValues((part) => {
    if (part === 'rethink') return 1;
    if (part === 'think') return settings.thinkWeight;
    return part === 'score' ? settings.scoreWeight : 0;
  });
  const passes: LossValues[] = [];
  for (const batch of drawnBatches(queries, settings.batch, learner.random)) {
    const examples = batch.map((query) => drawnExample(query, settings, learner.random));
    const pass = await graphs.gradient(learner.values, await lessonsOf(examples), weights);
    learner.learn(pass, schedule);
    passes.push(pass.parts);
  }
  return { losses: meanLosses(passes) };
}

/** The queries in a random order, cut into batches; the last may be shorter. */
export function drawnBatches<T>(
  items: readonly T[],
  batch: number,
  random: RandomStream,
): readonly (readonly T[])[] {
  const order = random.shuffled(items);
  return Array.from({ length: Math.ceil(order.length / batch) }, (_, i) =>
    order.slice(i * batch, (i + 1) * batch),
  );
}

/** One view of a query with some words made unknown. */
export function drawnExample(
  { views }: TrainingQuery,
  settings: TrainingSettings,
  random: RandomStream,
): TrainingExample {
  const view = views[random.below(views.length)]!;
  return withoutWords(view, settings.wordDropout, random);
}

/** Mean over steps of each part of the loss. */
export function meanLosses(steps: readonly LossValues[]): LossValues {
  return lossValues(
    (part) => steps.reduce((sum, step) => sum + step[part], 0) / Math.max(1, steps.length),
  );
}
