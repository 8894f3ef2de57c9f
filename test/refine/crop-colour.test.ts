import { describe, expect, it } from 'vitest';
import {
  COLOUR_TERMS,
  colourFit,
  cropColours,
  labOf,
  likeness,
  termOf,
} from '../../src/refine/colour.js';
import { box, detected, PHOTO, refined, request } from '../support/candidates.js';

type Rgb = readonly [number, number, number];

describe('labOf', () => {
  // Reference values: CIE 1976 under D65, two degrees.
  it.each<[Rgb, [number, number, number]]>([
    [
      [255, 255, 255],
      [100, 0, 0],
    ],
    [
      [0, 0, 0],
      [0, 0, 0],
    ],
    [
      [255, 0, 0],
      [53.24, 80.09, 67.2],
    ],
    [
      [0, 255, 0],
      [87.74, -86.18, 83.18],
    ],
    [
      [0, 0, 255],
      [32.3, 79.19, -107.86],
    ],
  ])('%j', (rgb, [l, a, b]) => {
    const lab = labOf(...rgb);
    expect(lab.l).toBeCloseTo(l, 1);
    expect(lab.a).toBeCloseTo(a, 1);
    expect(lab.b).toBeCloseTo(b, 1);
  });
});

describe('termOf', () => {
  it.each<[string, Rgb]>([
    ['red', [200, 30, 30]],
    ['orange', [245, 130, 20]],
    ['yellow', [250, 220, 40]],
    ['green', [40, 140, 50]],
    ['blue', [40, 70, 180]],
    ['blue', [120, 170, 230]],
    ['purple', [120, 50, 150]],
    ['pink', [245, 150, 180]],
    ['brown', [110, 70, 40]],
    ['gray', [128, 128, 128]],
    ['black', [15, 15, 18]],
    ['white', [245, 245, 240]],
  ])('%s', (term, rgb) => expect(termOf(labOf(...rgb))).toBe(term));

  it('passes for itself wholly and for others in part, both ways', () => {
    for (const one of COLOUR_TERMS) {
      for (const other of COLOUR_TERMS) {
        expect(likeness(one, other)).toBe(likeness(other, one));
        if (one === other) expect(likeness(one, other)).toBe(1);
        else expect(likeness(one, other)).toBeLessThan(0.6);
      }
    }
  });
});

/** Two persons side by side: red over blue on the left, white over black on the right. */
const raster = (() => {
  const [width, height] = [60, 40];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const upper = y < 20;
      const left = x < 30;
      const rgb = left
        ? upper
          ? [200, 20, 20]
          : [30, 50, 170]
        : upper
          ? [240, 240, 240]
          : [5, 5, 5];
      data.set(rgb, (y * width + x) * 3);
    }
  }
  return { width, height, data };
})();
const evidence = { raster, contentXyxy: { x1: 0, y1: 0, x2: 60, y2: 40 } };
const [left, right] = [box(50, 0, 200, 400), box(350, 0, 200, 400)];

describe('cropColours', () => {
  it('sees upper and lower halves apart', () => {
    const upper = cropColours(evidence, PHOTO, left, 'upper')!;
    const lower = cropColours(evidence, PHOTO, left, 'lower')!;
    expect(colourFit(upper, 'red')).toBe(1);
    expect(colourFit(upper, 'blue')).toBe(0);
    expect(colourFit(lower, 'blue')).toBe(1);
    expect(upper.lightness).toBeLessThan(cropColours(evidence, PHOTO, right, 'upper')!.lightness);
  });

  it('looks lower for the clothes of a person who is not seen down to the feet', () => {
    const wide = box(0, 0, 300, 400);
    expect(colourFit(cropColours(evidence, PHOTO, wide, 'upper')!, 'blue')).toBeGreaterThan(0.7);
    expect(colourFit(cropColours(evidence, PHOTO, wide, 'whole')!, 'blue')).toBeCloseTo(0.5, 9);
  });

  it('is null for a box without extent, and looks no further than the raster', () => {
    expect(cropColours(evidence, PHOTO, box(10, 10, 0, 5), 'whole')).toBeNull();
    const beyond = cropColours(evidence, PHOTO, box(-900, -900, 3000, 3000), 'whole')!;
    expect(beyond.shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
  });
});

describe('colour words', () => {
  const people = detected([
    ['person', 0.8, right],
    ['person', 0.7, left],
  ]);
  it.each([
    ['man in the red shirt', left],
    ['guy blue jeans', left],
    ['woman white top', right],
    ['lady in black pants', right],
    ['person not in a white shirt', left],
    ['person in light shirt', right],
    ['dude in dark shirt', left],
  ])('%s', async (query, meant) => {
    const { think } = await refined({ ...request(query, people), evidence });
    expect(think.boxXyxy).toEqual(meant);
  });
});
