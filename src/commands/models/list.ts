import { Flags } from '@oclif/core';
import { VgrCommand } from '../../cli/base-command.js';
import { withVariables } from '../../cli/flags.js';
import { printModels } from '../../models/list.js';

export default class ModelsList extends VgrCommand<typeof ModelsList> {
  static override summary = 'Lists the available models.';
  static override description =
    'Cards come with the program and from the folder that VGR_MODELS_DIR names, by default ~/.local/share/vgr/models; weights are beside them. "verified": the weights matched their card when they last ran.';
  static override examples = [
    '<%= config.bin %> models list',
    '<%= config.bin %> models list --json | jq -r .name',
  ];
  static override flags = withVariables({
    json: Flags.boolean({ summary: 'one JSON object per line', default: false }),
  });

  protected override work(): Promise<number> {
    return printModels(this.printer, { json: this.flags.json as boolean });
  }
}
