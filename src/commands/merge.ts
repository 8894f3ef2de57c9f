import { Flags } from '@oclif/core';
import { VgrCommand } from '../cli/base-command.js';
import { segmentationFlag, withVariables, words } from '../cli/flags.js';
import { mergeShards } from '../run/merge.js';

export default class Merge extends VgrCommand<typeof Merge> {
  static override summary = 'Joins the outputs of shards into that of one run.';
  static override description =
    'Refuses when a shard is missing, double or not at its end, or when the shards are of different runs. The files are those that one run over the whole input would have written.';
  static override examples = ['<%= config.bin %> merge out/shard-* --output out/whole'];
  static override strict = false;
  static override args = {
    folders: words('output folders of all shards'),
  };
  static override flags = withVariables({
    output: Flags.string({
      helpValue: 'DIR',
      char: 'o',
      summary: 'folder for the joined files',
      required: true,
    }),
    'image-ids': Flags.string({
      helpValue: 'FILE',
      summary: 'COCO file whose image ids are taken, by file name',
    }),
    segmentation: segmentationFlag,
  });

  protected override work(): Promise<number> {
    return mergeShards(this.positional, this.flags, this.printer);
  }
}
