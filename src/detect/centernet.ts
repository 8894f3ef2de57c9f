import { headFor, headOfPhoto } from './heads.js';
import { closedFamily, type Proposal } from './proposal.js';

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
    const area = rows * columns;
    return (index) => {
      const ofScores = headOfPhoto(scores, index);
      const ofSides = headOfPhoto(sides, index);
      return findPeaks(ofScores, rows, columns, outputs.minScore).map((peak): Proposal => {
        const cell = peak % area;
        const cx = (cell % columns) * stride;
        const cy = Math.floor(cell / columns) * stride;
        const boxXyxy = {
          x1: cx - ofSides[cell]!,
          y1: cy - ofSides[area + cell]!,
          x2: cx + ofSides[2 * area + cell]!,
          y2: cy + ofSides[3 * area + cell]!,
        };
        return { boxXyxy, score: ofScores[peak]!, classIndex: Math.floor(peak / area) };
      });
    };
  },
});

/**
 * Cells of at least `minScore` that none of their eight neighbours exceeds, class by class, row by row. Equal neighbours are
 * both peaks, as with a 3 x 3 max pooling.
 * @param scores [classes, rows, columns]
 * @returns indices in `scores`
 */
export function findPeaks(
  scores: Float32Array,
  rows: number,
  columns: number,
  minScore: number,
): number[] {
  return indicesFrom(scores, minScore).filter((index) => isPeak(scores, index, rows, columns));
}

/**
 * Indices of the values of at least `minScore`. Of a million values almost none are: eight are looked at in one branch, which takes
 * half the time of one by one.
 */
function indicesFrom(scores: Float32Array, minScore: number): number[] {
  const indices: number[] = [];
  const { length } = scores;
  const add = (from: number, to: number): void => {
    for (let index = from; index < to; index++) if (scores[index]! >= minScore) indices.push(index);
  };
  const whole = length - (length % 8);
  for (let index = 0; index < whole; index += 8) {
    if (
      scores[index]! >= minScore ||
      scores[index + 1]! >= minScore ||
      scores[index + 2]! >= minScore ||
      scores[index + 3]! >= minScore ||
      scores[index + 4]! >= minScore ||
      scores[index + 5]! >= minScore ||
      scores[index + 6]! >= minScore ||
      scores[index + 7]! >= minScore
    ) {
      add(index, index + 8);
    }
  }
  add(whole, length);
  return indices;
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
