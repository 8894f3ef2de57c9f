import { Args, Flags } from '@oclif/core';
import { VgrCommand } from '../cli/base-command.js';
import { flagGroup, inputFlags } from '../cli/flags.js';
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
    ...flagGroup('INPUT', {
      queries: Flags.string({
        summary:
          'JSONL file of expressions with one box of ground truth each; - reads standard input',
        required: true,
      }),
      results: Flags.string({
        summary:
          "results.jsonl of a run: the tool's answer where lines bring none, and the thoughts",
      }),
      tool: Flags.string({
        summary:
          "whose answer counts as the tool's [default: that of the results, else the first of a line's `tools`]",
      }),
    }),
    limit: inputFlags.limit,
    'max-pixels': inputFlags['max-pixels'],
    'allow-outside': inputFlags['allow-outside'],
    ...flagGroup('OUTPUT', {
      format: Flags.option({
        summary: 'the trainer',
        env: 'VGR_EXPORT_FORMAT',
        options: ['verl', 'llamafactory'] as const,
        required: true,
      })(),
      output: Flags.string({
        char: 'o',
        summary: 'folder for FORMAT.jsonl and images/',
        required: true,
      }),
      'image-root': Flags.string({
        summary: 'put before the paths of pictures; by default they are relative to the folder',
        default: '',
      }),
      turns: Flags.option({
        summary: "llamafactory: tools' boxes inside the assistant's turn, or as a turn of the user",
        options: ['one', 'two'] as const,
        default: 'two',
      })(),
      'keep-wrong': Flags.boolean({
        summary: 'llamafactory: keep the thoughts of wrong answers, too',
        default: false,
      }),
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
    const { exportRows } = await import('../run/export.js');
    return exportRows(this.positional, this.flags, this.terminal);
  }
}
