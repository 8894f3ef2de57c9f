import { describe, expect, it } from 'vitest';
import { parsePreprocessor } from '../../src/models/facts.js';

describe('preprocessor_config.json', () => {
  it('says size and normalisation, and what it turns off is off', () => {
    expect(
      parsePreprocessor({
        do_normalize: true,
        do_rescale: true,
        rescale_factor: 0.5,
        image_mean: [1, 2, 3],
        image_std: [4, 5, 6],
        size: { height: 480, width: 640 },
        image_processor_type: 'SomeProcessor',
      }),
    ).toEqual({ width: 640, height: 480, scale: 0.5, mean: [1, 2, 3], std: [4, 5, 6] });
    expect(
      parsePreprocessor({ do_normalize: false, image_mean: [1, 2, 3], image_std: [4, 5, 6] }),
    ).toEqual({ scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1] });
    expect(parsePreprocessor({ do_rescale: false })).toMatchObject({ scale: 1 });
  });

  it('gives a square to models that go by the shorter side', () => {
    const size = { shortest_edge: 800, longest_edge: 1333 };
    expect(parsePreprocessor({ size })).toMatchObject({ width: 800, height: 800 });
    expect(parsePreprocessor({ size: 384 })).toMatchObject({ width: 384, height: 384 });
  });

  it.each([[null], [[]], ['x'], [{ image_mean: [1] }], [{ size: 'big' }]])(
    'is passed by where it cannot be read: %j',
    (json) => {
      expect(parsePreprocessor(json)).toBeUndefined();
    },
  );
});
