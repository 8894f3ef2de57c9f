import type { BoxXyxy } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import { jsonElements } from './eval-json.js';
import { ForeignRecord, recordFault } from './eval-place.js';

/** One query of an evaluation dump of the paper's code. */
export interface DumpRow {
  /** `image_id` and `ann_id` where the row has them; several expressions of one object share it. */
  readonly id: string;
  /** Place in the list, from 0. */
  readonly element: number;
  readonly truthXyxy?: BoxXyxy;
  /** 0..1; null where there was no box. With several boxes the best counts, as in the paper's code. */
  readonly toolIou: number | null;
  readonly finalIou: number | null;
  /** True where the boxes of the row give another IoU than the row states. The stated one is taken. */
  readonly disagrees: boolean;
}

/** Dumps may hold IoUs and boxes in single precision or rounded. */
const ROUNDING = 1e-3;

/**
 * Reads the list that the paper's evaluation code writes as `output_*.json`: `iou`, `tool_iou`, and the boxes `gt_bbox`,
 * `pred_bbox`, `tool_pred_bboxes` as corners.
 * @param source name of the file, for messages
 * @throws VgrError INPUT_INVALID that names file, element and field
 */
export async function* dumpRows(
  text: AsyncIterable<string> | Iterable<string>,
  source: string,
): AsyncGenerator<DumpRow> {
  for await (const { section, index, value } of jsonElements(text, source)) {
    if (section !== '') throw recordFault({ source }, 'expected a list of rows, got an object');
    yield rowOf(new ForeignRecord(value, { source, element: index }), index);
  }
}

function rowOf(record: ForeignRecord, element: number): DumpRow {
  const truth = record.has('gt_bbox') ? record.boxXyxy('gt_bbox') : undefined;
  const tool = ious(record, 'tool_iou', 'tool_pred_bboxes', truth);
  const final = ious(record, 'iou', 'pred_bbox', truth);
  const ids = ['image_id', 'ann_id'].filter((key) => record.has(key));
  return {
    id: ids.length === 0 ? String(element) : ids.map((key) => String(record.raw(key))).join('_'),
    element,
    ...(truth && { truthXyxy: truth }),
    toolIou: tool.iou,
    finalIou: final.iou,
    disagrees: tool.disagrees || final.disagrees,
  };
}

function ious(
  record: ForeignRecord,
  iouKey: string,
  boxKey: string,
  truth: BoxXyxy | undefined,
): { readonly iou: number | null; readonly disagrees: boolean } {
  const computed = truth && record.has(boxKey) ? bestIou(record, boxKey, truth) : undefined;
  if (record.raw(iouKey) === undefined) {
    if (truth && record.raw(boxKey) !== undefined)
      return { iou: computed ?? null, disagrees: false };
    return record.refuse(
      iouKey,
      `a number in 0..1, or \`gt_bbox\` and ${boxKey} to compute it from`,
    );
  }
  const stated = record.has(iouKey) ? record.share(iouKey) : null;
  const disagrees = computed !== undefined && Math.abs(computed - (stated ?? 0)) > ROUNDING;
  return { iou: stated, disagrees };
}

/** Of one box or a list of them. A box with its corners in the wrong order overlaps nothing. */
function bestIou(record: ForeignRecord, key: string, truth: BoxXyxy): number {
  const value = record.raw(key);
  const boxes = Array.isArray(value) && Array.isArray(value[0]) ? (value as unknown[]) : [value];
  const found = boxes.map((box) => {
    const [x1, y1, x2, y2] = new ForeignRecord({ [key]: box }, record.place).fourNumbers(
      key,
      '[x1, y1, x2, y2]',
    );
    return x2 < x1 || y2 < y1 ? 0 : iouXyxy({ x1, y1, x2, y2 }, truth);
  });
  return Math.max(0, ...found);
}
