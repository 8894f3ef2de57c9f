import { VgrCommand } from '../../cli/base-command.js';
import { words } from '../../cli/flags.js';
import { pullModels } from '../../models/pull.js';

export default class ModelsPull extends VgrCommand<typeof ModelsPull> {
  static override summary = 'Downloads the weights of models.';
  static override description =
    `Cards say where weights come from; NAME:VARIANT picks one of several exports of a model. An interrupted download resumes where it ended, and a file is used only if its sha256 is the one in the card. Weights are put into the folder that VGR_MODELS_DIR names, by default ~/.local/share/vgr/models.
HTTPS_PROXY, ALL_PROXY and NO_PROXY are respected; for the Hugging Face hub HF_ENDPOINT (a mirror), HF_TOKEN, HF_HUB_OFFLINE and HF_HUB_DOWNLOAD_TIMEOUT too. Files in the cache of its own clients are copied from there.`;
  static override examples = [
    '<%= config.bin %> models pull nanodet-plus-m-416',
    '<%= config.bin %> models pull florence-2-base-ft:q4',
    'HF_ENDPOINT=https://mirror.example <%= config.bin %> models pull dfine-s rfdetr-nano',
  ];
  static override strict = false;
  static override args = {
    names: words('models'),
  };

  protected override work(): Promise<number> {
    return pullModels(this.positional, this.terminal);
  }
}
