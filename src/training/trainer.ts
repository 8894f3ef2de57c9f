import type { PolicySettings } from '../refinement/policy-inputs.js';
import type { Parameter } from '../tensor/expression.js';
import type { ParameterSet } from './adamw.js';
import { wordBucket } from './bucket.js';
import { distillationEpoch } from './distillation.js';
import { checkOverlaps, type TrainingExample, type TrainingQuery } from './example.js';
import { grpoEpoch, type SamplingStatistics } from './grpo.js';
import { freshLearner, Learner, type LearnerState } from './learner.js';
import { copyValues, startValues } from './parameter-values.js';
import { type LossValues, PolicyGraphs } from './policy-graphs.js';
import { RandomStream } from './random.js';
import { learningRate, type Schedule } from './schedule.js';
import type { TrainingRuntime } from './session.js';
import type { PhaseSettings, TrainingSettings } from './settings.js';
import { policyParameters } from './training-graph.js';
import { type Choose, likeliest, type Validation, validate } from './validation.js';
import { warmStartEpoch } from './warm-start.js';

/** Learned from the ground truth: the warm start, then GRPO. Learned from other networks: distillation. */
export type Phase = 'warm-start' | 'grpo' | 'distillation';

/** Everything that training needs to go on, at the end of an epoch. */
export interface TrainingState {
  readonly phase: Phase;
  /** Epochs of the phase that are done. */
  readonly epoch: number;
  readonly learner: LearnerState;
  /** Values that the phase started from; GRPO is held close to them. */
  readonly reference: ParameterSet;
  readonly best: BestValues;
  /** Epochs of the phase since the best. */
  readonly stale: number;
}

/** The values with the best validation so far; in distillation the last. */
export interface BestValues {
  readonly values: ParameterSet;
  /** Absent before the first validation. */
  readonly score?: number;
  readonly phase: Phase;
  readonly epoch: number;
}

export interface TrainingSetup {
  readonly policy: PolicySettings;
  readonly settings: TrainingSettings;
  readonly queries: readonly TrainingQuery[];
  /** Queries of other photos, unmirrored. With none, the last values count as the best. */
  readonly validation: readonly TrainingExample[];
  readonly runtime: TrainingRuntime;
  /** Networks of the same sizes; needed for distillation. */
  readonly teachers?: readonly ParameterSet[];
  /** How an answer is picked in validation. */
  readonly choose?: Choose;
  /** What is best: more is better. */
  readonly rate?: (validation: Validation) => number;
}

/** The end of one epoch. */
export interface EpochReport {
  readonly phase: Phase;
  /** From 1, of the phase. */
  readonly epoch: number;
  /** Steps of the phase so far. */
  readonly step: number;
  readonly learningRate: number;
  readonly losses: LossValues;
  /** Only in GRPO. */
  readonly sampling?: SamplingStatistics;
  /** Absent without validation queries. */
  readonly validation?: Validation;
  /** Whether this epoch's values are the best so far. */
  readonly improved: boolean;
  readonly state: TrainingState;
}

/** Accuracy, and among equals the mean overlap. */
function accuracyFirst({ accuracy, meanOverlap }: Validation): number {
  return accuracy + 1e-3 * meanOverlap;
}

/** The state before the first epoch of a phase: values drawn from the seed, or those of an earlier training. */
export function startState(
  parameters: readonly Parameter[],
  seed: number,
  initial?: ParameterSet,
  phase: Phase = 'warm-start',
): TrainingState {
  const random = RandomStream.fromSeed(seed);
  const values = initial === undefined ? startValues(parameters, random) : copyValues(initial);
  return {
    phase,
    epoch: 0,
    learner: freshLearner(values, random.state),
    reference: values,
    best: { values, phase, epoch: 0 },
    stale: 0,
  };
}

/**
 * Trains from a state to the end: the warm start, then GRPO from its best values; or distillation alone. Reports after each epoch with a
 * state that training can go on from; the same setup and state give the same reports, however often it is interrupted.
 * @throws {DivergenceError} when a loss is no number; the last report's state is the last good one
 * @throws {RangeError} when an example does not fit the policy
 */
export async function* train(
  setup: TrainingSetup,
  from: TrainingState,
): AsyncGenerator<EpochReport, TrainingState> {
  const run = new TrainingRun(setup);
  let state = from;
  for (let phase = run.unfinished(state); phase !== undefined; phase = run.unfinished(state)) {
    if (phase !== state.phase) state = enterGrpo(state);
    const report = await run.epoch(state);
    state = report.state;
    yield report;
  }
  return state;
}

