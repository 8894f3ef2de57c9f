import { Args, Flags } from '@oclif/core';
import { VgrCommand } from '../cli/base-command.js';
import { inputFlags } from '../cli/flags.js';
import { vlmFlags } from '../cli/vlm-flags.js';

export default class Export extends VgrCommand<typeof Export> {
  static override summary =
    'Writes queries, pictures and tool results for training a large refiner.';
  static override description =
    `verl: one row a query for GRPO, with problem, picture, ground truth and the boxes of the tools as strings of JSON. llamafactory: conversations for supervised training, with the thoughts of a run that was right.
Pictures are resized to the grid of the model, and all boxes are told in its coordinates, so that no trainer moves them. docs/large-models.md has the command lines of the trainers.`;
  static override examples = [
    '<%= config.bin %> export ./images --queries train.jsonl --format verl --output data',
    '<%= config.bin %> export ./images --queries train.jsonl --results out/results.jsonl --format llamafactory --output data',
  ];
  static override strict = false;
  static override args = {
    images: Args.string({
      ignoreStdin: true,
      description: 'folders that `image` on the lines is relative to',
      required: true,
    }),
  };
  static override flags = {
    queries: Flags.string({
      summary:
        'JSONL file of expressions with one box of ground truth each; - reads standard input',
      env: 'VGR_QUERIES',
      required: true,
      helpGroup: 'INPUT',
    }),
    results: Flags.string({
      summary: "results.jsonl of a run: the tool's answer where lines bring none, and the thoughts",
      env: 'VGR_RESULTS',
      helpGroup: 'INPUT',
    }),
    tool: Flags.string({
      summary:
        "whose answer counts as the tool's [default: that of the results, else the first of a line's `tools`]",
      env: 'VGR_TOOL',
      helpGroup: 'INPUT',
    }),
    limit: inputFlags.limit,
    'max-pixels': inputFlags['max-pixels'],
    'allow-outside': inputFlags['allow-outside'],
    format: Flags.string({
      summary: 'the trainer',
      env: 'VGR_EXPORT_FORMAT',
      options: ['verl', 'llamafactory'],
      required: true,
      helpGroup: 'OUTPUT',
    }),
    output: Flags.string({
      char: 'o',
      summary: 'folder for FORMAT.jsonl and images/',
      env: 'VGR_OUTPUT',
      required: true,
      helpGroup: 'OUTPUT',
    }),
    'image-root': Flags.string({
      summary: 'put before the paths of pictures; by default they are relative to the folder',
      env: 'VGR_IMAGE_ROOT',
      default: '',
      helpGroup: 'OUTPUT',
    }),
    turns: Flags.string({
      summary: "llamafactory: tools' boxes inside the assistant's turn, or as a turn of the user",
      env: 'VGR_TURNS',
      options: ['one', 'two'],
      default: 'two',
      helpGroup: 'OUTPUT',
    }),
    'keep-wrong': Flags.boolean({
      summary: 'llamafactory: keep the thoughts of wrong answers, too',
      env: 'VGR_KEEP_WRONG',
      default: false,
      helpGroup: 'OUTPUT',
    }),
    'prompt-template': vlmFlags['prompt-template'],
    'vlm-preset': vlmFlags['vlm-preset'],
    'vlm-grid': vlmFlags['vlm-grid'],
    'vlm-min-pixels': vlmFlags['vlm-min-pixels'],
    'vlm-max-pixels': vlmFlags['vlm-max-pixels'],
    'vlm-image': vlmFlags['vlm-image'],
    'vlm-tool-boxes': vlmFlags['vlm-tool-boxes'],
  };

  protected override async work(): Promise<number> {
    const { flags, printer, interruption } = this;
    const { exportCommand } = await import('../run/export.js');
    return exportCommand({ images: this.positional, flags, printer, interruption });
  }
}
