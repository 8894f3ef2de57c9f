import { quoted, VgrError } from '../core/error.js';
import { hash64 } from '../core/name-table.js';
import { plainPath } from '../core/photo-path.js';

/** Part `index` of `count`, from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** The shard that is all of the work. */
export const WHOLE = '1/1';

/** `2/4` is the second of four parts. @throws VgrError USAGE */
function parseShard(text: string): Shard {
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

/** Variables with the number of an array task, the first number and the count of tasks. Arrays may not start at 0. */
const SCHEDULERS = [
  { index: 'SLURM_ARRAY_TASK_ID', first: 'SLURM_ARRAY_TASK_MIN', count: 'SLURM_ARRAY_TASK_COUNT' },
  { index: 'AWS_BATCH_JOB_ARRAY_INDEX', first: '', count: 'AWS_BATCH_JOB_ARRAY_SIZE' },
  // Kubernetes has no variable for the number of completions: the manifest repeats it.
  { index: 'JOB_COMPLETION_INDEX', first: '', count: 'VGR_SHARD_COUNT' },
] as const;

/**
 * The shard that `--shard` names. `auto` takes it from the array task of Slurm, AWS Batch or a Kubernetes Indexed Job; outside of
 * one it is the whole. Gaps in a Slurm array (`--array=1,5,9`) are refused.
 * @throws VgrError USAGE
 */
export function shardOf(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): Shard {
  if (text !== 'auto') return parseShard(text);
  for (const names of SCHEDULERS) {
    const task = environment[names.index];
    if (task === undefined) continue;
    const count = environment[names.count] ?? environment.VGR_SHARD_COUNT;
    const index = Number(task) - Number(environment[names.first] ?? 0) + 1;
    if (count === undefined || !Number.isInteger(index) || index > Number(count)) {
      throw new VgrError(
        'USAGE',
        `--shard auto: expected task numbers without gaps and their count, got ${names.index}=${quoted(task)} and ${names.count}=${quoted(count ?? 'nothing')}`,
        { hint: 'set VGR_SHARD_COUNT to the number of tasks, and number the tasks without gaps' },
      );
    }
    return parseShard(`${index}/${count}`);
  }
  return { index: 1, count: 1 };
}

/** The variable that says that this is one of several tasks of an array; undefined outside of one. */
export function arrayVariable(
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  return SCHEDULERS.find(
    ({ index, count }) => environment[index] !== undefined && environment[count] !== '1',
  )?.index;
}

/** Whether the key belongs to the shard. It is the image, so that one shard alone decodes a photo. */
export function inShard(key: string, { index, count }: Shard): boolean {
  return count === 1 || hash64(plainPath(key)).high % count === index - 1;
}
