import { describe, expect, it } from 'vitest';
import { detectorFamily } from '../../src/detect/families.js';
import type { NamedTensors, Tensor } from '../../src/detect/family.js';
import type { DetectorCard } from '../../src/formats/model-card.js';
import { shippedCard } from '../support/detector-card.js';

const LABELS = [
  { id: 3, name: 'lion' },
  { id: 9, name: 'bench' },
];
const OPTIONS = { minScore: 0.2, maxDetections: 10 };

/** A card over a raster of 32 x 16 pixels; photos are twice as large. */
function card(
  family: DetectorCard['family'],
  outputs: DetectorCard['outputs'],
  decoding: Partial<DetectorCard['decoding']> = {},
): DetectorCard {
  const shipped = shippedCard('dfine-s');
  return {
    ...shipped,
    name: 'test',
    family,
    input: { ...shipped.input, width: 32, height: 16 },
    outputs,
    decoding: { ...shipped.decoding, ...decoding },
    labels: LABELS,
  };
}

const float = (dims: readonly number[], ...values: number[]): Tensor => ({
  type: 'float32',
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => values[i] ?? 0),
  dims,
});

const long = (dims: readonly number[], ...values: number[]): Tensor => ({
  type: 'int64',
  data: BigInt64Array.from(values, BigInt),
  dims,
});

function decode(of: DetectorCard, outputs: NamedTensors, photos = 1) {
  const images = Array.from({ length: photos }, () => ({ width: 64, height: 32 }));
  return detectorFamily(of.family)
    .decode(outputs, images, of, OPTIONS)
    .map((detections) =>
      detections.map(({ boxXyxy: { x1, y1, x2, y2 }, score, label }) => [
        label,
        Math.round(score * 1e4) / 1e4,
        x1,
        y1,
        x2,
        y2,
      ]),
    );
}

describe('boxes that the graph has finished', () => {
  const ssd = { boxes: ['b'], scores: ['s'], classes: ['c'], count: ['n'] };

  it('are taken photo by photo, as many as each count says', () => {
    const outputs = {
      b: float([2, 2, 4], 0, 0, 0.5, 0.25, 0.5, 0, 1, 1, 0.25, 0.25, 1, 1),
      s: float([2, 2], 0.5, 0.75, 0.9, 0.9),
      c: float([2, 2], 1, 2, 2, 2),
      n: float([2], 2, 1),
    };
    expect(decode(card('ssd', ssd, { firstClass: 1 }), outputs, 2)).toEqual([
      [
        ['bench', 0.75, 0, 16, 64, 32],
        ['lion', 0.5, 0, 0, 16, 16],
      ],
      [['bench', 0.9, 16, 8, 64, 32]],
    ]);
  });

  it('lie as the card says, and may come without a batch', () => {
    const { count: _, ...roles } = ssd;
    const outputs = { b: float([1, 4], 8, 4, 16, 16), s: float([1], 0.5), c: long([1], 1) };
    const pixels = card('ssd', roles, { boxes: 'xyxy-pixels' });
    expect(decode(pixels, outputs)).toEqual([[['bench', 0.5, 16, 8, 32, 32]]]);
    const unit = { ...outputs, b: float([1, 4], 0.25, 0.5, 1, 1) };
    expect(decode(card('ssd', roles, { boxes: 'xyxy-unit' }), unit)).toEqual([
      [['bench', 0.5, 16, 16, 64, 32]],
    ]);
  });

  it('of the background are dropped, those of classes without a label are a error of the card', () => {
    const outputs = {
      b: float([1, 3, 4], ...Array(3).fill([0, 0, 1, 1]).flat()),
      s: float([1, 3], 0.9, 0.1, 0.7),
      c: float([1, 3], 0, 5, 1),
      n: float([1], 3),
    };
    const of = card('ssd', ssd, { firstClass: 1 });
    expect(decode(of, outputs)).toEqual([[['lion', 0.7, 0, 0, 64, 32]]]);
    expect(() => decode(of, { ...outputs, s: float([1, 3], 0.9, 0.8, 0.7) })).toThrow(
      'test: expected class numbers of at most 2, as the card has 2 labels, got 5',
    );
  });

  it('have scores of 0 to 1, but for the rounding of half precision', () => {
    const final = card('yolo', { predictions: ['p'] });
    const scored = (score: number) =>
      decode(final, { p: float([1, 1, 6], 0, 0, 32, 16, score, 1) });
    expect(scored(1.0005)).toEqual([[['bench', 1, 0, 0, 64, 32]]]);
    expect(() => scored(5)).toThrow('test: expected scores of 0 to 1, got 5');
    expect(() => scored(Number.POSITIVE_INFINITY)).toThrow('got Infinity');
    expect(scored(Number.NaN)).toEqual([[]]);
  });

  it('may have their scores behind the corners, as MMDeploy writes them', () => {
    const of = card('ssd', { boxes: ['d'], classes: ['l'] }, { boxes: 'xyxy-pixels' });
    const d = float([1, 2, 5], 0, 0, 16, 8, 0.5, 8, 4, 16, 16, 0.9);
    expect(decode(of, { d, l: long([1, 2], 0, 1) })).toEqual([
      [
        ['bench', 0.9, 16, 8, 32, 32],
        ['lion', 0.5, 0, 0, 32, 16],
      ],
    ]);
  });

  it('may be rows of seven numbers', () => {
    const flat = card('ssd', { rows: ['r'] }, { boxes: 'xyxy-pixels' });
    const rows = float([2, 7], 0, 0, 0, 16, 8, 1, 0.5, 1, 8, 4, 16, 16, 0, 0.9);
    expect(decode(flat, { r: rows }, 2)).toEqual([
      [['bench', 0.5, 0, 0, 32, 16]],
      [['lion', 0.9, 16, 8, 32, 32]],
    ]);
    const unit = card('ssd', { rows: ['r'] }, { boxes: 'xyxy-unit', firstClass: 1 });
    const caffe = float([1, 1, 2, 7], 0, 2, 0.5, 0, 0, 0.5, 0.5, -1, 1, 0.9, 0, 0, 1, 1);
    expect(decode(unit, { r: caffe })).toEqual([[['bench', 0.5, 0, 0, 32, 16]]]);
  });

  it('and those of YOLO-NAS have a list of scores beside them', () => {
    const of = card('yolo', { boxes: ['b'], scores: ['s'] });
    const outputs = { b: float([1, 2, 4], 0, 0, 16, 8), s: float([1, 2, 2], 0.1, 0.75) };
    expect(decode(of, outputs)).toEqual([[['bench', 0.75, 0, 0, 32, 16]]]);
  });

  it('may be none at all', () => {
    const outputs = { b: float([0, 4]), s: float([0]), c: long([0]) };
    expect(decode(card('ssd', { boxes: ['b'], scores: ['s'], classes: ['c'] }), outputs)).toEqual([
      [],
    ]);
    expect(decode(card('picodet', { rows: ['r'] }), { r: float([0, 6]) })).toEqual([[]]);
  });

  it("are PicoDet's rows, where its post-processing is in the graph", () => {
    const rows = float([3, 6], 1, 0.5, 8, 4, 16, 12, -1, 0, 0, 0, 0, 0, 0, 0.75, 0, 0, 32, 16);
    expect(decode(card('picodet', { rows: ['r'] }), { r: rows })).toEqual([
      [
        ['lion', 0.75, 0, 0, 64, 32],
        ['bench', 0.5, 16, 8, 32, 24],
      ],
    ]);
  });

  it('of other shapes are a error of the card', () => {
    const roles = { labels: ['l'], boxes: ['b'], scores: ['s'] };
    const outputs = { l: long([1, 2], 0, 1), b: float([1, 3, 4]), s: float([1, 2], 1, 1) };
    expect(() => decode(card('deim', roles), outputs)).toThrow(
      'test, output b: expected [1,2,4], got float32 [1,3,4]',
    );
    expect(() => decode(card('deim', roles), { l: long([1, 2], 0, 1) })).toThrow(
      'test, output s: expected [1,any], got nothing',
    );
  });
});

