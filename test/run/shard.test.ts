import { expect, it } from 'vitest';
import { arrayVariable, inShard, shardOf } from '../../src/run/shard.js';

it.each(['0/4', '5/4', '1', 'a/b', '1/0', '-1/4', '1/4x'])('refuses %s', (text) => {
  expect(() => shardOf(text, {})).toThrow(/expected i\/n/);
});

it('gives every key to exactly one shard, and about as many to each', () => {
  const shards = [1, 2, 3, 4].map((index) => shardOf(`${index}/4`, {}));
  const sizes = shards.map(() => 0);
  for (let photo = 0; photo < 4000; photo++) {
    const owners = shards.filter((shard) => inShard(`photo-${photo}.jpg`, shard));
    expect(owners).toHaveLength(1);
    sizes[owners[0]!.index - 1]! += 1;
  }
  for (const size of sizes) expect(Math.abs(size - 1000)).toBeLessThan(120);
});

it.each([
  [
    'Slurm from 0',
    { SLURM_ARRAY_TASK_ID: '2', SLURM_ARRAY_TASK_MIN: '0', SLURM_ARRAY_TASK_COUNT: '4' },
    [3, 4],
  ],
  [
    'Slurm from 1',
    { SLURM_ARRAY_TASK_ID: '2', SLURM_ARRAY_TASK_MIN: '1', SLURM_ARRAY_TASK_COUNT: '4' },
    [2, 4],
  ],
  ['AWS Batch', { AWS_BATCH_JOB_ARRAY_INDEX: '0', AWS_BATCH_JOB_ARRAY_SIZE: '3' }, [1, 3]],
  ['Kubernetes', { JOB_COMPLETION_INDEX: '4', VGR_SHARD_COUNT: '5' }, [5, 5]],
  ['no scheduler', {}, [1, 1]],
])('auto takes the shard from %s', (_name, environment, [index, count]) => {
  expect(shardOf('auto', environment)).toEqual({ index, count });
});

it('auto refuses arrays with gaps, and counts that nobody tells', () => {
  const gap = { SLURM_ARRAY_TASK_ID: '9', SLURM_ARRAY_TASK_MIN: '1', SLURM_ARRAY_TASK_COUNT: '3' };
  expect(() => shardOf('auto', gap)).toThrow(/without gaps/);
  expect(() => shardOf('auto', { JOB_COMPLETION_INDEX: '0' })).toThrow(/VGR_SHARD_COUNT/);
});

it.each([
  [
    'of four tasks',
    { SLURM_ARRAY_TASK_ID: '2', SLURM_ARRAY_TASK_COUNT: '4' },
    'SLURM_ARRAY_TASK_ID',
  ],
  ['of a single task', { SLURM_ARRAY_TASK_ID: '2', SLURM_ARRAY_TASK_COUNT: '1' }, undefined],
  ['whose count nobody tells', { JOB_COMPLETION_INDEX: '0' }, 'JOB_COMPLETION_INDEX'],
  ['that is none', {}, undefined],
])('knows an array %s', (_name, environment, variable) => {
  expect(arrayVariable(environment)).toBe(variable);
});
