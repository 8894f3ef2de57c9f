import { sigmoid } from '../detection/logistic.js';
import type { ParameterSet } from './adamw.js';
import { meanReading } from './ensemble-choice.js';
import { type EpochParts, shownEpoch } from './epoch.js';
import { scoreWeight, type TrainingExample } from './example.js';
import type { Lesson, LossValues, PolicyReading } from './policy-graphs.js';

/**
 * One epoch in which a network learns to answer as the mean of its teachers does, in place of the ground truth. Teachers and
 * student see the same words, those that are made unknown among them.
 * @see Hinton, Vinyals, Dean 2015, arXiv 1503.02531
 */
export function distillationEpoch(
  parts: EpochParts,
  teachers: readonly ParameterSet[],
): Promise<{ readonly losses: LossValues }> {
  return shownEpoch(parts, async (examples) => {
    const answers = await Promise.all(teachers.map((own) => parts.graphs.read(own, examples)));
    return examples.map((example, i) =>
      taughtLesson(example, meanReading(answers.map((own) => own[i]!)), examples.length),
    );
  });
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
      scoreTarget: teacher.score.map((logOdds) => sigmoid(logOdds)),
      scoreWeight: share(scoreWeight(example, rethink)),
      sampled: none,
      advantage: none,
      old: none,
      reference: none,
    },
  };
}
