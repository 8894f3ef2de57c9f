import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { comesTrue, FINAL_FILES, linesFile, summaryOf } from '../support/faults.js';
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

/** A command that runs the program of this checkout, as `VGR` of the scripts takes it. */
function program(): string {
  const path = join(freshFolder(), 'vgr');
  writeFileSync(path, `#!/bin/sh\nexec "${process.execPath}" "${resolve('bin/run.js')}" "$@"\n`, {
    mode: 0o755,
  });
  return path;
}

describe.skipIf(missing !== undefined)('an array on a real Slurm', () => {
  let cluster: SlurmCluster;
  beforeAll(async () => {
    cluster = await SlurmCluster.start();
  }, 120_000);
  afterAll(() => cluster?.stop(), 60_000);

  it('merges to the bytes of one run, although one task is killed and queued again', async () => {
    const { images, queries } = await work();
    const args = ['refine', images, '--queries', queries, '--device', 'cpu', '--no-timing'];
    const whole = freshFolder();
    const one = await vgr([...args, '--output', whole]);
    expect([0, 1]).toContain(one.code);

    const output = freshFolder();
    const submitted = cluster.run('deploy/slurm/submit.sh', [String(SHARDS), output, ...args], {
      VGR: program(),
      SBATCH_TIMELIMIT: '10',
    });
    expect(submitted.stderr).toBe('');
    expect(submitted.stdout).toMatch(/^\d+ \d+\n$/);

    const victim = join(output, 'shard-2');
    const journal = join(victim, 'results.jsonl');
    const atWork = (): boolean => existsSync(journal) && readFileSync(journal, 'utf8') !== '';
    expect(await comesTrue(atWork, { withinMs: 60_000 })).toBe(true);
    const { pid } = JSON.parse(readFileSync(join(victim, '.vgr.lock'), 'utf8'));
    process.kill(pid, 'SIGKILL');

    const isDone = (): boolean => cluster.queue() === '';
    expect(await comesTrue(isDone, { withinMs: 150_000, everyMs: 500 })).toBe(true);
    const log = (name: string): string => readFileSync(join(output, 'log', name), 'utf8');
    expect(log('shard-2.log')).toContain('the task is queued again');
    expect(summaryOf(victim)).toMatchObject({ complete: true });
    expect((summaryOf(victim).counts as { resumed: number }).resumed).toBeGreaterThan(0);
    expect(log('merge.log')).toMatch(new RegExp(`^\\d+ items of ${SHARDS} shards`));
    const read = (folder: string): string[] =>
      FINAL_FILES.map((name) => readFileSync(join(folder, name), 'utf8'));
    expect(read(join(output, 'whole'))).toEqual(read(whole));
  }, 300_000);
});
