import { Flags } from '@oclif/core';
import { VgrCommand } from '../../cli/base-command.js';
import { withVariables, words } from '../../cli/flags.js';
import { verifyModels } from '../../models/list.js';

export default class ModelsVerify extends VgrCommand<typeof ModelsVerify> {
  static override summary = 'Compares model files with the sha256 of their cards.';
  static override examples = [
    '<%= config.bin %> models verify',
    '<%= config.bin %> models verify centernet',
    '<%= config.bin %> models verify picodet-s-416 --device webgpu',
  ];
  static override strict = false;
  static override args = {
    names: words('models [default: all whose weights are here]', { required: false }),
  };

  static override flags = withVariables({
    device: Flags.string({
      helpValue: 'TYPE',
      summary:
        'also compare what models make of a photo on this device with what they make of it on the CPU: auto, cuda, cuda:N, webgpu, dml or coreml',
    }),
  });

  protected override work(): Promise<number> {
    return verifyModels(this.positional, this.flags, this.printer);
  }
}
