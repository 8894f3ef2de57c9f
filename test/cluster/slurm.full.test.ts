import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { comesTrue, FINAL_FILES, linesFile, preloading, summaryOf } from '../support/faults.js';
import { SlurmCluster, whyNoSlurm } from '../support/slurm-cluster.js';
import { freshFolder, jsonLines, photoFolder, vgr } from '../support/vgr.js';

const DEV = '../shared/data/grounding';
const PHOTOS = 40;
const SHARDS = 4;

const missing = whyNoSlurm();
if (missing !== undefined) process.stderr.write(`skipped: arrays on a real Slurm: ${missing}\n`);

/** Queries over some real photos, or over drawn ones where those are not at hand. */
async function work(): Promise<{ readonly images: string; readonly queries: string }> {
  if (existsSync(DEV)) {
    const all = jsonLines(readFileSync(join(DEV, 'dev.jsonl'), 'utf8'));
    const photos = new Set([...new Set(all.map(({ image }) => image))].slice(0, PHOTOS));
    const queries = all.filter(({ image }) => photos.has(image));
    return { images: resolve(DEV, 'images'), queries: linesFile(queries) };
  }
  const images = await photoFolder(PHOTOS);
  const queries = readdirSync(images).flatMap((image) => [
    { id: `${image} 1`, image, query: 'the left ball' },
    { id: `${image} 2`, image, query: 'the ball on the right' },
  ]);
  return { images, queries: linesFile(queries) };
}

/** A command that runs the program of this checkout, as `VGR` of the scripts takes it; the first try of that task is killed. */
function program(task: number, journal: string): string {
  const folder = freshFolder();
  const path = join(folder, 'vgr');
  const { NODE_OPTIONS } = preloading('killed-midway.mjs');
  const lines = [
    '#!/bin/sh',
    `if [ "$SLURM_ARRAY_TASK_ID" = ${task} ] && mkdir "${folder}/killed" 2>/dev/null; then`,
    `  export NODE_OPTIONS="${NODE_OPTIONS}" VGR_TEST_KILL_JOURNAL="${journal}"`,
    'fi',
    `exec "${process.execPath}" "${resolve('bin/run.js')}" "$@"`,
  ];
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o755 });
  return path;
}

describe.skipIf(missing !== undefined)('an array on a real Slurm', () => {
  let cluster: SlurmCluster;
  beforeAll(async () => {
    cluster = await SlurmCluster.start();
  });
  afterAll(() => cluster?.stop());

  it('merges to the bytes of one run, although one task is killed and queued again', async () => {
    const { images, queries } = await work();
    const args = ['refine', images, '--queries', queries, '--device', 'cpu', '--no-timing'];
    const whole = freshFolder();
    const one = await vgr([...args, '--output', whole]);
    expect([0, 1]).toContain(one.code);

    const output = freshFolder();
    const victim = join(output, 'shard-2');
    const submitted = cluster.run('deploy/slurm/submit.sh', [String(SHARDS), output, ...args], {
      VGR: program(2, join(victim, 'results.jsonl')),
      SBATCH_TIMELIMIT: '30',
    });
    expect(submitted.stderr).toBe('');
    expect(submitted.stdout).toMatch(/^\d+ \d+\n$/);

    const isDone = (): boolean => cluster.queue() === '';
    expect(await comesTrue(isDone, { withinMs: 500_000, everyMs: 250 })).toBe(true);
    const log = (name: string): string => readFileSync(join(output, 'log', name), 'utf8');
    expect(log('shard-2.log')).toContain('the task is queued again');
    expect(summaryOf(victim)).toMatchObject({ complete: true });
    expect((summaryOf(victim).counts as { resumed: number }).resumed).toBeGreaterThan(0);
    expect(log('merge.log')).toMatch(new RegExp(`^\\d+ items of ${SHARDS} shards`));
    const read = (folder: string): string[] =>
      FINAL_FILES.map((name) => readFileSync(join(folder, name), 'utf8'));
    expect(read(join(output, 'whole'))).toEqual(read(whole));
  });
});
