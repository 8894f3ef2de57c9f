import { expect, it } from 'vitest';
import { LaneMeter } from '../../src/runtime/engine.js';

it('counts work up to the number of lanes, failed work too', async () => {
  let now = 100;
  const meter = new LaneMeter(2, () => now);
  expect(meter.busyMs).toBe(0);
  const ends: ((error?: Error) => void)[] = [];
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      ends.push((error) => (error ? reject(error) : resolve()));
    });
  now = 110;
  const one = meter.measure(work);
  now = 115;
  expect(meter.busyMs).toBe(5);
  const others = [meter.measure(work), meter.measure(work)];
  now = 125;
  expect(meter.busyMs).toBe(5 + 2 * 10);
  ends[0]!(new Error('broken'));
  await expect(one).rejects.toThrow('broken');
  ends[1]!();
  await others[0];
  now = 130;
  expect(meter.busyMs).toBe(25 + 5);
  ends[2]!();
  await others[1];
  now = 150;
  expect(meter.busyMs).toBe(30);
});
