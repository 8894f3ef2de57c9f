import { expect, it } from 'vitest';
import { inShard, parseShard } from '../../src/pipeline/shard.js';

it.each(['0/4', '5/4', '1', 'a/b', '1/0', '-1/4', '1/4x'])('refuses %s', (text) => {
  expect(() => parseShard(text)).toThrow(/expected i\/n/);
});

it('gives every key to exactly one shard, and about as many to each', () => {
  const shards = [1, 2, 3, 4].map((index) => parseShard(`${index}/4`));
  const sizes = shards.map(() => 0);
  for (let photo = 0; photo < 4000; photo++) {
    const owners = shards.filter((shard) => inShard(`photo-${photo}.jpg`, shard));
    expect(owners).toHaveLength(1);
    sizes[owners[0]!.index - 1]! += 1;
  }
  for (const size of sizes) expect(Math.abs(size - 1000)).toBeLessThan(120);
});