function enterGrpo({ best, learner }: TrainingState): TrainingState {
  return {
    phase: 'grpo',
    epoch: 0,
    learner: freshLearner(best.values, learner.random),
    reference: best.values,
    best,
    stale: 0,
  };
}

/** Under which name the settings of a phase stand. */
const SETTINGS = {
  'warm-start': 'warmStart',
  grpo: 'grpo',
  distillation: 'distillation',
} as const satisfies Readonly<Record<Phase, keyof TrainingSettings>>;

interface EpochOutcome {
  readonly losses: LossValues;
  readonly sampling?: SamplingStatistics;
}

class TrainingRun {
  readonly #setup: TrainingSetup;
  readonly #graphs: PolicyGraphs;

  constructor(setup: TrainingSetup) {
    const examples = [...setup.queries.flatMap(({ views }) => views), ...setup.validation];
    for (const example of examples) checkOverlaps(example);
    this.#setup = setup;
    this.#graphs = new PolicyGraphs(setup.runtime, {
      settings: setup.policy,
      parameters: policyParameters(setup.policy),
      clipRange: setup.settings.clipRange,
      microBatch: setup.settings.microBatch,
      words: wordBucket(examples),
    });
  }

  /** The phase of the next epoch; undefined at the end. */
  unfinished(state: TrainingState): Phase | undefined {
    const { settings } = this.#setup;
    const patient = settings.patience === 0 || state.stale < settings.patience;
    const left = (phase: PhaseSettings) => state.epoch < phase.epochs && patient;
    if (state.phase !== 'warm-start')
      return left(settings[SETTINGS[state.phase]]) ? state.phase : undefined;
    if (left(settings.warmStart)) return 'warm-start';
    return settings.grpo.epochs > 0 ? 'grpo' : undefined;
  }

  async epoch(before: TrainingState): Promise<EpochReport> {
    const learner = new Learner(before.learner, this.#setup.settings);
    const schedule = this.#schedule(before.phase);
    const outcome = await this.#learn(before, learner, schedule);
    return this.#report(before, learner, schedule, outcome);
  }

  #learn(
    { phase, reference }: TrainingState,
    learner: Learner,
    schedule: Schedule,
  ): Promise<EpochOutcome> {
    const { policy, queries, settings, teachers = [] } = this.#setup;
    const parts = { graphs: this.#graphs, learner, queries, settings, schedule };
    switch (phase) {
      case 'warm-start':
        return warmStartEpoch(parts, policy.width);
      case 'grpo':
        return grpoEpoch(parts, reference);
      case 'distillation':
        return distillationEpoch(parts, teachers);
    }
  }

  #schedule(phase: Phase): Schedule {
    const { queries, settings } = this.#setup;
    const { epochs, learningRate: rate, schedule } = settings[SETTINGS[phase]];
    const inner = phase === 'grpo' ? settings.innerSteps : 1;
    const steps = Math.ceil(queries.length / settings.batch) * inner;
    return { kind: schedule, rate, rampSteps: steps, totalSteps: steps * epochs };
  }

  async #report(
    before: TrainingState,
    learner: Learner,
    schedule: Schedule,
    outcome: EpochOutcome,
  ): Promise<EpochReport> {
    const { validation: examples, choose = likeliest, rate = accuracyFirst } = this.#setup;
    const { phase } = before;
    const epoch = before.epoch + 1;
    const after = learner.state;
    const validation =
      examples.length === 0
        ? undefined
        : await validate(this.#graphs, after.average, examples, choose);
    const score = validation === undefined ? undefined : rate(validation);
    // A student is to answer as its teachers do, and comes nearer with every epoch: its last values count.
    const improved =
      phase === 'distillation' || score === undefined || score > (before.best.score ?? -Infinity);
    return {
      phase,
      epoch,
      step: after.step,
      learningRate: learningRate(schedule, after.step),
      ...outcome,
      ...(validation && { validation }),
      improved,
      state: {
        phase,
        epoch,
        learner: after,
        reference: before.reference,
        best: improved
          ? { values: after.average, ...(score !== undefined && { score }), phase, epoch }
          : before.best,
        stale: improved ? 0 : before.stale + 1,
      },
    };
  }
}
