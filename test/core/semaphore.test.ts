import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Semaphore } from '../../src/core/semaphore.js';

/** A promise that is settled from outside. */
function gate(): { readonly open: () => void; readonly passed: Promise<void> } {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('a budget of bytes', () => {
  it('lets works run side by side as far as there is room', async () => {
    const budget = new Semaphore(10);
    const running: string[] = [];
    const gates = { a: gate(), b: gate(), c: gate() };
    const runs = (['a', 'b', 'c'] as const).map((name) =>
      budget.run(
        async () => {
          running.push(name);
          await gates[name].passed;
        },
        { units: 4 },
      ),
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
    const budget = new Semaphore(10);
    const order: string[] = [];
    const first = gate();
    const runs = [
      budget.run(() => first.passed, { units: 6 }),
      budget.run(async () => void order.push('large'), { units: 9 }),
      budget.run(async () => void order.push('small')),
    ];
    await settle();
    expect(order).toEqual([]);
    first.open();
    await Promise.all(runs);
    expect(order).toEqual(['large', 'small']);
  });

  it('gives room back when a work fails', async () => {
    const budget = new Semaphore(1);
    const failed = budget.run(async () => {
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    expect(await budget.run(async () => 'yes')).toBe('yes');
  });

  it('never holds more than its total and always comes to an end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.record({ bytes: fc.nat(80), turns: fc.nat(3) }), { maxLength: 30 }),
        async (total, works) => {
          const budget = new Semaphore(total);
          let most = 0;
          let alone = true;
          let running = 0;
          await Promise.all(
            works.map(({ bytes, turns }) =>
              budget.run(
                async () => {
                  running += 1;
                  most = Math.max(most, budget.held);
                  for (let turn = 0; turn < turns; turn++) {
                    await Promise.resolve();
                    if (bytes >= total && budget.held > total) alone = false;
                  }
                  running -= 1;
                },
                { units: bytes },
              ),
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

describe('a number of slots', () => {
  it('lets no more through than it is wide, in order, and goes on after a failure', async () => {
    const gate = new Semaphore(2);
    const log: string[] = [];
    let inside = 0;
    const task = (name: string, fails = false) =>
      gate.run(async () => {
        inside += 1;
        expect(inside).toBeLessThanOrEqual(2);
        log.push(name);
        await new Promise((resolve) => setTimeout(resolve, 2));
        inside -= 1;
        if (fails) throw new Error(name);
        return name;
      });
    const results = await Promise.allSettled([task('a', true), task('b'), task('c'), task('d')]);
    expect(log).toEqual(['a', 'b', 'c', 'd']);
    expect(results.map(({ status }) => status)).toEqual([
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ]);
  });

  it('lets the urgent through before the rest', async () => {
    const gate = new Semaphore(1);
    const log: string[] = [];
    const task = (name: string, urgent: boolean) =>
      gate.run(async () => void log.push(name), { urgent });
    await Promise.all([
      task('a', false),
      task('b', false),
      task('c', true),
      task('d', false),
      task('e', true),
    ]);
    expect(log).toEqual(['a', 'c', 'e', 'b', 'd']);
  });
});
