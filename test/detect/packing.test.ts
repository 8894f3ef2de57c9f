import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../src/detect/family.js';
import { packRasters } from '../../src/detect/packing.js';
import type { DetectorCard } from '../../src/formats/model-card.js';
import { shippedCard } from '../support/detector-card.js';

/** A card for rasters of 2 x 1 pixels. */
function tiny(name: string, input: Partial<DetectorCard['input']> = {}): DetectorCard {
  const card = shippedCard(name);
  return { ...card, input: { ...card.input, width: 2, height: 1, ...input } };
}

const raster = (...data: number[]) => ({ width: 2, height: 1, data: Uint8Array.from(data) });

const numbers = (tensor?: Tensor) => Array.from((tensor?.data ?? []) as ArrayLike<number>);

describe('packRasters', () => {
  it('hands one raster of bytes over as it is', () => {
    const pixels = raster(1, 2, 3, 4, 5, 6);
    const { images } = packRasters([pixels], tiny('centernet'));
    expect(images).toEqual({ type: 'uint8', data: pixels.data, dims: [1, 1, 2, 3] });
    expect(images?.data).toBe(pixels.data);
  });

  it('puts several rasters of bytes one after the other', () => {
    const { images } = packRasters(
      [raster(1, 2, 3, 4, 5, 6), raster(7, 8, 9, 10, 11, 12)],
      tiny('centernet'),
    );
    expect(images?.dims).toEqual([2, 1, 2, 3]);
    expect(numbers(images)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it('lays bytes plane by plane where the graph takes them so', () => {
    const { images } = packRasters(
      [raster(1, 2, 3, 4, 5, 6)],
      tiny('centernet', { layout: 'nchw' }),
    );
    expect(images).toMatchObject({ type: 'uint8', dims: [1, 3, 1, 2] });
    expect(numbers(images)).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it('normalises in the order of the channels that the card gives, plane by plane', () => {
    const card = tiny('nanodet-plus-m-416', { mean: [1, 2, 3], std: [1, 2, 4] });
    const { data } = packRasters([raster(11, 6, 3, 7, 4, 2)], card);
    expect(data?.dims).toEqual([1, 3, 1, 2]);
    // Blue, green, red.
    expect(numbers(data)).toEqual([2, 1, 2, 1, 2, 1]);
  });

  it('scales before it normalises, and writes pixel by pixel where the layout is nhwc', () => {
    const card = tiny('picodet-s-320', {
      layout: 'nhwc',
      batch: 'any',
      scale: 0.5,
      mean: [0, 1, 0],
      std: [1, 1, 2],
    });
    const { image } = packRasters([raster(2, 4, 8, 0, 2, 4), raster(0, 0, 0, 0, 0, 0)], card);
    expect(image?.dims).toEqual([2, 1, 2, 3]);
    expect(numbers(image)).toEqual([1, 1, 2, 0, 0, 1, 0, -1, 0, 0, -1, 0]);
  });

  it.each([
    ['no raster', [], 'picodet-s-320: expected one raster, got 0'],
    [
      'two rasters for a graph that takes one',
      [raster(0, 0, 0, 0, 0, 0), raster(0, 0, 0, 0, 0, 0)],
      'picodet-s-320: expected one raster, got 2',
    ],
    [
      'a raster of another size',
      [{ width: 1, height: 1, data: new Uint8Array(3) }],
      'picodet-s-320: expected rasters of 2 x 1, got 1 x 1 with 3 bytes',
    ],
  ])('refuses %s', (_, rasters, message) => {
    expect(() => packRasters(rasters, tiny('picodet-s-320'))).toThrow(message);
  });
});
