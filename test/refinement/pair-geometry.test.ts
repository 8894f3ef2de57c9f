import fc from 'fast-check';
import { expect, test } from 'vitest';
import { areaXyxy, type BoxCxcywh, cxcywhToXyxy } from '../../src/geometry/box.js';
import { intersectionXyxy, iouXyxy, shareInsideXyxy } from '../../src/geometry/overlap.js';
import { PAIR_CHANNELS, pairGeometry } from '../../src/refinement/pair-geometry.js';
import { input } from '../../src/tensor/expression.js';
import { floats, openGraph } from '../training/graph-session.js';

const limited = (value: number, limit: number) => Math.max(-limit, Math.min(limit, value)) / limit;

/** What the graph gives for candidate i and candidate j, from the functions of the geometry room. */
function expectedPair(i: BoxCxcywh, j: BoxCxcywh): readonly number[] {
  const [a, b] = [cxcywhToXyxy(i), cxcywhToXyxy(j)];
  // The room guards its quotient with 1e-6, which is not small against areas in shares of a photo.
  const union = areaXyxy(a) + areaXyxy(b) - intersectionXyxy(a, b);
  return [
    (iouXyxy(a, b) * (union + 1e-6)) / union,
    shareInsideXyxy(b, a),
    shareInsideXyxy(a, b),
    limited((2 * (j.cx - i.cx)) / (i.width + j.width), 3),
    limited((2 * (j.cy - i.cy)) / (i.height + j.height), 3),
    limited(Math.log(areaXyxy(b) / areaXyxy(a)), 4),
  ];
}

const place = fc.double({ min: 0, max: 1, noNaN: true });
const size = fc.double({ min: 0.01, max: 1, noNaN: true });
const box = fc.record({ cx: place, cy: place, width: size, height: size });

test('pairs of boxes lie as the geometry room says', async () => {
  const boxes = input('boxes', ['batch', 'candidates', 4]);
  const session = await openGraph({ pairs: pairGeometry(boxes) });
  const pairsOf = async (each: readonly BoxCxcywh[]) => {
    const data = each.flatMap(({ cx, cy, width, height }) => [cx, cy, width, height]);
    return (await session.run({ boxes: floats(data, [1, each.length, 4]) })).pairs!;
  };
  await fc.assert(
    fc.asyncProperty(fc.array(box, { minLength: 1, maxLength: 5 }), async (each) => {
      const pairs = await pairsOf(each);
      each.forEach((i, row) => {
        each.forEach((j, column) => {
          const start = (row * each.length + column) * PAIR_CHANNELS;
          const got = pairs.subarray(start, start + PAIR_CHANNELS);
          expectedPair(i, j).forEach((value, channel) => {
            expect(Math.abs(got[channel]! - value), `channel ${channel}`).toBeLessThan(1e-3);
          });
        });
      });
    }),
  );
  const flat = await pairsOf([{ cx: 0.5, cy: 0.5, width: 0, height: 0 }]);
  expect([...flat].every(Number.isFinite)).toBe(true);
  await session.close();
});
