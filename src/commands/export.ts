import { Flags } from '@oclif/core';
import { VgrCommand } from '../cli/base-command.js';
import { flagGroup, forceFlag, inputFlags, words } from '../cli/flags.js';
import { vlmFlags } from '../cli/vlm-flags.js';

export default class Export extends VgrCommand<typeof Export> {
  static override summary =
    'Writes training data for a large refiner: queries, pictures and tool results.';
  static override description =
    `verl: one row per query for GRPO, with the problem, the picture, the ground truth and the tools' boxes as JSON strings. llamafactory: conversations for supervised training, with the thoughts of correct answers of a run.
Pictures are resized to the grid of the model, and all boxes are in its coordinates, so that trainers do not change them. docs/large-models.md has the command lines of the trainers.`;
  static override examples = [
    '<%= config.bin %> export ./images --queries train.jsonl --format verl --output data',
    '<%= config.bin %> export ./images --queries train.jsonl --results out/results.jsonl --format llamafactory --output data',
  ];
  static override strict = false;
  static override args = {
    images: words('folders that `image` in the lines is relative to'),
  };
  static override flags = {
    ...flagGroup('INPUT', {
      queries: Flags.string({
        helpValue: 'FILE',
        summary: 'JSONL file of expressions with one ground truth box each; - reads standard input',
        required: true,
      }),
      results: Flags.string({
        helpValue: 'FILE',
        summary:
          "results.jsonl of a run, for thoughts, and for the tool's answer if a line has none",
      }),
      tool: Flags.string({
        helpValue: 'NAME',
        summary:
          "tool whose answer counts [default: that of the results, else the first of a line's `tools`]",
      }),
    }),
    limit: inputFlags.limit,
    'max-pixels': inputFlags['max-pixels'],
    'decode-timeout': inputFlags['decode-timeout'],
    'allow-outside': inputFlags['allow-outside'],
    ...forceFlag,
    ...flagGroup('OUTPUT', {
      format: Flags.option({
        aliases: ['trainer'],
        helpLabel: '--trainer',
        summary: 'trainer that reads the data; also --format',
        env: 'VGR_EXPORT_FORMAT',
        options: ['verl', 'llamafactory'] as const,
        required: true,
      })(),
      output: Flags.string({
        helpValue: 'DIR',
        char: 'o',
        summary: 'output folder, for FORMAT.jsonl and images/',
        required: true,
      }),
      'image-root': Flags.string({
        helpValue: 'PREFIX',
        summary: 'prefix of picture paths; without it they are relative to the output folder',
        default: '',
      }),
      turns: Flags.option({
        summary: "llamafactory: tools' boxes inside the assistant's turn, or in a user turn",
        options: ['one', 'two'] as const,
        default: 'two',
      })(),
      'keep-wrong': Flags.boolean({
        summary: 'llamafactory: keep the thoughts of wrong answers too',
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
