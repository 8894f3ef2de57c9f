import type { ParameterSet } from './adamw.js';
import { drawnBatches, drawnExample, type EpochParts, meanLosses } from './epoch.js';
import {
  rethinkTarget,
  scoreTarget,
  scoreWeight,
  type TrainingExample,
  thinkTarget,
  toolOverlap,
} from './example.js';
import { evaluateGroup, sampleActions } from './group.js';
import type { Learner } from './learner.js';
import { type Lesson, type LossValues, lossValues, type PolicyReading } from './policy-graphs.js';
import { RIGHT_IOU, reward } from './reward.js';
import type { TrainingSettings } from './settings.js';

/** What the samples of one epoch came to; shares are of all samples. */
export interface SamplingStatistics {
  readonly meanReward: number;
  /** Samples that are right where the tool is wrong. */
  readonly corrections: number;
  /** Samples that are right where the tool is right. */
  readonly confirmations: number;
  /** Share of groups whose rewards differ. */
  readonly teachingGroups: number;
}

export interface GrpoEpoch {
  readonly losses: LossValues;
  readonly sampling: SamplingStatistics;
}

/**
 * One epoch of group relative policy optimisation: for each query a group of answers is sampled from the current policy, and
 * what is better than the mean of its group becomes likelier. The network itself is without noise, so that probabilities are
 * what was sampled from.
 * @see Shao et al. 2024, arXiv 2402.03300; VG-Refiner, arXiv 2512.06373
 */
export async function grpoEpoch(
  { graphs, learner, queries, settings, schedule }: EpochParts,
  reference: ParameterSet,
): Promise<GrpoEpoch> {
  const weights = lossValues((part) => {
    if (part === 'policy') return 1;
    if (part === 'kl') return settings.kl;
    if (part === 'think') return settings.thinkWeight;
    if (part === 'rethink') return settings.supervisedWeight;
    return part === 'score' ? settings.scoreWeight : 0;
  });
  const passes: LossValues[] = [];
  const tally = { reward: 0, corrections: 0, confirmations: 0, teaching: 0 };
  for (const batch of drawnBatches(queries, settings.batch, learner.random)) {
    const examples = batch.map((query) => drawnExample(query, settings, learner.random));
    const [readings, frozen] = await Promise.all([
      graphs.read(learner.values, examples),
      graphs.read(reference, examples),
    ]);
    const lessons = examples.map((example, i) =>
      sampledLesson(example, readings[i]!, frozen[i]!.rethink, {
        batch: batch.length,
        settings,
        learner,
        tally,
      }),
    );
    for (let inner = 0; inner < settings.innerSteps; inner++) {
      const pass = await graphs.gradient(learner.values, lessons, weights);
      learner.learn(pass, schedule);
      passes.push(pass.parts);
    }
  }
  return {
    losses: meanLosses(passes),
    sampling: {
      meanReward: tally.reward / queries.length,
      corrections: tally.corrections / queries.length,
      confirmations: tally.confirmations / queries.length,
      teachingGroups: tally.teaching / queries.length,
    },
  };
}

interface Sampling {
  readonly batch: number;
  readonly settings: TrainingSettings;
  readonly learner: Learner;
  readonly tally: { reward: number; corrections: number; confirmations: number; teaching: number };
}

function sampledLesson(
  example: TrainingExample,
  reading: PolicyReading,
  reference: Float32Array,
  { batch, settings, learner, tally }: Sampling,
): Lesson {
  const tool = toolOverlap(example);
  const rewards = example.overlaps.map((answer) => reward(settings.reward, { tool, answer }));
  const actions = sampleActions(reading.rethink, settings.groupSize, learner.random);
  const group = evaluateGroup(settings.advantage, actions, rewards);
  const right = group.shares.reduce(
    (sum, each, action) => (example.overlaps[action]! < RIGHT_IOU ? sum : sum + each),
    0,
  );
  tally.reward += group.meanReward;
  tally[tool < RIGHT_IOU ? 'corrections' : 'confirmations'] += right;
  tally.teaching += group.teaches ? 1 : 0;
  const held = settings.targetSharing === 'held' ? reading : undefined;
  const share = (values: Float32Array) => values.map((value) => value / batch);
  const none = new Float32Array(example.overlaps.length);
  return {
    example,
    targets: {
      think: share(thinkTarget(example, settings.targetSoftness, held?.think)),
      rethink: share(rethinkTarget(example, settings.targetSoftness, held?.rethink)),
      scoreTarget: scoreTarget(example),
      scoreWeight: share(scoreWeight(example, reading.rethink.map(Math.exp))),
      sampled: group.teaches ? share(group.shares) : none,
      advantage: group.advantages,
      old: reading.rethink,
      reference,
    },
  };
}
