import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Turnstile } from '../../src/runtime/answerer.js';

it('lets requests through in the order in which they entered, whichever is ready first', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 12 }), async (scheduler, count) => {
      const turnstile = new Turnstile();
      const order: number[] = [];
      const requests = Array.from({ length: count }, async (_, index) => {
        const turn = turnstile.enter();
        await scheduler.schedule(Promise.resolve());
        // Every third one ends without a decision, as one that failed.
        if (index % 3 !== 2) {
          await turn.come;
          order.push(index);
        }
        turn.take();
      });
      await scheduler.waitAll();
      await Promise.all(requests);
      expect(order).toEqual([...Array(count).keys()].filter((index) => index % 3 !== 2));
    }),
  );
});
