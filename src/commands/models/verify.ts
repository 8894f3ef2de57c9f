import { Args } from '@oclif/core';
import { VgrCommand } from '../../cli/base-command.js';
import { verifyModels } from '../../models/list.js';

export default class ModelsVerify extends VgrCommand<typeof ModelsVerify> {
  static override summary = 'Compares model files with the sha256 of their cards.';
  static override examples = [
    '<%= config.bin %> models verify',
    '<%= config.bin %> models verify centernet',
  ];
  static override strict = false;
  static override args = {
    names: Args.string({
      ignoreStdin: true,
      description: 'models [default: all whose weights are here]',
    }),
  };

  protected override work(): Promise<number> {
    return verifyModels(this.positional, this.printer);
  }
}
