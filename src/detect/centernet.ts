import type { DetectorFamily } from './family.js';
import { headOfPhoto, headsFor, outputsFor } from './heads.js';
import { packRasters } from './packing.js';
import { finishProposals, type Proposal } from './proposal.js';

/**
 * Centres of objects are peaks of a score map per class; four more maps hold the distances to the sides. Roles of the
 * outputs: `scores` [batch, classes, rows, columns], 0..1; `sides` [batch, 4, rows, columns], input pixels from the centre to
 * left, top, right, bottom. A centre can be a peak of several classes and gives a box for each.
 * @see Zhou et al., Objects as Points, arXiv 1904.07850; Liu et al., Training-Time-Friendly Network, arXiv 1909.00700
 */
export const centernet: DetectorFamily = {
  pack: packRasters,

  outputNames: (card) => [...outputsFor(card, 'scores'), ...outputsFor(card, 'sides')],

  decode(outputs, images, card, options) {
    const batch = images.length;
    const [scores] = headsFor(outputs, card, 'scores', batch, [null, null, null]);
    const [, , rows, columns] = scores!.dims as [number, number, number, number];
    const [sides] = headsFor(outputs, card, 'sides', batch, [4, rows, columns]);
    const stride = card.decoding.strides[0]!;
    return images.map((image, index) => {
      const peaks = findPeaks(headOfPhoto(scores!, index), rows, columns, options.minScore);
      const ofPhoto = headOfPhoto(sides!, index);
      const proposals = peaks.map((peak) => proposalAt(peak, ofPhoto, columns, stride));
      return { detections: finishProposals(proposals, image, card, options) };
    });
  },
};

/** A local maximum of one class's score map. */
export interface Peak {
  /** Place in the map, row by row. */
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
  const peaks: Peak[] = [];
  for (const place of placesFrom(scores, minScore)) {
    const cell = place % (rows * columns);
    if (!isPeak(scores, place, cell, rows, columns)) continue;
    const classIndex = (place - cell) / (rows * columns);
    peaks.push({ cell, classIndex, score: scores[place]! });
  }
  return peaks;
}

/**
 * Places of the values of at least `minScore`. Of a million values almost none are: eight are looked at in one branch, which takes
 * half the time of one by one.
 */
function placesFrom(scores: Float32Array, minScore: number): number[] {
  const places: number[] = [];
  const { length } = scores;
  const add = (from: number, to: number): void => {
    for (let place = from; place < to; place++) if (scores[place]! >= minScore) places.push(place);
  };
  const whole = length - (length % 8);
  for (let place = 0; place < whole; place += 8) {
    if (
      scores[place]! >= minScore ||
      scores[place + 1]! >= minScore ||
      scores[place + 2]! >= minScore ||
      scores[place + 3]! >= minScore ||
      scores[place + 4]! >= minScore ||
      scores[place + 5]! >= minScore ||
      scores[place + 6]! >= minScore ||
      scores[place + 7]! >= minScore
    ) {
      add(place, place + 8);
    }
  }
  add(whole, length);
  return places;
}

function isPeak(
  scores: Float32Array,
  place: number,
  cell: number,
  rows: number,
  columns: number,
): boolean {
  const column = cell % columns;
  const row = (cell - column) / columns;
  const score = scores[place]!;
  const left = column > 0 ? -1 : 0;
  const right = column < columns - 1 ? 1 : 0;
  const bottom = row < rows - 1 ? 1 : 0;
  for (let down = row > 0 ? -1 : 0; down <= bottom; down++) {
    for (let across = left; across <= right; across++) {
      if (scores[place + down * columns + across]! > score) return false;
    }
  }
  return true;
}

function proposalAt(
  { cell, classIndex, score }: Peak,
  sides: Float32Array,
  columns: number,
  stride: number,
): Proposal {
  const area = sides.length / 4;
  const cx = (cell % columns) * stride;
  const cy = Math.floor(cell / columns) * stride;
  return {
    boxXyxy: {
      x1: cx - sides[cell]!,
      y1: cy - sides[area + cell]!,
      x2: cx + sides[2 * area + cell]!,
      y2: cy + sides[3 * area + cell]!,
    },
    score,
    classIndex,
  };
}
