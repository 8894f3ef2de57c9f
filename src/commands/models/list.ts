import { Flags } from '@oclif/core';
import { VgrCommand } from '../../cli/base-command.js';
import { withVariables } from '../../cli/flags.js';
import { printModels } from '../../models/list.js';

export default class ModelsList extends VgrCommand<typeof ModelsList> {
  static override summary = 'Lists the available models.';
  static override description =
    'Tells what each model is for, its size, its accuracy as published or measured, and how fast it was here. Cards come with the program and from the folder that VGR_MODELS_DIR names, by default ~/.local/share/vgr/models; weights are beside them. With --long, "verified": the weights matched their card when they last ran.';
  static override examples = [
    '<%= config.bin %> models list',
    '<%= config.bin %> models list --long',
    '<%= config.bin %> models list --json | jq -r .name',
  ];
  static override flags = withVariables({
    json: Flags.boolean({ summary: 'one JSON object per line, with all of it', default: false }),
    long: Flags.boolean({
      summary: 'family, licence, device and path instead, as wide as they are',
      default: false,
    }),
  });

  protected override work(): Promise<number> {
    const { json, long } = this.flags as { json: boolean; long: boolean };
    return printModels(this.printer, { json, long });
  }
}
