import { Flags } from '@oclif/core';
import { VgrCommand } from '../../cli/base-command.js';
import { inferenceFlags, withVariables, words } from '../../cli/flags.js';
import { benchModel } from '../../models/bench.js';

export default class ModelsBench extends VgrCommand<typeof ModelsBench> {
  static override summary = 'Measures how fast a model is on each available device.';
  static override description =
    'Latency is the time of one photo alone; throughput counts many photos with all sessions busy. Both run from pixels to boxes and leave out decoding.';
  static override examples = [
    '<%= config.bin %> models bench centernet',
    '<%= config.bin %> models bench yolox-nano --device cpu --runs 100 --json',
  ];
  static override args = {
    name: words('model'),
  };
  static override flags = {
    device: inferenceFlags.device,
    ...withVariables({
      runs: Flags.integer({ summary: 'number of timed photos', default: 30, min: 3, max: 100_000 }),
      json: Flags.boolean({ summary: 'one JSON object per device', default: false }),
    }),
  };

  protected override work(): Promise<number> {
    return benchModel(this.args.name as string, this.flags, this.printer);
  }
}
