import { describe, expect, it } from 'vitest';
import { centernet, findPeaks } from '../../src/detect/centernet.js';
import type { NamedTensors } from '../../src/detect/family.js';
import type { DetectorCard } from '../../src/formats/model-card.js';
import { shippedCard } from '../support/detector-card.js';

const ROWS = 4;
const COLUMNS = 6;
const AREA = ROWS * COLUMNS;

/** Two classes over 4 x 6 cells of 4 pixels. */
const CARD: DetectorCard = {
  ...shippedCard('centernet'),
  input: {
    ...shippedCard('centernet').input,
    width: COLUMNS * 4,
    height: ROWS * 4,
    fit: 'stretch',
  },
  decoding: { minScore: 0.1, maxDetections: 10, nmsIou: null, strides: [4] },
  labels: [
    { id: 3, name: 'lion' },
    { id: 9, name: 'bench' },
  ],
};
const OPTIONS = { minScore: 0.1, maxDetections: 10 };

interface Placed {
  readonly photo?: number;
  readonly classIndex: number;
  readonly row: number;
  readonly column: number;
  readonly score: number;
  /** Left, top, right, bottom, input pixels. */
  readonly sides?: readonly [number, number, number, number];
}

function heads(placed: readonly Placed[], batch = 1): NamedTensors {
  const scores = new Float32Array(batch * 2 * AREA);
  const sides = new Float32Array(batch * 4 * AREA);
  for (const { photo = 0, classIndex, row, column, score, sides: of = [4, 4, 4, 4] } of placed) {
    const cell = row * COLUMNS + column;
    scores[(photo * 2 + classIndex) * AREA + cell] = score;
    of.forEach((length, side) => {
      sides[(photo * 4 + side) * AREA + cell] = length;
    });
  }
  return {
    keypoints: { type: 'float32', data: scores, dims: [batch, 2, ROWS, COLUMNS] },
    wh: { type: 'float32', data: sides, dims: [batch, 4, ROWS, COLUMNS] },
  };
}

