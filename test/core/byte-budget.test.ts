import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteBudget } from '../../src/core/semaphore.js';

/** A promise that is settled from outside. */
function gate(): { readonly open: () => void; readonly passed: Promise<void> } {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('a byte budget', () => {
  it('lets works run side by side as far as there is room', async () => {
    const budget = new ByteBudget(10);
    const running: string[] = [];
    const gates = { a: gate(), b: gate(), c: gate() };
    const runs = (['a', 'b', 'c'] as const).map((name) =>
      budget.hold(4, async () => {
        running.push(name);
        await gates[name].passed;
      }),
    );
    await settle();
    expect(running).toEqual(['a', 'b']);
    gates.b.open();
    await settle();
    expect(running).toEqual(['a', 'b', 'c']);
    gates.a.open();
    gates.c.open();
    await Promise.all(runs);
    expect(budget.held).toBe(0);
  });

  it('does not let small works pass a large one by', async () => {
    const budget = new ByteBudget(10);
    const order: string[] = [];
    const first = gate();
    const runs = [
      budget.hold(6, () => first.passed),
      budget.hold(9, async () => void order.push('large')),
      budget.hold(1, async () => void order.push('small')),
    ];
    await settle();
    expect(order).toEqual([]);
    first.open();
    await Promise.all(runs);
    expect(order).toEqual(['large', 'small']);
  });

  it('gives room back when a work fails', async () => {
    const budget = new ByteBudget(1);
    const failed = budget.hold(1, async () => {
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    expect(await budget.hold(1, async () => 'yes')).toBe('yes');
  });

  it('never holds more than its total and always comes to an end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.record({ bytes: fc.nat(80), turns: fc.nat(3) }), { maxLength: 30 }),
        async (total, works) => {
          const budget = new ByteBudget(total);
          let most = 0;
          let alone = true;
          let running = 0;
          await Promise.all(
            works.map(({ bytes, turns }) =>
              budget.hold(bytes, async () => {
                running += 1;
                most = Math.max(most, budget.held);
                for (let turn = 0; turn < turns; turn++) {
                  await Promise.resolve();
                  if (bytes >= total && budget.held > total) alone = false;
                }
                running -= 1;
              }),
            ),
          );
          expect(most).toBeLessThanOrEqual(total);
          expect(alone).toBe(true);
          expect(running).toBe(0);
          expect(budget.held).toBe(0);
        },
      ),
    );
  });
});
