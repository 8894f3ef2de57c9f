import { describe, expect, it } from 'vitest';
import { type DetectAsking, type DetectJob, type Job, takeBatch } from '../../src/runtime/pool.js';
import { shippedCard } from '../support/detector-card.js';

const CARD = shippedCard('centernet');
const settle = { resolve: () => undefined, reject: () => undefined };

function asking(batchLimit: number): DetectAsking {
  const options = { minScore: 0.1, maxDetections: 10 };
  return { card: CARD, options, batchLimit };
}

function detectJob(of: DetectAsking, width: number, height: number): DetectJob {
  const size = { width, height };
  const raster = { ...size, data: new Uint8Array(0) };
  return { asking: of, item: { raster, image: size }, ...settle };
}

describe('takeBatch', () => {
  it('takes photos of one shape, past those of others, which keep their order', () => {
    const of = asking(3);
    const wide = [1, 2, 3, 4].map(() => detectJob(of, 640, 480));
    const high = [1, 2].map(() => detectJob(of, 480, 640));
    const queue: Job[] = [wide[0]!, high[0]!, wide[1]!, wide[2]!, high[1]!, wide[3]!];
    const all = [...queue];
    const places = () => takeBatch(queue).map((job) => all.indexOf(job));
    expect(places()).toEqual([0, 2, 3]);
    expect(places()).toEqual([1, 4]);
    expect(places()).toEqual([5]);
    expect(queue).toEqual([]);
  });

  it('takes no photos that are asked otherwise, and other jobs alone', () => {
    const [one, other] = [asking(8), asking(8)];
    const load: Job = { serve: async () => undefined, reject: () => undefined, devices: () => [] };
    const [first, second] = [detectJob(one, 64, 64), detectJob(other, 64, 64)];
    const queue: Job[] = [load, first, second];
    expect(takeBatch(queue)).toEqual([load]);
    expect(takeBatch(queue)[0]).toBe(first);
    expect(queue).toHaveLength(1);
    expect(queue[0]).toBe(second);
  });
});
