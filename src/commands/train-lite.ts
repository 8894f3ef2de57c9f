import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { VgrCommand } from '../cli/base-command.js';
import { imageFolderArgs, inferenceFlags, inputFlags } from '../cli/flags.js';
import { trainCommand } from '../cli/train-command.js';
import { number, trainingFlags } from '../cli/train-flags.js';

export default class TrainLite extends VgrCommand<typeof TrainLite> {
  static override summary = 'Trains the lite refiner on queries with ground truth.';
  static override description =
    `Supervised warm start, then GRPO with the refinement reward. DIR holds refiner.onnx and card.json for \`vgr refine --refiner DIR\`, curve.svg and curve.jsonl, and checkpoints: a rerun continues where the last one ended, and a finished one does nothing.
Detections and features are computed once and kept on disk.`;
  static override examples = [
    '<%= config.bin %> train-lite ./images --queries train.jsonl --val dev.jsonl --output my-refiner',
    '<%= config.bin %> train-lite --queries a.jsonl --queries b.jsonl --tool qwen --output arbiter',
    '<%= config.bin %> train-lite ./images --queries more.jsonl --init my-refiner --output better',
  ];
  static override strict = false;
  static override args = imageFolderArgs;
  static override flags = {
    queries: Flags.string({
      summary: 'JSONL file of expressions with ground truth in `bbox`; may be given several times',
      env: 'VGR_QUERIES',
      multiple: true,
      multipleNonGreedy: true,
      required: true,
      helpGroup: 'INPUT',
    }),
    val: Flags.string({
      summary:
        'the same of other photos, by which the best epoch is chosen; may be given several times',
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
      default: 'lite-refiner',
      helpGroup: 'OUTPUT',
    }),
    'no-resume': Flags.boolean({
      summary: 'start anew, whatever checkpoints are there',
      env: 'VGR_NO_RESUME',
      default: false,
      helpGroup: 'OUTPUT',
    }),
    json: Flags.boolean({
      summary: 'print the card as one JSON document',
      env: 'VGR_JSON',
      default: false,
      helpGroup: 'OUTPUT',
    }),
    cache: Flags.string({
      summary: 'folder for computed features [default: the cache folder of the system]',
      env: 'VGR_TRAINING_CACHE',
      helpGroup: 'OUTPUT',
    }),
    tool: Flags.string({
      summary:
        "whose answer counts as the tool's [default: the first of a line's `tools`, else the detector]",
      env: 'VGR_TOOL',
      helpGroup: 'MODELS',
    }),
    ...trainingFlags,
    ...inferenceFlags,
    'max-pixels': inputFlags['max-pixels'],
    'allow-outside': inputFlags['allow-outside'],
  };

  protected override work(): Promise<number> {
    return trainCommand({
      images: this.positional,
      flags: { ...this.flags, photos: this.positional.length > 0 },
      printer: this.printer,
      interruption: this.interruption,
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
