import { quoted, VgrError } from '../formats/fault.js';
import { hash64 } from './text-hash.js';

/** Part `index` of `count`, from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** `2/4` is the second of four parts. @throws VgrError USAGE */
export function parseShard(text: string): Shard {
  const match = /^([1-9]\d{0,5})\/([1-9]\d{0,5})$/.exec(text);
  const index = Number(match?.[1]);
  const count = Number(match?.[2]);
  if (!match || index > count) {
    throw new VgrError('USAGE', `--shard: expected i/n with 1 <= i <= n, got ${quoted(text)}`, {
      hint: '`--shard 1/4` to `--shard 4/4` are the four quarters of the work',
    });
  }
  return { index, count };
}

/** Whether the key belongs to the shard. The key is the image, so that one shard alone decodes a photo. */
export function inShard(key: string, { index, count }: Shard): boolean {
  return count === 1 || hash64(key).high % count === index - 1;
}
