import type { NamedTensors, Tensor } from '../detection/tensor.js';
import {
  candidateCount,
  type PaddedSizes,
  type PolicyExample,
  packActions,
  packPolicyBatch,
  unpackActions,
} from '../refinement/policy-batch.js';
import type { PolicySettings } from '../refinement/policy-inputs.js';
import type { Parameter } from '../tensor/expression.js';
import type { ParameterSet } from './adamw.js';
import { type MicroBatch, microBatches } from './bucket.js';
import { LOSS_PARTS, type LossPart } from './losses.js';
import type { TrainingRuntime, TrainingSession } from './session.js';
import {
  DROPOUT_PREFIX,
  DROPOUT_SITES,
  GRADIENT_PREFIX,
  writeActorGraph,
  writeTrainingGraph,
} from './training-graph.js';

/** What the policy says of one example: log-probabilities [n + 1] and [n + 2], log-odds of being right [n + 2]. */
export interface PolicyReading {
  readonly think: Float32Array;
  readonly rethink: Float32Array;
  readonly score: Float32Array;
}

/** What the losses compare one example with; the meaning of each is that of the loss input of the same name. */
export interface ExampleTargets {
  /** [n + 1] */
  readonly think: Float32Array;
  /** [n + 2], as all that follow. */
  readonly rethink: Float32Array;
  readonly scoreTarget: Float32Array;
  readonly scoreWeight: Float32Array;
  readonly sampled: Float32Array;
  readonly advantage: Float32Array;
  readonly old: Float32Array;
  readonly reference: Float32Array;
}

export type LossValues = Record<LossPart, number>;

/** An example with its targets and the channels that dropout leaves on, [width] a site; absent where all are on. */
export interface Lesson {
  readonly example: PolicyExample;
  readonly targets: ExampleTargets;
  readonly dropout?: readonly Float32Array[];
}

export interface GradientPass {
  /** Weighted sum of the parts. */
  readonly loss: number;
  readonly parts: LossValues;
  readonly gradients: Map<string, Float32Array>;
}

export interface GraphsOptions {
  readonly settings: PolicySettings;
  readonly parameters: readonly Parameter[];
  readonly clipRange: number;
  /** Examples that go through a graph in one run. */
  readonly microBatch: number;
  /** Words that every example fits into. */
  readonly words: number;
}

/** The graphs of one policy on one runtime, each opened when it is first needed. */
export class PolicyGraphs {
  readonly #runtime: TrainingRuntime;
  readonly #options: GraphsOptions;
  readonly #sessions = new Map<string, Promise<TrainingSession>>();

  constructor(runtime: TrainingRuntime, options: GraphsOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /** What the policy with these values says of each example. */
  async read(
    values: ParameterSet,
    examples: readonly PolicyExample[],
  ): Promise<readonly PolicyReading[]> {
    const parameters = this.#parameterTensors(values);
    const readings: PolicyReading[] = [];
    const runs = this.#cut(examples).map(async ({ members, sizes }) => {
      const batch = members.map((place) => examples[place]!);
      const session = await this.#open('actor', () => writeActorGraph(this.#options.settings));
      const feeds = packPolicyBatch(this.#options.settings, batch, sizes);
      const outputs = await session.step({ ...parameters, ...feeds });
      for (const [row, place] of members.entries()) {
        const n = candidateCount(examples[place]!);
        readings[place] = {
          think: unpackActions(outputs.think!, row, n, 1),
          rethink: unpackActions(outputs.rethink!, row, n),
          score: unpackActions(outputs.score!, row, n),
        };
      }
    });
    await Promise.all(runs);
    return readings;
  }

