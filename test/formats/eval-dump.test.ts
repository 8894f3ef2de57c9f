import { describe, expect, test } from 'vitest';
import { dumpRows } from '../../src/formats/eval-files.js';

async function rowsOf(...values: readonly unknown[]) {
  const rows = [];
  for await (const row of dumpRows([JSON.stringify(values)], 'output_0.json')) rows.push(row);
  return rows;
}

const row = {
  image_id: 5,
  ann_id: 7,
  gt_bbox: [0, 0, 10, 10],
  pred_bbox: [0, 0, 10, 5],
  iou: 0.5,
  tool_pred_bboxes: [
    [50, 50, 60, 60],
    [0, 0, 10, 8],
  ],
  tool_iou: 0.8,
  is_correct: 0,
};

test('the stated IoUs are taken', async () => {
  expect(await rowsOf(row)).toEqual([
    {
      id: '5_7',
      truthXyxy: { x1: 0, y1: 0, x2: 10, y2: 10 },
      toolIou: 0.8,
      finalIou: 0.5,
      disagrees: false,
    },
  ]);
});

test('IoUs that are not stated are computed, the best of several boxes', async () => {
  const { iou: _, tool_iou: __, ...boxes } = row;
  const [got] = await rowsOf({ ...boxes, pred_bbox: null });
  expect(got!.toolIou).toBeCloseTo(0.8, 6);
  expect(got!.finalIou).toBeNull();
});

test('no box, and a box with its corners in the wrong order', async () => {
  const [none, wrong] = await rowsOf(
    { iou: 0.3, tool_iou: null, tool_pred_bboxes: null },
    { ...row, tool_pred_bboxes: [10, 10, 0, 0], tool_iou: 0 },
  );
  expect(none).toEqual({ id: '0', toolIou: null, finalIou: 0.3, disagrees: false });
  expect(wrong).toMatchObject({ toolIou: 0, disagrees: false });
});

test('a stated IoU that the boxes do not give is told of', async () => {
  const [got] = await rowsOf({ ...row, iou: 0.9 });
  expect(got).toMatchObject({ finalIou: 0.9, disagrees: true });
});

describe('refused, with file and element', () => {
  test.each([
    [{ iou: 'x' }, /^`output_0.json`, element 1: field `iou`: expected a number in 0..1/],
    [{ tool_iou: 1.2 }, /field `tool_iou`: expected a number in 0..1, got `1.2`/],
    [{ gt_bbox: [10, 0, 0, 10] }, /field `gt_bbox`: .*x2 >= x1/],
    [{ pred_bbox: [1, 2, 3] }, /field `pred_bbox`: .*four finite numbers, got `\[1,2,3\]`/],
    [{ tool_pred_bboxes: [[1, 2, 3, 'a']] }, /field `tool_pred_bboxes`: .*four finite numbers/],
    [{ iou: undefined, pred_bbox: undefined }, /field `iou`: .*to compute it from, got nothing/],
    [{ iou: undefined, gt_bbox: undefined }, /field `iou`: .*to compute it from, got nothing/],
  ])('%j', async (change, message) => {
    await expect(rowsOf(row, { ...row, ...change })).rejects.toThrow(message);
  });
});
