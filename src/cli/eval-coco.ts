import { evaluateCoco } from '../evaluation/coco-evaluation.js';
import { CocoDetections, CocoGroundTruth } from '../evaluation/coco-tables.js';
import { cocoTable } from '../evaluation/metrics-table.js';
import { cocoDetections, cocoEntries } from '../formats/coco-records.js';
import { readTextChunks } from '../io/text-file.js';
import type { EvalCommand } from './eval-settings.js';
import { showOutcome } from './eval-tables.js';

/** The 12 COCO box numbers of two files. @returns the exit code */
export async function evalCoco(
  command: EvalCommand,
  files: { readonly truth: string; readonly detections: string },
): Promise<number> {
  const truth = new CocoGroundTruth();
  for await (const entry of cocoEntries(readTextChunks(files.truth), files.truth)) truth.add(entry);
  const detections = new CocoDetections();
  for await (const detection of cocoDetections(
    readTextChunks(files.detections),
    files.detections,
  )) {
    detections.add(detection);
  }
  const evaluation = evaluateCoco(truth, detections);
  const perCategory = command.flags['per-category'];
  const table = cocoTable(evaluation, perCategory);
  return showOutcome(command, {
    document: {
      coco: evaluation.coco,
      ...(perCategory && { categories: evaluation.categories }),
      notices: evaluation.notices,
    },
    overview: table,
    table,
    metrics: { ...evaluation.coco },
    notices: evaluation.notices,
  });
}
