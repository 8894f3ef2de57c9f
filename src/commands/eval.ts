import { Flags } from '@oclif/core';
import { VgrCommand } from '../cli/base-command.js';
import { flagGroup, forceFlag, words } from '../cli/flags.js';
import { evalCommand } from '../evaluate/evaluate.js';

export default class Eval extends VgrCommand<typeof Eval> {
  static override summary =
    'Measures refinement against ground truth, or detections by COCO box AP.';
  static override description =
    'Prints a table, or with --json one document. docs/evaluation.md defines every number.';
  static override examples = [
    '<%= config.bin %> eval --queries q.jsonl --results out/results.jsonl',
    '<%= config.bin %> eval ./images --queries q.jsonl --results out/results.jsonl --report report.html',
    '<%= config.bin %> eval --queries q.jsonl --results new --compare old',
    '<%= config.bin %> eval --queries q.jsonl --tool grounding-dino --answer qwen2.5-vl-7b --json',
    '<%= config.bin %> eval --coco-gt instances.json --coco-dt out/predictions.json --per-category',
    '<%= config.bin %> eval --queries q.jsonl --results out/results.jsonl --fail-under accuracy=0.6,ccr=0.3',
  ];
  static override strict = false;
  static override args = {
    images: words('folders of the photos, for the report', { required: false }),
  };
  static override flags = {
    ...flagGroup('INPUT', {
      queries: Flags.string({
        helpValue: 'FILE',
        summary: 'JSONL file with ground truth in `bbox` or `boxes`',
      }),
      results: Flags.string({
        helpValue: 'FILE',
        summary: 'results.jsonl of `refine`, or the folder of its run',
      }),
      compare: Flags.string({
        helpValue: 'FILE',
        summary: 'another results file (or tool, or dump) over the same queries',
      }),
      tool: Flags.string({
        helpValue: 'NAME',
        summary: "name in `tools` whose first box counts as the tool's",
        dependsOn: ['answer'],
      }),
      answer: Flags.string({
        helpValue: 'NAME',
        summary: 'name in `tools` whose boxes count as the answer',
        dependsOn: ['tool'],
      }),
      refs: Flags.string({
        helpValue: 'FILE',
        summary: 'RefCOCO refs as JSON, instead of --queries',
      }),
      instances: Flags.string({
        helpValue: 'FILE',
        summary: 'instances.json that belongs to --refs',
      }),
      dump: Flags.string({
        helpValue: 'FILE',
        summary: "output_*.json of the paper's evaluation code",
      }),
      'coco-gt': Flags.string({
        helpValue: 'FILE',
        summary: 'COCO ground truth',
        dependsOn: ['coco-dt'],
      }),
      'coco-dt': Flags.string({
        helpValue: 'FILE',
        summary: 'COCO results list',
        dependsOn: ['coco-gt'],
      }),
    }),
    ...flagGroup('NUMBERS', {
      all: Flags.boolean({ summary: 'show every number on a terminal', default: false }),
      'per-category': Flags.boolean({
        summary: 'add the COCO numbers of each category',
        default: false,
      }),
      'group-by': Flags.string({
        helpValue: 'NAME',
        summary: 'query field to group by',
        default: 'kind',
      }),
      iou: Flags.string({
        helpValue: 'N,N',
        summary: 'more IoU thresholds for accuracy: `0.25,0.5,0.75`',
      }),
      seed: Flags.integer({ summary: 'seed of the bootstrap', default: 1, min: 0 }),
      resamples: Flags.integer({
        summary: 'number of bootstrap resamples; 0 for no intervals',
        default: 1000,
        min: 0,
        max: 100_000,
      }),
    }),
    ...forceFlag,
    ...flagGroup('OUTPUT', {
      'fail-under': Flags.string({
        helpValue: 'METRIC=N',
        summary: 'exit with 1 if a metric is below its minimum: `accuracy=0.6,ccr=0.3`',
      }),
      report: Flags.string({ helpValue: 'FILE', summary: 'HTML file with charts and a gallery' }),
      gallery: Flags.integer({
        summary: 'maximum number of answers in the gallery',
        default: 40,
        min: 0,
        max: 1000,
      }),
      csv: Flags.string({ helpValue: 'FILE', summary: 'CSV file for all numbers' }),
      markdown: Flags.string({ helpValue: 'FILE', summary: 'Markdown file for all numbers' }),
      json: Flags.boolean({ summary: 'print one JSON document', default: false }),
    }),
  };

  protected override work(): Promise<number> {
    return evalCommand({ flags: this.flags, images: this.positional, printer: this.printer });
  }
}
