import type { ParameterSet } from './adamw.js';
import { meanReading } from './ensemble-choice.js';
import { scoreWeight, type TrainingExample, type TrainingQuery } from './example.js';
import type { Learner } from './learner.js';
import {
  type Lesson,
  type LossValues,
  lossValues,
  type PolicyGraphs,
  type PolicyReading,
} from './policy-graphs.js';
import type { Schedule } from './schedule.js';
import type { TrainingSettings } from './settings.js';
import { drawnBatches, drawnExample, meanLosses } from './warm-start.js';

/**
 * One epoch in which a network learns to answer as the mean of its teachers does, in place of the ground truth. Teachers and
 * student see the same words, those that are made unknown among them.
 * @see Hinton, Vinyals, Dean 2015, arXiv 1503.02531
 */
export async function distillationEpoch(
  graphs: PolicyGraphs,
  learner: Learner,
  queries: readonly TrainingQuery[],
  teachers: readonly ParameterSet[],
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
    const answers = await Promise.all(teachers.map((values) => graphs.read(values, examples)));
    const lessons = examples.map((example, i) =>
      taughtLesson(example, meanReading(answers.map((own) => own[i]!)), batch.length),
    );
    const pass = await graphs.gradient(learner.values, lessons, weights);
    learner.learn(pass, schedule);
    passes.push(pass.parts);
  }
  return { losses: meanLosses(passes) };
}

function taughtLesson(example: TrainingExample, teacher: PolicyReading, batch: number): Lesson {
  const share = (values: Float32Array) => values.map((value) => value / batch);
  const rethink = teacher.rethink.map(Math.exp);
  const none = new Float32Array(example.overlaps.length);
  return {
    example,
    targets: {
      think: share(teacher.think.map(Math.exp)),
      rethink: share(rethink),
      scoreTarget: teacher.score.map((logOdds) => 1 / (1 + Math.exp(-logOdds))),
      scoreWeight: share(scoreWeight(example, rethink)),
      sampled: none,
      advantage: none,
      old: none,
      reference: none,
    },
  };
}