describe('YOLO in rows of queries', () => {
  it('has boxes in units of the input', () => {
    const output = float([1, 2, 6], 0.5, 0.5, 0.5, 0.5, 0.25, 0.75, 0, 0, 0, 0, 0.1, 0.1);
    const of = card('yolo', { predictions: ['p'] }, { strides: [8, 16], boxes: 'cxcywh-unit' });
    expect(decode(of, { p: output })).toEqual([
      [
        ['bench', 0.75, 16, 8, 48, 24],
        ['lion', 0.25, 16, 8, 48, 24],
      ],
    ]);
  });
});

describe('YOLOX that decodes itself', () => {
  it('has boxes in pixels', () => {
    // Strides 8 and 16: 8 and 2 cells.
    const values = new Float32Array(10 * 7);
    values.set([16, 8, 16, 8, 0.5, 1, 0.1], 21);
    const output: Tensor = { type: 'float32', data: values, dims: [1, 10, 7] };
    const of = card('yolox', { predictions: ['p'] }, { strides: [8, 16], boxes: 'cxcywh-pixels' });
    expect(decode(of, { p: output })).toEqual([[['lion', 0.5, 16, 8, 48, 24]]]);
  });
});

describe('DETR', () => {
  it('with sigmoid has a score for each class of a query, with softmax one for the best', () => {
    const roles = { logits: ['l'], boxes: ['b'] };
    const boxes = float([1, 1, 4], 0.5, 0.5, 0.5, 1);
    const sigmoid = card('detr', roles, { activation: 'sigmoid' });
    const sides = [16, 0, 48, 32];
    expect(decode(sigmoid, { l: float([1, 1, 2], Math.log(3), 0), b: boxes })).toEqual([
      [
        ['lion', 0.75, ...sides],
        ['bench', 0.5, ...sides],
      ],
    ]);
    const softmax = card('detr', roles, { activation: 'softmax' });
    const logits = float([1, 1, 3], Math.log(3), Math.log(2), Math.log(5));
    expect(decode(softmax, { l: logits, b: boxes })).toEqual([[['lion', 0.3, ...sides]]]);
    expect(() => decode(softmax, { l: float([1, 1, 2]), b: boxes })).toThrow(
      'test, output l: expected 2 + 1 logits for 2 labels, got float32 [1,1,2]',
    );
  });
});
