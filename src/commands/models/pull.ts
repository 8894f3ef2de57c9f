import { Args } from '@oclif/core';
import { VgrCommand } from '../../cli/base-command.js';
import { pullModels } from '../../models/pull.js';

export default class ModelsPull extends VgrCommand<typeof ModelsPull> {
  static override summary = 'Brings the weights of models from where their cards say.';
  static override description =
    `A download that was cut goes on where it ended, and nothing is used that is not as its card pins it. Weights come to lie in the folder that VGR_MODELS_DIR names, by default in ~/.local/share/vgr/models.
HTTPS_PROXY, ALL_PROXY and NO_PROXY are respected; for the Hugging Face hub HF_ENDPOINT (a mirror), HF_TOKEN, HF_HUB_OFFLINE and HF_HUB_DOWNLOAD_TIMEOUT too. What its own clients have brought is taken from their cache.`;
  static override examples = [
    '<%= config.bin %> models pull nanodet-plus-m-416',
    'HF_ENDPOINT=https://mirror.example <%= config.bin %> models pull dfine-s rfdetr-nano',
  ];
  static override strict = false;
  static override args = {
    names: Args.string({ ignoreStdin: true, description: 'models', required: true }),
  };

  protected override work(): Promise<number> {
    return pullModels(this.positional, this.terminal);
  }
}
