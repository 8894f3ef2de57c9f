import {
  rethinkTarget,
  scoreTarget,
  scoreWeight,
  type TrainingExample,
  type TrainingQuery,
  thinkTarget,
  withoutWords,
} from './example.js';
import type { Learner } from './learner.js';
import {
  type Lesson,
  type LossValues,
  lossValues,
  type PolicyGraphs,
  type PolicyReading,
} from './policy-graphs.js';
import type { RandomStream } from './random.js';
import type { Schedule } from './schedule.js';
import type { TrainingSettings } from './settings.js';
import { DROPOUT_SITES } from './training-graph.js';

/** One epoch of supervised learning: think and rethink are shown the right choices. Gives the mean loss of each part. */
export async function warmStartEpoch(
  graphs: PolicyGraphs,
  learner: Learner,
  queries: readonly TrainingQuery[],
  width: number,
  settings: TrainingSettings,
  schedule: Schedule,
): Promise<{ readonly losses: LossValues }> {
  const weights = lossValues((part) => {
    if (part === 'rethink') return 1;
    if (part === 'think') return settings.thinkWeight;
    return part === 'score' ? settings.scoreWeight : 0;
  });
  const passes: LossValues[] = [];
  for (const batch of drawnBatches(queries, settings.batch, learner.random)) {
    const examples = batch.map((query) => drawnExample(query, settings, learner.random));
    const readings = await graphs.read(learner.values, examples);
    const lessons = examples.map((example, i) =>
      supervisedLesson(example, readings[i]!, batch.length, width, settings, learner.random),
    );
    const pass = await graphs.gradient(learner.values, lessons, weights);
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

function supervisedLesson(
  example: TrainingExample,
  reading: PolicyReading,
  batch: number,
  width: number,
  settings: TrainingSettings,
  random: RandomStream,
): Lesson {
  const held = settings.targetSharing === 'held' ? reading : undefined;
  const target = rethinkTarget(example, settings.targetSoftness, held?.rethink);
  const share = (values: Float32Array) => values.map((value) => value / batch);
  const none = new Float32Array(example.overlaps.length);
  return {
    example,
    targets: {
      think: share(thinkTarget(example, settings.targetSoftness, held?.think)),
      rethink: share(target),
      scoreTarget: scoreTarget(example),
      scoreWeight: share(scoreWeight(example, target)),
      sampled: none,
      advantage: none,
      old: none,
      reference: none,
    },
    dropout: DROPOUT_SITES.map(() => keptChannels(width, settings.dropout, random)),
  };
}

/** 0 for a channel that is off, else what keeps the mean: 1 / (1 - share). */
function keptChannels(width: number, share: number, random: RandomStream): Float32Array {
  return Float32Array.from({ length: width }, () =>
    random.uniform() < share ? 0 : 1 / (1 - share),
  );
}