  /** Losses and gradients of a batch: micro-batches run side by side and are summed in a fixed order. */
  async gradient(
    values: ParameterSet,
    lessons: readonly Lesson[],
    weights: Readonly<LossValues>,
  ): Promise<GradientPass> {
    const parameters = this.#parameterTensors(values);
    const weightTensors = Object.fromEntries(
      LOSS_PARTS.map((part) => [`weight_${part}`, scalarTensor(weights[part])]),
    );
    const runs = this.#cut(lessons.map(({ example }) => example)).map(
      async ({ members, sizes }) => {
        const batch = members.map((place) => lessons[place]!);
        const session = await this.#openTraining(sizes);
        return session.step({ ...parameters, ...weightTensors, ...this.#feeds(batch, sizes) });
      },
    );
    return this.#summed(await Promise.all(runs));
  }

  #cut(examples: readonly PolicyExample[]): readonly MicroBatch[] {
    return microBatches(examples, this.#options.microBatch, this.#options.words);
  }

  #open(name: string, write: () => Uint8Array): Promise<TrainingSession> {
    const known = this.#sessions.get(name);
    if (known !== undefined) return known;
    const opened = this.#runtime.open(name, write());
    this.#sessions.set(name, opened);
    return opened;
  }

  #openTraining(sizes: PaddedSizes): Promise<TrainingSession> {
    const { settings, clipRange } = this.#options;
    const name = `training-${sizes.batch}x${sizes.candidates}x${sizes.words}`;
    return this.#open(name, () => writeTrainingGraph(settings, sizes, clipRange));
  }

  #feeds(batch: readonly Lesson[], sizes: PaddedSizes): NamedTensors {
    const { settings } = this.#options;
    const actions = (read: (targets: ExampleTargets) => Float32Array, extra?: number) =>
      packActions(
        batch.map(({ targets }) => read(targets)),
        sizes,
        extra,
      );
    const dropouts = DROPOUT_SITES.map((site, index) => {
      const dims = [sizes.batch, 1, settings.width];
      const data = new Float32Array(sizes.batch * settings.width).fill(1);
      for (const [row, { dropout }] of batch.entries()) {
        if (dropout !== undefined) data.set(dropout[index]!, row * settings.width);
      }
      return [`${DROPOUT_PREFIX}${site}`, { type: 'float32', data, dims } as const] as const;
    });
    return {
      ...packPolicyBatch(
        settings,
        batch.map(({ example }) => example),
        sizes,
      ),
      ...Object.fromEntries(dropouts),
      think_target: actions((targets) => targets.think, 1),
      rethink_target: actions((targets) => targets.rethink),
      score_target: actions((targets) => targets.scoreTarget),
      score_weight: actions((targets) => targets.scoreWeight),
      sampled: actions((targets) => targets.sampled),
      advantage: actions((targets) => targets.advantage),
      old_log_probabilities: actions((targets) => targets.old),
      reference_log_probabilities: actions((targets) => targets.reference),
    };
  }

  #parameterTensors(values: ParameterSet): NamedTensors {
    return Object.fromEntries(
      this.#options.parameters.map(({ attributes: { name }, shape }) => {
        const data = values.get(name);
        if (data === undefined) throw new Error(`parameter \`${name}\` has no values`);
        return [name, { type: 'float32', data, dims: shape }];
      }),
    );
  }

  #summed(outputs: readonly NamedTensors[]): GradientPass {
    const total = (name: string) =>
      outputs.reduce((sum, each) => sum + (each[name]!.data as Float32Array)[0]!, 0);
    const gradients = this.#options.parameters.map(({ attributes: { name } }) => {
      const [first, ...others] = outputs.map(
        (each) => each[`${GRADIENT_PREFIX}${name}`]!.data as Float32Array,
      );
      const sum = first!.slice();
      for (const other of others) addInto(sum, other);
      return [name, sum] as const;
    });
    return {
      loss: total('loss'),
      parts: lossValues((part) => total(`loss_${part}`)),
      gradients: new Map(gradients),
    };
  }
}

/** One number for each part of the loss. */
export function lossValues(of: (part: LossPart) => number): LossValues {
  return {
    think: of('think'),
    rethink: of('rethink'),
    score: of('score'),
    policy: of('policy'),
    kl: of('kl'),
  };
}

function addInto(sum: Float32Array, other: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += other[i]!;
}

function scalarTensor(value: number): Tensor {
  return { type: 'float32', data: Float32Array.of(value), dims: [] };
}
