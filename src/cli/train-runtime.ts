import type { SessionPool } from '../inference/pool.js';
import { toShared } from '../io/model-weights.js';
import type { TrainingRuntime } from '../training/session.js';

/** Runs training graphs in the session pool: on every device that the pool offers. */
export function pooledRuntime(pool: SessionPool, prefix: string): TrainingRuntime {
  return {
    async open(name, model) {
      const id = `${prefix}/${name}`;
      await pool.load({ name: id, bytes: toShared(model) });
      return { step: (feeds) => pool.run(id, feeds) };
    },
  };
}
