import { VgrCommand } from '../../cli/base-command.js';
import { listModelsCommand } from '../../cli/models-command.js';

export default class ModelsList extends VgrCommand<typeof ModelsList> {
  static override summary = 'Lists the models at hand.';
  static override description =
    'Cards come with the program and from the folder that VGR_MODELS_DIR names; weights lie beside them.';
  static override examples = ['<%= config.bin %> models list'];

  protected override work(): Promise<number> {
    return listModelsCommand(this.printer);
  }
}
