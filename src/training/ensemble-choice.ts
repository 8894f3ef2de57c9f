import { chooseAction, overlapsOfRows, toolPlace } from '../refinement/lite-decision.js';
import { candidateCount } from '../refinement/policy-batch.js';
import { type Calibration, fitCalibration, UNCALIBRATED } from './calibration.js';
import { type TrainingExample, toolOverlap } from './example.js';
import type { PolicyReading } from './policy-graphs.js';
import { RIGHT_IOU } from './reward.js';
import type { Choose } from './validation.js';

/** Picks as the refiner does. What depends on the example alone is computed once. */
export function refinerChoice(margin: number): Choose {
  const known = new WeakMap<TrainingExample, ReturnType<typeof sceneOf>>();
  return (example, { rethink }) => {
    const scene = known.get(example) ?? sceneOf(example);
    known.set(example, scene);
    return chooseAction({ ...scene, probabilities: rethink.map(Math.exp), margin });
  };
}

function sceneOf(example: TrainingExample) {
  return {
    overlaps: overlapsOfRows(example.boxes),
    toolAt: toolPlace(example.tool, candidateCount(example)),
  };
}

/** Readings of several networks as one: means of probabilities, and of log-odds of being right. */
export function meanReading(readings: readonly PolicyReading[]): PolicyReading {
  const mean = (of: (reading: PolicyReading) => Float32Array, number: (value: number) => number) =>
    of(readings[0]!).map(
      (_, at) => readings.reduce((sum, each) => sum + number(of(each)[at]!), 0) / readings.length,
    );
  return {
    think: mean(({ think }) => think, Math.exp).map(Math.log),
    rethink: mean(({ rethink }) => rethink, Math.exp).map(Math.log),
    score: mean(
      ({ score }) => score,
      (value) => value,
    ),
  };
}

/** Margins that are tried, smallest first. */
const MARGINS = [1, 1.05, 1.1, 1.25, 1.5, 2, 3, 5];
/** Of the queries that the tool has right, at most this share may be answered wrong, if any margin keeps to it. */
export const MOST_LOST = 0.035;

export interface MarginChoice {
  readonly margin: number;
  readonly actions: Int32Array;
}

/**
 * The margin under which most queries are answered right, among those under which the tool loses little: a good tool must
 * not get worse for the sake of a mean. The larger of equals. Without queries, 1.05.
 */
export function chooseMargin(
  examples: readonly TrainingExample[],
  readings: readonly PolicyReading[],
): MarginChoice {
  const tried = MARGINS.map((margin) => {
    const choose = refinerChoice(margin);
    const actions = Int32Array.from(examples, (each, i) => choose(each, readings[i]!));
    const right = (i: number) => examples[i]!.overlaps[actions[i]!]! > RIGHT_IOU;
    const toolRight = examples.map((each) => toolOverlap(each) > RIGHT_IOU);
    const ofTool = toolRight.filter(Boolean).length;
    const lost = toolRight.filter((held, i) => held && !right(i)).length;
    return {
      margin,
      actions,
      correct: examples.filter((_, i) => right(i)).length,
      lost: ofTool === 0 ? 0 : lost / ofTool,
    };
  });
  const least = Math.min(...tried.map(({ lost }) => lost));
  const allowed = tried.filter(({ lost }) => lost <= Math.max(MOST_LOST, least));
  const best = allowed.reduce((top, each) => (each.correct >= top.correct ? each : top));
  if (examples.length === 0) return { margin: 1.05, actions: new Int32Array(0) };
  return { margin: best.margin, actions: best.actions };
}

/** How to make a probability of the log-odds of the actions that were taken. */
export function calibrationOf(
  examples: readonly TrainingExample[],
  readings: readonly PolicyReading[],
  actions: Int32Array,
): Calibration {
  if (examples.length === 0) return UNCALIBRATED;
  return fitCalibration(
    examples.map((_, i) => readings[i]!.score[actions[i]!]!),
    examples.map((each, i) => each.overlaps[actions[i]!]! > RIGHT_IOU),
  );
}
