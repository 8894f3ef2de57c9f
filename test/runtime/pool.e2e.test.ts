import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SessionPool as Pool, PoolOptions } from '../../src/runtime/pool.js';
import { addingGraph, shared } from '../support/tiny-graph.js';
import { freshFolder } from '../support/vgr.js';

// Worker threads run what was built.
const { SessionPool } = (await import(
  '../../dist/runtime/pool.js' as string
)) as typeof import('../../src/runtime/pool.js');

const fragile = new URL('../support/fragile-worker.mjs', import.meta.url);
const pools: Pool[] = [];

function openPool(options: Partial<PoolOptions> = {}): Pool {
  const pool = new SessionPool({
    plan: { devices: [{ name: 'cpu' }], skipped: [] },
    sessions: 2,
    threads: 1,
    notice: () => undefined,
    ...options,
  });
  pools.push(pool);
  return pool;
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

const adding = (...values: number[]) => ({
  model: 'adding',
  feeds: {
    x: { type: 'float32' as const, data: new Float32Array(values), dims: [values.length] },
  },
});

describe('the session pool', () => {
  it('answers more requests than it has sessions, each with its own result', async () => {
    const pool = openPool();
    const reply = await pool.load({ name: 'adding', bytes: shared(addingGraph(5)) });
    expect(reply).toEqual({
      inputs: [{ name: 'x', type: 'float32', dims: ['n'] }],
      outputs: [{ name: 'y', type: 'float32', dims: ['n'] }],
    });
    expect(pool.device).toEqual({ name: 'cpu' });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => pool.run(adding(index, index * 2))),
    );
    for (const [index, { y }] of answers.entries()) {
      expect([...(y!.data as Float32Array)]).toEqual([index + 5, index * 2 + 5]);
    }
    expect(pool.busyMs.run).toBeGreaterThan(0);
  });

  it('keeps the main thread free while sessions work', async () => {
    const pool = openPool();
    await pool.load({ name: 'adding', bytes: shared(addingGraph(1)) });
    const data = new Float32Array(4_000_000);
    const big = { x: { type: 'float32' as const, data, dims: [data.length] } };
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
    }, 1);
    // A thread that gets no core for a while ticks in a later run; one that is blocked never does.
    for (let runs = 0; runs < 200 && ticks === 0; runs++) {
      await pool.run({ model: 'adding', feeds: big });
    }
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
  });

  it('replaces a thread that ends, rejects its request, and goes on', async () => {
    const pool = openPool({ script: fragile });
    await pool.load({ name: 'adding', bytes: shared(addingGraph(5)) });
    await expect(pool.run(adding(13))).rejects.toMatchObject({ code: 'WORKER_CRASHED' });
    const answers = await Promise.all([1, 2, 3].map((value) => pool.run(adding(value))));
    expect(answers.map(({ y }) => (y!.data as Float32Array)[0])).toEqual([6, 7, 8]);
  });

  it('gives up when threads only ever end', async () => {
    const pool = openPool({ script: fragile });
    await pool.load({ name: 'adding', bytes: shared(addingGraph(5)) });
    const results = await Promise.allSettled(
      Array.from({ length: 30 }, () => pool.run(adding(13))),
    );
    const codes = results.map((result) => (result as PromiseRejectedResult).reason.code);
    expect(new Set(codes)).toEqual(new Set(['WORKER_CRASHED', 'DEVICE_UNAVAILABLE']));
    expect(codes.at(-1)).toBe('DEVICE_UNAVAILABLE');
  });

  it('refuses a graph that is cut off', async () => {
    const pool = openPool();
    const cut = addingGraph(5).slice(0, 60);
    await expect(pool.load({ name: 'adding', bytes: shared(cut) })).rejects.toMatchObject({
      code: 'MODEL_CORRUPT',
      exit: 3,
    });
  });

  it('falls back along the plan, saying why, and refuses a device that was asked for by name', async () => {
    const notices: string[] = [];
    const pool = openPool({
      plan: { devices: [{ name: 'dml' }, { name: 'cpu' }], skipped: [] },
      notice: (text) => notices.push(text),
    });
    await pool.load({ name: 'adding', bytes: shared(addingGraph(5)) });
    expect(pool.device).toEqual({ name: 'cpu' });
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(/^device cpu instead of dml: /);

    const strict = openPool({ plan: { devices: [{ name: 'dml' }], skipped: [] } });
    await expect(
      strict.load({ name: 'adding', bytes: shared(addingGraph(5)) }),
    ).rejects.toMatchObject({ code: 'DEVICE_UNAVAILABLE', exit: 3 });
  });

  it('ends no thread that still loads the runtime, which would take the process along', async () => {
    const mark = join(freshFolder(), 'stands');
    const script = new URL('../support/slow-starting-worker.mjs', import.meta.url);
    vi.stubEnv('VGR_TEST_STANDS', mark);
    await openPool({ script, sessions: 1 }).close();
    vi.unstubAllEnvs();
    expect(existsSync(mark)).toBe(true);
  });

  it('rejects what waits when it is closed', async () => {
    const pool = openPool();
    await pool.load({ name: 'adding', bytes: shared(addingGraph(5)) });
    const waiting = Promise.allSettled(Array.from({ length: 10 }, () => pool.run(adding(1))));
    await pool.close();
    for (const result of await waiting) {
      if (result.status === 'rejected') expect(result.reason.code).toBe('WORKER_CRASHED');
    }
  });
});
