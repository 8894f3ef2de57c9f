import { type EpochParts, shownEpoch } from './epoch.js';
import {
  rethinkTarget,
  scoreTarget,
  scoreWeight,
  type TrainingExample,
  thinkTarget,
} from './example.js';
import type { Lesson, LossValues, PolicyReading } from './policy-graphs.js';
import type { RandomStream } from './random.js';
import type { TrainingSettings } from './settings.js';
import { DROPOUT_SITES } from './training-graph.js';

/** One epoch of supervised learning: think and rethink are shown the right choices. Gives the mean loss of each part. */
export function warmStartEpoch(
  parts: EpochParts,
  width: number,
): Promise<{ readonly losses: LossValues }> {
  const { graphs, learner, settings } = parts;
  return shownEpoch(parts, async (examples) => {
    const readings = await graphs.read(learner.values, examples);
    return examples.map((example, i) =>
      supervisedLesson(example, readings[i]!, examples.length, width, settings, learner.random),
    );
  });
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
