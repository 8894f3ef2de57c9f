import { VgrCommand } from '../../cli/base-command.js';
import { words } from '../../cli/flags.js';
import { verifyModels } from '../../models/list.js';

export default class ModelsVerify extends VgrCommand<typeof ModelsVerify> {
  static override summary = 'Compares model files with the sha256 of their cards.';
  static override examples = [
    '<%= config.bin %> models verify',
    '<%= config.bin %> models verify centernet',
  ];
  static override strict = false;
  static override args = {
    names: words('models [default: all whose weights are here]', { required: false }),
  };

  protected override work(): Promise<number> {
    return verifyModels(this.positional, this.printer);
  }
}
