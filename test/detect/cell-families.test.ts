import { describe, expect, it } from 'vitest';
import { detectorFamily } from '../../src/detect/families.js';
import type { NamedTensors } from '../../src/detect/family.js';
import { gridLevels } from '../../src/detect/family.js';
import { boxAround, expectedBin } from '../../src/detect/picodet.js';
import type { DetectorCard } from '../../src/formats/model-card.js';
import { shippedCard } from '../support/detector-card.js';

const LABELS = [
  { id: 3, name: 'lion' },
  { id: 9, name: 'bench' },
];
const SIZE = [{ width: 64, height: 64 }];
const OPTIONS = { minScore: 0.2, maxDetections: 10 };

/** The shipped card with two labels, an input of 32 x 32 and strides 8 and 16: 16 and 4 cells. */
function smallCard(name: string): DetectorCard {
  const card = shippedCard(name);
  return {
    ...card,
    input: { ...card.input, width: 32, height: 32 },
    decoding: { ...card.decoding, strides: [8, 16] },
    labels: LABELS,
  };
}

/** Logits of four distances in strides: all weight on one bin each. */
function certain(...bins: readonly number[]): number[] {
  return bins.flatMap((bin) => Array.from({ length: 8 }, (_, place) => (place === bin ? 100 : 0)));
}

function rows(count: number, length: number, filled: Readonly<Record<number, readonly number[]>>) {
  const data = new Float32Array(count * length);
  for (const [row, values] of Object.entries(filled)) data.set(values, Number(row) * length);
  return { type: 'float32' as const, data, dims: [1, count, length] };
}

function decode(card: DetectorCard, outputs: NamedTensors) {
  const [photo] = detectorFamily(card.family).decode(outputs, SIZE, card, OPTIONS);
  return photo?.map(({ boxXyxy: { x1, y1, x2, y2 }, score, label }) => [
    label,
    score,
    ...[x1, y1, x2, y2].map((side) => Math.round(side * 1e4) / 1e4),
  ]);
}

describe('distances as distributions', () => {
  it('are the mean bin under the softmax', () => {
    expect(expectedBin(Float32Array.of(0, 0, 0, 0), 0, 4)).toBe(1.5);
    const [a, b] = [Math.log(3), Math.log(1)];
    expect(expectedBin(Float32Array.of(9, a, b), 1, 2)).toBeCloseTo(0.25, 6);
    expect(expectedBin(Float32Array.of(1000, -1000), 0, 2)).toBe(0);
  });

  it('lie left, above, right and below the centre', () => {
    const logits = Float32Array.from(certain(1, 2, 3, 4));
    const { x1, y1, x2, y2 } = boxAround({ x: 5, y: 6 }, logits, 0, 8);
    expect([x1, y1, x2, y2]).toEqual([32, 32, 64, 80]);
  });
});

describe('gridLevels', () => {
  it('counts cells of all strides in a row, the part cells too', () => {
    expect(gridLevels({ width: 416, height: 416 }, [8, 64])).toEqual([
      { stride: 8, rows: 52, columns: 52, start: 0 },
      { stride: 64, rows: 7, columns: 7, start: 2704 },
    ]);
  });
});

describe('decoding NanoDet-Plus', () => {
  it('takes centres at the corner of cells, over all strides', () => {
    const output = rows(20, 2 + 32, {
      // Stride 8, row 1, column 2; stride 16, row 1, column 1.
      6: [0.5, 0.25, ...certain(1, 1, 1, 1)],
      19: [0, 0.75, ...certain(1, 0, 1, 1)],
    });
    expect(decode(smallCard('nanodet-plus-m-416'), { output })).toEqual([
      ['bench', 0.75, 0, 32, 64, 64],
      ['lion', 0.5, 16, 0, 48, 32],
      ['bench', 0.25, 16, 0, 48, 32],
    ]);
  });

  it('suppresses the weaker of two boxes of one label', () => {
    const output = rows(20, 34, {
      5: [0.5, 0.3, ...certain(1, 1, 2, 2)],
      6: [0.4, 0, ...certain(2, 1, 1, 2)],
    });
    expect(decode(smallCard('nanodet-plus-m-416'), { output })).toHaveLength(2);
  });
});

describe('decoding PicoDet', () => {
  it('takes centres in the middle of cells, from a pair of outputs for each stride', () => {
    const shipped = smallCard('picodet-s-320');
    const card = { ...shipped, outputs: { scores: ['s8', 's16'], distances: ['d8', 'd16'] } };
    const outputs = {
      s8: rows(16, 2, { 6: [0.5, 0.1] }),
      d8: rows(16, 32, { 6: certain(1, 1, 1, 1) }),
      s16: rows(4, 2, { 3: [0, 0.75] }),
      d16: rows(4, 32, { 3: certain(1, 0, 0, 1) }),
    };
    expect(decode(card, outputs)).toEqual([
      ['bench', 0.75, 16, 48, 48, 64],
      ['lion', 0.5, 24, 8, 56, 40],
    ]);
    expect(() => decode(card, { ...outputs, s16: rows(5, 2, {}) })).toThrow(
      'picodet-s-320: expected 4 cells at stride 16',
    );
  });
});

describe('decoding YOLOX', () => {
  it('multiplies object and class, and takes sizes as logarithms of strides', () => {
    const output = rows(20, 7, {
      // Stride 8, row 1, column 2; stride 16, row 0, column 1.
      6: [0.5, 0.5, Math.log(2), Math.log(1), 0.5, 1, 0.5],
      17: [0.25, 0.5, Math.log(0.5), Math.log(0.5), 1, 0.75, 0.1],
    });
    expect(decode(smallCard('yolox-nano'), { output })).toEqual([
      ['lion', 0.75, 32, 8, 48, 24],
      ['lion', 0.5, 24, 16, 56, 32],
      ['bench', 0.25, 24, 16, 56, 32],
    ]);
  });

  it('undoes the letterbox', () => {
    const card = smallCard('yolox-nano');
    const output = rows(20, 7, { 0: [1, 1, 0, 0, 1, 1, 0] });
    const [photo] = detectorFamily('yolox').decode(
      { output },
      [{ width: 320, height: 160 }],
      card,
      OPTIONS,
    );
    expect(photo?.[0]?.boxXyxy).toEqual({ x1: 40, y1: 40, x2: 120, y2: 120 });
  });
});
