/** Learned values by name of the parameter. */
export type ParameterSet = ReadonlyMap<string, Float32Array>;

export interface AdamWSettings {
  /** Share of the running mean of gradients that stays at each step. */
  readonly beta1: number;
  /** The same for the running mean of squared gradients. */
  readonly beta2: number;
  readonly epsilon: number;
  /** Share of a value that one step at learning rate 1 takes away. */
  readonly weightDecay: number;
}

export const ADAMW_DEFAULTS: AdamWSettings = {
  beta1: 0.9,
  beta2: 0.98,
  epsilon: 1e-8,
  weightDecay: 0.05,
};

/** Running means of one optimiser, by name of the parameter. */
export interface AdamWMoments {
  readonly first: ParameterSet;
  readonly second: ParameterSet;
}

/** Moments before the first step. */
export function startMoments(parameters: ParameterSet): AdamWMoments {
  const zeros = () =>
    new Map([...parameters].map(([name, values]) => [name, new Float32Array(values.length)]));
  return { first: zeros(), second: zeros() };
}

export interface AdamWStep {
  /** Counts from 1. */
  readonly step: number;
  readonly learningRate: number;
  /** Multiplied into each gradient, so that clipping needs no pass of its own. */
  readonly gradientScale: number;
  /** Whether a parameter shrinks by weight decay. */
  readonly decays: (name: string) => boolean;
}

/**
 * One step in place, on parameters and moments, with bias correction; the decay acts on the values themselves and not
 * through the moments.
 * @see Loshchilov, Hutter 2019, arXiv 1711.05101, algorithm 2
 * @throws {Error} when a parameter has no gradient of its size
 */
export function adamWStep(
  parameters: ParameterSet,
  gradients: ParameterSet,
  moments: AdamWMoments,
  settings: AdamWSettings,
  at: AdamWStep,
): void {
  const { beta1, beta2, epsilon } = settings;
  const rate = at.learningRate / (1 - beta1 ** at.step);
  const correction = 1 / (1 - beta2 ** at.step);
  for (const [name, values] of parameters) {
    const gradient = gradients.get(name);
    const first = moments.first.get(name);
    const second = moments.second.get(name);
    if (gradient?.length !== values.length || first === undefined || second === undefined) {
      throw new Error(
        `\`${name}\`: expected a gradient of ${values.length}, got ${gradient?.length ?? 'none'}`,
      );
    }
    const kept = at.decays(name) ? 1 - at.learningRate * settings.weightDecay : 1;
    for (let i = 0; i < values.length; i++) {
      const g = gradient[i]! * at.gradientScale;
      const m = beta1 * first[i]! + (1 - beta1) * g;
      const v = beta2 * second[i]! + (1 - beta2) * g * g;
      first[i] = m;
      second[i] = v;
      values[i] = kept * values[i]! - (rate * m) / (Math.sqrt(v * correction) + epsilon);
    }
  }
}
