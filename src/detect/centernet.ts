import { headFor } from './heads.js';
import { closedFamily } from './proposal.js';

/**
 * Centres of objects are peaks of a score map per class; four more maps hold the distances to the sides. Roles of the
 * outputs: `scores` [batch, classes, rows, columns], 0..1; `sides` [batch, 4, rows, columns], input pixels from the centre to
 * left, top, right, bottom. A centre can be a peak of several classes and gives a box for each.
 * @see Zhou et al., Objects as Points, arXiv 1904.07850; Liu et al., Training-Time-Friendly Network, arXiv 1909.00700
 */
export const centernet = closedFamily({
  roles: () => ['scores', 'sides'],

  propose(outputs) {
    const scores = headFor(outputs, 'scores', [null, null, null]);
    const [, , rows, columns] = scores.dims as [number, number, number, number];
    const sides = headFor(outputs, 'sides', [4, rows, columns]);
    const stride = outputs.card.decoding.strides[0]!;
    return (index) => {
      const [left, top, right, bottom] = [0, 1, 2, 3].map((side) =>
        sides.ofPhoto(index).subarray(side * rows * columns, (side + 1) * rows * columns),
      ) as [Float32Array, Float32Array, Float32Array, Float32Array];
      const peaks = findPeaks(scores.ofPhoto(index), rows, columns, outputs.minScore);
      return peaks.map(({ cell, classIndex, score }) => {
        const cx = (cell % columns) * stride;
        const cy = Math.floor(cell / columns) * stride;
        const [x1, y1] = [cx - left[cell]!, cy - top[cell]!];
        const [x2, y2] = [cx + right[cell]!, cy + bottom[cell]!];
        return { boxXyxy: { x1, y1, x2, y2 }, score, classIndex };
      });
    };
  },
});

/** A local maximum of one class's score map. */
export interface Peak {
  /** Index in the map, row by row. */
  readonly cell: number;
  readonly classIndex: number;
  readonly score: number;
}

/**
 * Cells of at least `minScore` that none of their eight neighbours exceeds, class by class, row by row. Equal neighbours are
 * both peaks, as with a 3 x 3 max pooling.
 * @param scores [classes, rows, columns]
 */
export function findPeaks(
  scores: Float32Array,
  rows: number,
  columns: number,
  minScore: number,
): Peak[] {
  const area = rows * columns;
  const peaks: Peak[] = [];
  for (let index = 0; index < scores.length; index++) {
    const score = scores[index]!;
    if (!(score >= minScore && isPeak(scores, index, rows, columns))) continue;
    peaks.push({ cell: index % area, classIndex: Math.floor(index / area), score });
  }
  return peaks;
}

/** @param index of the cell in the maps of all classes */
function isPeak(scores: Float32Array, index: number, rows: number, columns: number): boolean {
  const column = index % columns;
  const row = ((index - column) / columns) % rows;
  const score = scores[index]!;
  const left = column > 0 ? -1 : 0;
  const right = column < columns - 1 ? 1 : 0;
  const bottom = row < rows - 1 ? 1 : 0;
  for (let down = row > 0 ? -1 : 0; down <= bottom; down++) {
    for (let across = left; across <= right; across++) {
      if (scores[index + down * columns + across]! > score) return false;
    }
  }
  return true;
}
