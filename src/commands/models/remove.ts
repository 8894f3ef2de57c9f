import { VgrCommand } from '../../cli/base-command.js';
import { words } from '../../cli/flags.js';
import { removeModels } from '../../models/list.js';

export default class ModelsRemove extends VgrCommand<typeof ModelsRemove> {
  static override summary = 'Removes models from your folder of models.';
  static override description =
    'Deletes the folders of models that were added or pulled. Cards that come with the program stay.';
  static override examples = ['<%= config.bin %> models remove helmets'];
  static override strict = false;
  static override args = {
    names: words('models'),
  };

  protected override work(): Promise<number> {
    return removeModels(this.positional, this.printer);
  }
}
