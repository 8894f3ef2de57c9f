import { Args, Flags } from '@oclif/core';
import { VgrCommand } from '../cli/base-command.js';
import { evalCommand } from '../evaluate/evaluate.js';

export default class Eval extends VgrCommand<typeof Eval> {
  static override summary =
    'Measures refinement against ground truth, or detections by COCO box AP.';
  static override description =
    'Prints a table, or with --json one document. docs/evaluation.md defines every number.';
  static override examples = [
    '<%= config.bin %> eval --queries q.jsonl --results out/results.jsonl',
    '<%= config.bin %> eval ./images --queries q.jsonl --results out/results.jsonl --report report.html',
    '<%= config.bin %> eval --queries q.jsonl --results new.jsonl --compare old.jsonl',
    '<%= config.bin %> eval --queries q.jsonl --tool grounding-dino --answer qwen2.5-vl-7b --json',
    '<%= config.bin %> eval --coco-gt instances.json --coco-dt out/predictions.json --per-category',
    '<%= config.bin %> eval --queries q.jsonl --results out/results.jsonl --fail-under accuracy=0.6,ccr=0.3',
  ];
  static override strict = false;
  static override args = {
    images: Args.string({
      ignoreStdin: true,
      description: 'folders of the photos, for the report',
    }),
  };
  static override flags = {
    queries: Flags.string({
      summary: 'JSONL file with ground truth in `bbox` or `boxes`',
      env: 'VGR_QUERIES',
      helpGroup: 'INPUT',
    }),
    results: Flags.string({
      summary: 'results.jsonl of `refine`',
      env: 'VGR_RESULTS',
      helpGroup: 'INPUT',
    }),
    compare: Flags.string({
      summary: 'another results file (or tool, or dump) over the same queries',
      env: 'VGR_COMPARE',
      helpGroup: 'INPUT',
    }),
    tool: Flags.string({
      summary: "name in `tools` whose first box counts as the tool's",
      env: 'VGR_TOOL',
      dependsOn: ['answer'],
      helpGroup: 'INPUT',
    }),
    answer: Flags.string({
      summary: 'name in `tools` whose boxes count as the answer',
      env: 'VGR_ANSWER',
      dependsOn: ['tool'],
      helpGroup: 'INPUT',
    }),
    refs: Flags.string({
      summary: 'RefCOCO refs as JSON, instead of --queries',
      env: 'VGR_REFS',
      helpGroup: 'INPUT',
    }),
    instances: Flags.string({
      summary: 'instances.json that belongs to --refs',
      env: 'VGR_INSTANCES',
      helpGroup: 'INPUT',
    }),
    dump: Flags.string({
      summary: "output_*.json of the paper's evaluation code",
      env: 'VGR_DUMP',
      helpGroup: 'INPUT',
    }),
    'coco-gt': Flags.string({
      summary: 'COCO ground truth',
      env: 'VGR_COCO_GT',
      dependsOn: ['coco-dt'],
      helpGroup: 'INPUT',
    }),
    'coco-dt': Flags.string({
      summary: 'COCO results list',
      env: 'VGR_COCO_DT',
      dependsOn: ['coco-gt'],
      helpGroup: 'INPUT',
    }),
    'per-category': Flags.boolean({
      summary: 'add the COCO numbers of each category',
      env: 'VGR_PER_CATEGORY',
      default: false,
      helpGroup: 'NUMBERS',
    }),
    'group-by': Flags.string({
      summary: 'query field to group by',
      env: 'VGR_GROUP_BY',
      default: 'kind',
      helpGroup: 'NUMBERS',
    }),
    iou: Flags.string({
      summary: 'more IoU thresholds for accuracy: `0.25,0.5,0.75`',
      env: 'VGR_IOU',
      helpGroup: 'NUMBERS',
    }),
    seed: Flags.integer({
      summary: 'seed of the bootstrap',
      env: 'VGR_SEED',
      default: 1,
      min: 0,
      helpGroup: 'NUMBERS',
    }),
    resamples: Flags.integer({
      summary: 'number of bootstrap resamples; 0 for no intervals',
      env: 'VGR_RESAMPLES',
      default: 1000,
      min: 0,
      max: 100_000,
      helpGroup: 'NUMBERS',
    }),
    'fail-under': Flags.string({
      summary: 'exit with 1 if a metric is below its minimum: `accuracy=0.6,ccr=0.3`',
      env: 'VGR_FAIL_UNDER',
      helpGroup: 'OUTPUT',
    }),
    report: Flags.string({
      summary: 'HTML file with charts and a gallery',
      env: 'VGR_REPORT',
      helpGroup: 'OUTPUT',
    }),
    gallery: Flags.integer({
      summary: 'maximum number of answers in the gallery',
      env: 'VGR_GALLERY',
      default: 40,
      min: 0,
      max: 1000,
      helpGroup: 'OUTPUT',
    }),
    csv: Flags.string({ summary: 'CSV file for all numbers', env: 'VGR_CSV', helpGroup: 'OUTPUT' }),
    markdown: Flags.string({
      summary: 'Markdown file for all numbers',
      env: 'VGR_MARKDOWN',
      helpGroup: 'OUTPUT',
    }),
    json: Flags.boolean({
      summary: 'print one JSON document',
      env: 'VGR_JSON',
      default: false,
      helpGroup: 'OUTPUT',
    }),
  };

  protected override work(): Promise<number> {
    return evalCommand({ flags: this.flags, images: this.positional, printer: this.printer });
  }
}
