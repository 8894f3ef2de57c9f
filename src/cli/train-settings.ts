import { VgrError } from '../formats/fault.js';
import type { LiteSizes } from '../refinement/lite-example.js';
import type { RewardKind } from '../training/reward.js';
import { TRAINING_DEFAULTS, type TrainingSettings } from '../training/settings.js';
import type { InferenceFlags } from './inference-settings.js';

/** Chosen on the validation photos; see docs/train-lite.md. */
export const LITE_DEFAULTS = {
  epochs: 10,
  warmStartEpochs: 4,
  groupSize: 16,
  lr: 1e-3,
  members: 3,
  width: 48,
} as const;

/** The flags of `vgr train-lite` as the parser gives them. */
export interface TrainFlags extends InferenceFlags {
  readonly queries: readonly string[];
  readonly val?: readonly string[] | undefined;
  readonly 'val-share': number;
  readonly output: string;
  readonly tool?: string | undefined;
  readonly cache?: string | undefined;
  readonly name: string;
  readonly epochs: number;
  readonly 'warm-start-epochs': number;
  readonly 'group-size': number;
  readonly lr: number;
  readonly 'warm-start-lr'?: number | undefined;
  readonly kl: number;
  readonly reward: string;
  readonly targets?: string | undefined;
  readonly 'supervised-weight'?: number | undefined;
  readonly members: number;
  readonly 'distillation-epochs'?: number | undefined;
  readonly width: number;
  readonly seed: number;
  readonly patience: number;
  /** `clip:NAME` or `siglip:NAME`. */
  readonly features?: string | undefined;
  readonly init?: string | undefined;
  /** Whether an image folder is given. */
  readonly photos: boolean;
  readonly json: boolean;
  readonly 'no-resume': boolean;
  readonly 'max-pixels': number;
  readonly 'allow-outside': boolean;
  readonly quiet: boolean;
  readonly 'no-progress': boolean;
}

const HEADS = 4;

/** @throws VgrError USAGE */
export function liteSizes({ width }: Pick<TrainFlags, 'width'>): LiteSizes {
  if (width % HEADS !== 0) {
    throw new VgrError('USAGE', `--width: expected a multiple of ${HEADS}, got ${width}`);
  }
  return {
    wordWidth: 16,
    width,
    heads: HEADS,
    hidden: Math.round(width * 1.5),
    thinkLayers: 1,
    rethinkLayers: 1,
  };
}

/**
 * A detector lists many boxes and few of them are right: which of those is tightest is noise to learn. Tools that were asked
 * the expression give a handful, and most are right: then it is the tightest that is worth learning.
 */
function sharing(flags: TrainFlags): Pick<TrainingSettings, 'targetSharing' | 'supervisedWeight'> {
  const targets = flags.targets ?? (flags.photos ? 'held' : 'overlap');
  return {
    targetSharing: targets === 'held' ? 'held' : 'overlap',
    supervisedWeight: flags['supervised-weight'] ?? (flags.photos ? 0 : 0.3),
  };
}

/** A detector's many boxes make three networks dear; with the handful of boxes of tools their mean costs little. */
function distillationEpochs({ 'distillation-epochs': epochs, photos }: TrainFlags): number {
  return epochs ?? (photos ? TRAINING_DEFAULTS.distillation.epochs : 0);
}

/** How one member of the ensemble is trained, or the network that they teach: it comes after the last of them. */
export function memberSettings(flags: TrainFlags, member: number): TrainingSettings {
  return {
    ...TRAINING_DEFAULTS,
    // Members differ in nothing but the seed; primes keep neighbouring seeds' members apart.
    seed: flags.seed + 7919 * member,
    warmStart: {
      ...TRAINING_DEFAULTS.warmStart,
      epochs: flags['warm-start-epochs'],
      learningRate: flags['warm-start-lr'] ?? (flags.photos ? 5e-4 : 2e-3),
    },
    grpo: { ...TRAINING_DEFAULTS.grpo, epochs: flags.epochs, learningRate: flags.lr },
    distillation: { ...TRAINING_DEFAULTS.distillation, epochs: distillationEpochs(flags) },
    groupSize: flags['group-size'],
    kl: flags.kl,
    reward: flags.reward as RewardKind,
    patience: flags.patience,
    ...sharing(flags),
  };
}
