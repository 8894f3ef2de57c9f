import { VgrCommand } from '../cli/base-command.js';
import {
  inferenceFlags,
  inputFlags,
  outputFlags,
  photoInput,
  photosFlag,
  words,
} from '../cli/flags.js';
import { VgrError } from '../core/error.js';
import { startThreads, tuned } from '../runtime/threads.js';

export default class Detect extends VgrCommand<typeof Detect> {
  static override summary = 'Boxes everything that the detector knows in folders of photos.';
  static override description =
    'Writes one line a photo, in the order of their names. A photo that cannot be read becomes an error record.';
  static override examples = [
    '<%= config.bin %> detect ./photos',
    '<%= config.bin %> detect ./photos --output out --visualize out/pictures',
    '<%= config.bin %> detect ./photos --detector owlv2-base --classes "cat,remote control"',
    "<%= config.bin %> detect 'shots/**/*.jpg' --min-score 0.3 | jq .detections[].label",
  ];
  static override strict = false;
  static override args = {
    images: words('folders, globs or photos; - for a list of names on standard input', {
      required: false,
    }),
  };
  static override flags = { ...photosFlag, ...inferenceFlags, ...inputFlags, ...outputFlags };

  protected override async work(): Promise<number> {
    const { images, photos } = photoInput(this.positional, this.flags.photos);
    if (images.length === 0 && photos === undefined) {
      throw new VgrError('USAGE', 'expected IMAGES (folders, globs or photos), got nothing', {
        hint: '`vgr detect photos`, or a list of names: `find photos -name "*.jpg" | vgr detect -`',
      });
    }
    const flags = await tuned(this.flags, this.printer);
    await using threads = startThreads(flags, this.printer);
    const { detect } = await import('../run/detect.js');
    return await detect({ images, flags: { ...flags, photos }, threads }, this.terminal);
  }
}
