import { Errors, Flags } from '@oclif/core';
import { TRAINING_DEFAULTS } from '../training/settings.js';
import { LITE_DEFAULTS } from './train-settings.js';

/** A finite number from `least` to `most` as a flag's value. Refused in the words of oclif's own numbers. */
export function number(least: number, most = Number.POSITIVE_INFINITY) {
  return async (text: string): Promise<number> => {
    const value = Number(text);
    const within = Number.isFinite(value) && value >= least && value <= most;
    if (text.trim() !== '' && within) return value;
    const range =
      most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to ${most}`;
    throw new Errors.CLIError(`Expected a number ${range} but received: ${text}`);
  };
}

const group = 'TRAINING';

/** What decides how a refiner is trained. */
export const trainingFlags = {
  epochs: Flags.integer({
    summary: 'epochs of GRPO; 0 leaves it at the warm start',
    env: 'VGR_EPOCHS',
    default: LITE_DEFAULTS.epochs,
    min: 0,
    helpGroup: group,
  }),
  'warm-start-epochs': Flags.integer({
    summary: 'epochs of supervised learning before GRPO',
    env: 'VGR_WARM_START_EPOCHS',
    default: LITE_DEFAULTS.warmStartEpochs,
    min: 0,
    helpGroup: group,
  }),
  'group-size': Flags.integer({
    summary: 'answers sampled for each query',
    env: 'VGR_GROUP_SIZE',
    default: LITE_DEFAULTS.groupSize,
    min: 2,
    max: 1024,
    helpGroup: group,
  }),
  lr: Flags.custom<number>({
    summary: 'learning rate of GRPO',
    env: 'VGR_LR',
    default: LITE_DEFAULTS.lr,
    parse: number(0),
    helpGroup: group,
  })(),
  'warm-start-lr': Flags.custom<number>({
    summary: 'learning rate of the warm start [default: 5e-4 with photos, else 2e-3]',
    env: 'VGR_WARM_START_LR',
    parse: number(0),
    helpGroup: group,
  })(),
  kl: Flags.custom<number>({
    summary: 'factor of the divergence from the frozen start',
    env: 'VGR_KL',
    default: TRAINING_DEFAULTS.kl,
    parse: number(0),
    helpGroup: group,
  })(),
  reward: Flags.string({
    summary: 'refinement: a correction earns most; iou: the overlap alone, for comparison',
    env: 'VGR_REWARD',
    options: ['refinement', 'iou'],
    default: 'refinement',
    helpGroup: group,
  }),
  targets: Flags.string({
    summary:
      'which of several right boxes is taught: overlap: the tightest; held: the one that is held likeliest already [default: held with photos, else overlap]',
    env: 'VGR_TARGETS',
    options: ['overlap', 'held'],
    helpGroup: group,
  }),
  'supervised-weight': Flags.custom<number>({
    summary:
      'factor of the supervised loss beside GRPO; 0 in the paper [default: 0 with photos, else 0.3]',
    env: 'VGR_SUPERVISED_WEIGHT',
    parse: number(0),
    helpGroup: group,
  })(),
  members: Flags.integer({
    summary: 'networks that are trained, and then teach one together',
    env: 'VGR_MEMBERS',
    default: LITE_DEFAULTS.members,
    min: 1,
    max: 16,
    helpGroup: group,
  }),
  'distillation-epochs': Flags.integer({
    summary:
      'epochs in which the members teach; 0: all go into the file, and their mean answers [default: 12 with photos, else 0]',
    env: 'VGR_DISTILLATION_EPOCHS',
    min: 0,
    helpGroup: group,
  }),
  width: Flags.integer({
    summary: "size of a candidate's state, a multiple of 4",
    env: 'VGR_WIDTH',
    default: LITE_DEFAULTS.width,
    min: 4,
    max: 256,
    helpGroup: group,
  }),
  seed: Flags.integer({
    summary: 'seed of all that is random',
    env: 'VGR_SEED',
    default: 1,
    min: 0,
    helpGroup: group,
  }),
  patience: Flags.integer({
    summary: 'epochs without a better validation after which a phase ends; 0: never',
    env: 'VGR_PATIENCE',
    default: 0,
    min: 0,
    helpGroup: group,
  }),
  features: Flags.string({
    summary:
      'also learn from how crops match the words, by an image-text encoder: clip:NAME or siglip:NAME',
    env: 'VGR_FEATURES',
    helpGroup: group,
  }),
  init: Flags.string({
    summary: 'folder of a refiner to continue from',
    env: 'VGR_INIT',
    helpGroup: group,
  }),
};
