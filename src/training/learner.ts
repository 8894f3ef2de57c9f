import { type AdamWMoments, adamWStep, type ParameterSet, startMoments } from './adamw.js';
import { clipScale, globalNorm } from './gradient-clip.js';
import { copyValues } from './parameter-values.js';
import type { GradientPass } from './policy-graphs.js';
import { type RandomState, RandomStream } from './random.js';
import { learningRate, type Schedule } from './schedule.js';
import type { TrainingSettings } from './settings.js';

/** The loss or its gradient is no number any more. The learner keeps the values from before the step. */
export class DivergenceError extends Error {
  override readonly name = 'DivergenceError';
  /** Step of the phase, from 1. */
  readonly step: number;

  constructor(step: number, loss: number, norm: number) {
    super(`step ${step}: expected a finite loss and gradient, got loss ${loss}, norm ${norm}`);
    this.step = step;
  }
}

/** What a learner holds, in arrays of its own. */
export interface LearnerState {
  readonly values: ParameterSet;
  /** Running mean of the values over the steps. */
  readonly average: ParameterSet;
  readonly moments: AdamWMoments;
  /** Steps of the phase so far. */
  readonly step: number;
  readonly random: RandomState;
}

/** A learner's state before its first step. */
export function freshLearner(values: ParameterSet, random: RandomState): LearnerState {
  return { values, average: values, moments: startMoments(values), step: 0, random };
}

/** Values on their way: the only thing in training that changes in place. */
export class Learner {
  readonly values: ParameterSet;
  readonly random: RandomStream;
  readonly #average: ParameterSet;
  readonly #moments: AdamWMoments;
  readonly #settings: TrainingSettings;
  #step: number;

  constructor(state: LearnerState, settings: TrainingSettings) {
    const own = copyState(state);
    this.values = own.values;
    this.random = RandomStream.fromState(own.random);
    this.#average = own.average;
    this.#moments = own.moments;
    this.#settings = settings;
    this.#step = own.step;
  }

  get state(): LearnerState {
    return copyState({
      values: this.values,
      average: this.#average,
      moments: this.#moments,
      step: this.#step,
      random: this.random.state,
    });
  }

  /**
   * One clipped AdamW step.
   * @throws {DivergenceError} when the loss or the gradient is not finite
   */
  learn(pass: GradientPass, schedule: Schedule): void {
    const norm = globalNorm(pass.gradients);
    const step = this.#step + 1;
    if (!Number.isFinite(pass.loss) || !Number.isFinite(norm)) {
      throw new DivergenceError(step, pass.loss, norm);
    }
    adamWStep(this.values, pass.gradients, this.#moments, this.#settings.adamw, {
      step,
      learningRate: learningRate(schedule, step),
      gradientScale: clipScale(norm, this.#settings.gradientLimit),
      decays: isWeight,
    });
    blend(this.#average, this.values, this.#settings.averaging);
    this.#step = step;
  }
}

/** Matrices shrink; biases, scales, shifts and the embedding, most of whose rows a batch never touches, do not. */
function isWeight(name: string): boolean {
  return name.endsWith('.weight');
}

/**
 * Moves a running mean of values on by one step, in place.
 * @see Polyak, Juditsky 1992, "Acceleration of stochastic approximation by averaging"
 */
function blend(average: ParameterSet, values: ParameterSet, kept: number): void {
  for (const [name, means] of average) {
    const now = values.get(name)!;
    for (let i = 0; i < means.length; i++) means[i] = kept * means[i]! + (1 - kept) * now[i]!;
  }
}

function copyState({ values, average, moments, step, random }: LearnerState): LearnerState {
  return {
    values: copyValues(values),
    average: copyValues(average),
    moments: { first: copyValues(moments.first), second: copyValues(moments.second) },
    step,
    random,
  };
}
