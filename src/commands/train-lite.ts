import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { VgrCommand } from '../cli/base-command.js';
import {
  flagGroup,
  forceFlag,
  imageFolderArgs,
  inferenceFlags,
  inputFlags,
  number,
  toolFlag,
} from '../cli/flags.js';

export default class TrainLite extends VgrCommand<typeof TrainLite> {
  static override summary = 'Trains the lite refiner on queries with ground truth.';
  static override description =
    `Maximises the expected refinement reward (1 for correcting the tool, 0.5 for confirming it, 0 for a wrong answer) and stays close to the refiner it starts from. Writes refiner.json, card.json and curve.jsonl into DIR, for \`vgr refine --refiner DIR\`, and prints a table for the held-out lines: the tool, the start, the fitted refiner.
Detections and cues are computed once and kept on disk; after an interruption, the same command continues from them and gives the same bytes. Lines with \`"boxes": []\` say that nothing fits; --annotations adds such lines.`;
  static override examples = [
    '<%= config.bin %> train-lite ./images --queries train.jsonl --val dev.jsonl --output my-refiner',
    '<%= config.bin %> train-lite ./images --queries train.jsonl --annotations instances.json --output my-refiner',
    '<%= config.bin %> train-lite --queries a.jsonl --queries b.jsonl --tool qwen --output arbiter',
  ];
  static override strict = false;
  static override args = imageFolderArgs;
  static override flags = {
    ...flagGroup('INPUT', {
      queries: Flags.string({
        helpValue: 'FILE',
        summary:
          'JSONL file of expressions with ground truth in `bbox` or `boxes`; may be given several times',
        multiple: true,
        multipleNonGreedy: true,
        required: true,
      }),
      val: Flags.string({
        helpValue: 'FILE',
        summary: 'the same with other photos, for validation; may be given several times',
        multiple: true,
        multipleNonGreedy: true,
      }),
      'val-share': Flags.custom<number>({
        helpValue: '0..0.5',
        summary:
          'share of the lines that is held out for validation without --val, 0 to 0.5; neighbouring lines stay together',
        default: 0.2,
        parse: number(0, 0.5),
      })(),
      annotations: Flags.string({
        helpValue: 'FILE',
        summary:
          'COCO file with every object in the photos of the lines; adds expressions for absent objects and for all objects of a kind',
      }),
    }),
    ...forceFlag,
    ...flagGroup('OUTPUT', {
      output: Flags.string({
        helpValue: 'DIR',
        char: 'o',
        summary: 'folder for the refiner',
        required: true,
      }),
      name: Flags.string({
        helpValue: 'NAME',
        summary: "the refiner's name",
        default: 'my-refiner',
        env: 'VGR_REFINER_NAME',
      }),
      json: Flags.boolean({ summary: 'print the card as one JSON document', default: false }),
      cache: Flags.string({
        helpValue: 'DIR',
        summary: 'folder for detections and cues [default: the cache folder of the system]',
        env: 'VGR_TRAINING_CACHE',
      }),
    }),
    ...flagGroup('MODELS', { tool: toolFlag }),
    ...flagGroup('TRAINING', {
      init: Flags.string({
        helpValue: 'NAME',
        summary:
          'what to start from: a refiner by name or folder, `lite`, or `none` for the prior weights',
        default: 'lite',
      }),
      encoder: Flags.string({
        helpValue: 'NAME',
        summary: 'image-text encoder by name: also learn from how well crops match the words',
      }),
      'tool-columns': Flags.boolean({
        summary: 'learn a reliability for each tool of the lines, by its name',
        default: true,
        allowNo: true,
      }),
      algorithm: Flags.option({
        summary:
          'exact: the expected reward over all answers; grpo: sampled groups, normalised advantages and clipping, for comparison',
        options: ['exact', 'grpo'] as const,
        default: 'exact',
      })(),
      epochs: Flags.integer({ summary: 'passes over all lines', default: 100, min: 0 }),
      lr: Flags.custom<number>({ summary: 'learning rate', default: 0.05, parse: number(0) })(),
      kl: Flags.custom<number>({
        summary: 'weight of the divergence from the start',
        default: 0.01,
        parse: number(0),
      })(),
      'supervised-weight': Flags.custom<number>({
        summary:
          'weight of the log-likelihood of right boxes, added to the reward; GRPO ignores it',
        default: 1,
        parse: number(0),
      })(),
      prior: Flags.custom<number>({
        summary: 'how many lines the start counts for',
        default: 100,
        parse: number(0),
      })(),
      'group-size': Flags.integer({
        summary: 'answers sampled for each query by GRPO',
        default: 8,
        min: 2,
        max: 1024,
      }),
      seed: Flags.integer({ summary: 'seed of the random numbers', default: 1, min: 0 }),
    }),
    ...inferenceFlags,
    'max-pixels': inputFlags['max-pixels'],
    'decode-timeout': inputFlags['decode-timeout'],
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

/** The command as a card states it: `DIR` stands for folders that decide nothing and differ from one machine to the next. */
function commandLine(argv: readonly string[]): string {
  const isFolder = /^--(?:output|cache)$|^-o$/;
  const words = argv.map((word, at) =>
    isFolder.test(argv[at - 1] ?? '') ? 'DIR' : word.replace(/^(--(?:output|cache))=.*/s, '$1=DIR'),
  );
  return ['vgr', 'train-lite', ...words].join(' ');
}
