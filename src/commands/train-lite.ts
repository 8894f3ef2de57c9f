import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { VgrCommand } from '../cli/base-command.js';
import { imageFolderArgs, inferenceFlags, inputFlags, number } from '../cli/flags.js';

const TRAINING = 'TRAINING';

export default class TrainLite extends VgrCommand<typeof TrainLite> {
  static override summary = 'Trains the lite refiner on queries with ground truth.';
  static override description =
    `Maximises the expected refinement reward: 1 for correcting the tool, 0.5 for confirming it, 0 for a wrong answer; close to where it starts. DIR holds refiner.json and card.json for \`vgr refine --refiner DIR\`, and curve.jsonl. Ends with a table of the held-out lines: the tool, the start, the fitted refiner.
Detections and cues are computed once and kept on disk; the same command after an interruption reads them there and gives the same bytes. Lines with \`"boxes": []\` teach that nothing fits; so does --annotations.`;
  static override examples = [
    '<%= config.bin %> train-lite ./images --queries train.jsonl --val dev.jsonl --output my-refiner',
    '<%= config.bin %> train-lite ./images --queries train.jsonl --annotations instances.json --output my-refiner',
    '<%= config.bin %> train-lite --queries a.jsonl --queries b.jsonl --tool qwen --output arbiter',
  ];
  static override strict = false;
  static override args = imageFolderArgs;
  static override flags = {
    queries: Flags.string({
      summary:
        'JSONL file of expressions with ground truth in `bbox` or `boxes`; may be given several times',
      env: 'VGR_QUERIES',
      multiple: true,
      multipleNonGreedy: true,
      required: true,
      helpGroup: 'INPUT',
    }),
    val: Flags.string({
      summary: 'the same of other photos, to be tried on; may be given several times',
      env: 'VGR_VAL',
      multiple: true,
      multipleNonGreedy: true,
      helpGroup: 'INPUT',
    }),
    'val-share': Flags.custom<number>({
      summary:
        'share of blocks of neighbouring lines that is held out where there is no --val, 0 to 0.5',
      env: 'VGR_VAL_SHARE',
      default: 0.2,
      parse: number(0, 0.5),
      helpGroup: 'INPUT',
    })(),
    annotations: Flags.string({
      summary:
        'COCO file that annotates photos of the lines in full: expressions for what they do not hold, and for all of a kind, are made of it',
      env: 'VGR_ANNOTATIONS',
      helpGroup: 'INPUT',
    }),
    output: Flags.string({
      char: 'o',
      summary: 'folder for the refiner',
      env: 'VGR_OUTPUT',
      required: true,
      helpGroup: 'OUTPUT',
    }),
    name: Flags.string({
      summary: "the refiner's name",
      env: 'VGR_NAME',
      default: 'my-refiner',
      helpGroup: 'OUTPUT',
    }),
    json: Flags.boolean({
      summary: 'print the card as one JSON document',
      env: 'VGR_JSON',
      default: false,
      helpGroup: 'OUTPUT',
    }),
    cache: Flags.string({
      summary: 'folder for detections and cues [default: the cache folder of the system]',
      env: 'VGR_TRAINING_CACHE',
      helpGroup: 'OUTPUT',
    }),
    tool: Flags.string({
      summary:
        "whose answer counts as the tool's [default: the first of a line's `tools`, else the detector]",
      env: 'VGR_TOOL',
      helpGroup: 'MODELS',
    }),
    init: Flags.string({
      summary:
        'what to start from: a refiner by name or folder, `lite`, or `none` for the prior weights',
      env: 'VGR_INIT',
      default: 'lite',
      helpGroup: TRAINING,
    }),
    encoder: Flags.string({
      summary: 'also learn from how crops match the words, by an image-text encoder by name',
      env: 'VGR_ENCODER',
      helpGroup: TRAINING,
    }),
    'tool-columns': Flags.boolean({
      summary: 'learn how far each tool of the lines can be relied on, by its name',
      env: 'VGR_TOOL_COLUMNS',
      default: true,
      allowNo: true,
      helpGroup: TRAINING,
    }),
    algorithm: Flags.string({
      summary:
        'exact: the expected reward over all answers; grpo: sampled groups, normalised advantages and clipping, for comparison',
      env: 'VGR_ALGORITHM',
      options: ['exact', 'grpo'],
      default: 'exact',
      helpGroup: TRAINING,
    }),
    epochs: Flags.integer({
      summary: 'passes over all lines',
      env: 'VGR_EPOCHS',
      default: 100,
      min: 0,
      helpGroup: TRAINING,
    }),
    lr: Flags.custom<number>({
      summary: 'learning rate',
      env: 'VGR_LR',
      default: 0.05,
      parse: number(0),
      helpGroup: TRAINING,
    })(),
    kl: Flags.custom<number>({
      summary: 'factor of the divergence from the start',
      env: 'VGR_KL',
      default: 0.01,
      parse: number(0),
      helpGroup: TRAINING,
    })(),
    'supervised-weight': Flags.custom<number>({
      summary: 'factor of the log-likelihood of right boxes beside the reward; not part of GRPO',
      env: 'VGR_SUPERVISED_WEIGHT',
      default: 1,
      parse: number(0),
      helpGroup: TRAINING,
    })(),
    prior: Flags.custom<number>({
      summary: 'how many lines the start counts for',
      env: 'VGR_PRIOR',
      default: 100,
      parse: number(0),
      helpGroup: TRAINING,
    })(),
    'group-size': Flags.integer({
      summary: 'answers sampled for each query by GRPO',
      env: 'VGR_GROUP_SIZE',
      default: 8,
      min: 2,
      max: 1024,
      helpGroup: TRAINING,
    }),
    seed: Flags.integer({
      summary: 'seed of all that is random',
      env: 'VGR_SEED',
      default: 1,
      min: 0,
      helpGroup: TRAINING,
    }),
    ...inferenceFlags,
    'max-pixels': inputFlags['max-pixels'],
    'allow-outside': inputFlags['allow-outside'],
  };

  protected override async work(): Promise<number> {
    const { trainCommand } = await import('../train/train.js');
    return trainCommand({
      images: this.positional,
      flags: this.flags,
      terminal: this.terminal,
      cacheFolder: join(this.config.cacheDir, 'training'),
      commandLine: commandLine(this.argv),
    });
  }
}

/** Flags that decide nothing that is learned; their values differ from one machine to the next. */
const PLACES = /^--(?:output|cache)(?:=|$)|^-o$/;

/** The command as a card tells it, with `DIR` for places. */
function commandLine(argv: readonly string[]): string {
  const words = argv.map((word, at) => {
    if (PLACES.test(argv[at - 1] ?? '') && !argv[at - 1]!.includes('=')) return 'DIR';
    return PLACES.test(word) ? word.replace(/=.*$/, '=DIR') : word;
  });
  return ['vgr', 'train-lite', ...words].join(' ');
}