describe('decoding CenterNet', () => {
  it('gives boxes around peaks, in pixels of the photo, clipped', () => {
    const outputs = heads([
      { classIndex: 1, row: 1, column: 2, score: 0.75, sides: [3, 2, 5, 6] },
      { classIndex: 0, row: 3, column: 5, score: 0.5, sides: [1, 1, 40, 40] },
    ]);
    // The photo is twice as wide and three times as high as the input.
    const [photo] = centernet.decode(outputs, [{ width: 48, height: 48 }], CARD, OPTIONS);
    expect(photo).toEqual([
      {
        boxXyxy: { x1: 10, y1: 6, x2: 26, y2: 30 },
        score: 0.75,
        label: 'bench',
        categoryId: 9,
      },
      {
        boxXyxy: { x1: 38, y1: 33, x2: 48, y2: 48 },
        score: 0.5,
        label: 'lion',
        categoryId: 3,
      },
    ]);
  });

  it('gives a box for every class that peaks at one centre', () => {
    const outputs = heads([
      { classIndex: 0, row: 1, column: 1, score: 0.25 },
      { classIndex: 1, row: 1, column: 1, score: 0.5 },
    ]);
    const [photo] = centernet.decode(outputs, [{ width: 24, height: 16 }], CARD, OPTIONS);
    expect(photo?.map(({ label }) => label)).toEqual(['bench', 'lion']);
  });

  it('orders equal scores by class, then by place, and stops at the limit', () => {
    const score = 0.5;
    const outputs = heads([
      { classIndex: 1, row: 0, column: 0, score },
      { classIndex: 0, row: 3, column: 3, score },
      { classIndex: 0, row: 0, column: 3, score },
    ]);
    const options = { minScore: 0.1, maxDetections: 2 };
    const [photo] = centernet.decode(outputs, [{ width: 24, height: 16 }], CARD, options);
    expect(photo?.map(({ label, boxXyxy }) => [label, boxXyxy.y1])).toEqual([
      ['lion', 0],
      ['lion', 8],
    ]);
  });

  it('keeps the photos of a batch apart', () => {
    const outputs = heads(
      [
        { photo: 0, classIndex: 0, row: 1, column: 1, score: 0.5 },
        { photo: 1, classIndex: 1, row: 2, column: 4, score: 0.25, sides: [2, 2, 2, 2] },
      ],
      2,
    );
    const sizes = [
      { width: 24, height: 16 },
      { width: 240, height: 160 },
    ];
    const [first, second] = centernet.decode(outputs, sizes, CARD, OPTIONS);
    expect(first?.map(({ boxXyxy }) => boxXyxy)).toEqual([{ x1: 0, y1: 0, x2: 8, y2: 8 }]);
    expect(second?.map(({ boxXyxy }) => boxXyxy)).toEqual([{ x1: 140, y1: 60, x2: 180, y2: 100 }]);
  });

  it('drops boxes that lie outside the photo', () => {
    const outputs = heads([
      { classIndex: 0, row: 0, column: 0, score: 0.5, sides: [9, 9, -1, -1] },
    ]);
    const [photo] = centernet.decode(outputs, [{ width: 24, height: 16 }], CARD, OPTIONS);
    expect(photo).toEqual([]);
  });

  it('suppresses overlaps of a class where the card says so', () => {
    const outputs = heads([
      { classIndex: 0, row: 1, column: 1, score: 0.5, sides: [4, 4, 12, 8] },
      { classIndex: 0, row: 1, column: 3, score: 0.25, sides: [12, 4, 4, 8] },
    ]);
    const card = { ...CARD, decoding: { ...CARD.decoding, nmsIou: 0.7 } };
    const sizes = [{ width: 24, height: 16 }];
    expect(centernet.decode(outputs, sizes, CARD, OPTIONS)[0]).toHaveLength(2);
    expect(centernet.decode(outputs, sizes, card, OPTIONS)[0]).toHaveLength(1);
  });

  it.each([
    ['is missing', {}, 'got nothing'],
    [
      'is of another shape',
      { keypoints: { type: 'float32' as const, data: new Float32Array(8), dims: [1, 8] } },
      'got float32 [1,8]',
    ],
  ])('refuses an output that %s', (_, outputs, message) => {
    const decode = () => centernet.decode(outputs, [{ width: 1, height: 1 }], CARD, OPTIONS);
    expect(decode).toThrow(
      `centernet, output keypoints: expected float32 [1,any,any,any], ${message}`,
    );
  });
});

describe('findPeaks', () => {
  it('takes equal neighbours as peaks both, and looks over no border', () => {
    // The last cell of a row and the first of the next are no neighbours, nor are classes.
    const scores = Float32Array.of(0.5, 0.5, 0.2, 0.3, 0.1, 0.1, 0, 0.9, 0, 0, 0, 0);
    expect(findPeaks(scores, 2, 3, 0.1)).toEqual([0, 1, 7]);
  });

  it('finds the peaks of a 3 x 3 max pooling', () => {
    const [classes, rows, columns] = [3, 9, 7];
    let state = 7;
    const scores = Float32Array.from({ length: classes * rows * columns }, () => {
      state = (state * 48271) % 2147483647;
      return (state % 20) / 20;
    });
    const at = (c: number, y: number, x: number) =>
      y < 0 || x < 0 || y >= rows || x >= columns ? 0 : scores[(c * rows + y) * columns + x]!;
    const expected: string[] = [];
    for (let c = 0; c < classes; c++) {
      for (let y = 0; y < rows; y++) {
        for (let x = 0; x < columns; x++) {
          const around = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => at(c, y + dy, x + dx)));
          const highest = Math.max(...around);
          if (at(c, y, x) >= 0.25 && at(c, y, x) === highest) expected.push(`${c} ${y} ${x}`);
        }
      }
    }
    const found = findPeaks(scores, rows, columns, 0.25).map((index) => {
      const row = Math.floor(index / columns);
      return `${Math.floor(row / rows)} ${row % rows} ${index % columns}`;
    });
    expect(found).toEqual(expected);
    expect(found.length).toBeGreaterThan(20);
  });
});
