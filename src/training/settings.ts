import { ADAMW_DEFAULTS, type AdamWSettings } from './adamw.js';
import type { AdvantageKind } from './group.js';
import type { RewardKind } from './reward.js';
import type { ScheduleKind } from './schedule.js';

/** How one phase steps. */
export interface PhaseSettings {
  readonly epochs: number;
  readonly learningRate: number;
  readonly schedule: ScheduleKind;
}

/** Everything beside the data and the sizes of the network that decides what is learned. */
export interface TrainingSettings {
  readonly seed: number;
  readonly warmStart: PhaseSettings;
  readonly grpo: PhaseSettings;
  /** Of a network that is taught by others; see `distillationEpoch`. */
  readonly distillation: PhaseSettings;
  /** Queries a step. */
  readonly batch: number;
  /** Queries that go through a graph at once; a batch is cut into these, whatever the number of sessions. */
  readonly microBatch: number;
  /** Answers sampled a query. */
  readonly groupSize: number;
  /** How far the ratio of new to old probability counts, to either side of 1. */
  readonly clipRange: number;
  /** Factor of the divergence from the start of the phase. */
  readonly kl: number;
  /** Steps on one set of samples. */
  readonly innerSteps: number;
  readonly reward: RewardKind;
  readonly advantage: AdvantageKind;
  /** Largest norm of a gradient. */
  readonly gradientLimit: number;
  readonly adamw: AdamWSettings;
  /** Share of the running mean of the values that stays at each step; the mean is what is validated and kept. 0: none. */
  readonly averaging: number;
  /** Share of state channels switched off in the warm start. */
  readonly dropout: number;
  /** Share of words made unknown, in both phases. */
  readonly wordDropout: number;
  /** Difference in overlap that makes one right box e times as good a target as another. */
  readonly targetSoftness: number;
  /** Whether right boxes share the target by overlap alone, or also by how likely the policy holds each: see `rethinkTarget`. */
  readonly targetSharing: 'overlap' | 'held';
  /** Factors of think's cross entropy and of the score's beside what the phase is about. */
  readonly thinkWeight: number;
  readonly scoreWeight: number;
  /** Factor of rethink's cross entropy while GRPO runs; 0 in the paper. */
  readonly supervisedWeight: number;
  /** Epochs of a phase without a better validation after which it ends; 0 never ends it early. */
  readonly patience: number;
}

/** Group size, divergence factor and gradient limit as in VG-Refiner, arXiv 2512.06373. */
export const TRAINING_DEFAULTS: TrainingSettings = {
  seed: 1,
  warmStart: { epochs: 10, learningRate: 1e-3, schedule: 'cosine' },
  grpo: { epochs: 6, learningRate: 3e-4, schedule: 'cosine' },
  distillation: { epochs: 12, learningRate: 2e-3, schedule: 'cosine' },
  batch: 64,
  microBatch: 16,
  groupSize: 8,
  clipRange: 0.2,
  kl: 0.01,
  innerSteps: 1,
  reward: 'refinement',
  advantage: 'normalized',
  gradientLimit: 1,
  adamw: ADAMW_DEFAULTS,
  averaging: 0.98,
  dropout: 0.4,
  wordDropout: 0.4,
  targetSoftness: 0.1,
  targetSharing: 'overlap',
  thinkWeight: 0.5,
  scoreWeight: 0.2,
  supervisedWeight: 0,
  patience: 0,
};
