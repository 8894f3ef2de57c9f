import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { vgrHere } from '../support/in-process.js';
import { freshFolder, photoFolder, vgr } from '../support/vgr.js';

const FILES = ['results.jsonl', 'annotations.json', 'predictions.json'];
const read = (folder: string): string[] =>
  FILES.map((name) => readFileSync(join(folder, name), 'utf8'));

/** One run and its shards over the same queries, some of which fail. */
async function shardedRun(): Promise<{ whole: string; shards: string[]; args: string[] }> {
  const folder = await photoFolder(6);
  const queries = join(freshFolder(), 'q.jsonl');
  const lines = Array.from({ length: 18 }, (_, index) =>
    JSON.stringify({ id: `q${index}`, image: `photo-0${index % 7}.jpg`, query: 'the ball' }),
  );
  lines.splice(5, 0, '{"id":', '', '{"id":"q1","image":"photo-01.jpg","query":"the ball"}');
  writeFileSync(queries, lines.join('\n'));
  const args = ['refine', folder, '--queries', queries, '--device', 'cpu', '--no-timing'];
  const whole = freshFolder();
  expect((await vgr([...args, '--output', whole])).code).toBe(1);
  const shards: string[] = [];
  for (const index of [1, 2, 3]) {
    const shard = freshFolder();
    await vgr([...args, '--shard', `${index}/3`, '--output', shard]);
    shards.push(shard);
  }
  return { whole, shards, args };
}

describe('vgr merge', () => {
  it('gives the bytes of one run, in whatever order the shards are named', async () => {
    const { whole, shards } = await shardedRun();
    const output = freshFolder();
    const merged = await vgr(['merge', shards[2]!, shards[0]!, shards[1]!, '--output', output]);
    expect(merged.stderr).toMatch(/^20 items of 3 shards, \d failed\n$/);
    expect(merged.code).toBe(1);
    expect(read(output)).toEqual(read(whole));
    const summary = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
    const one = JSON.parse(readFileSync(join(whole, 'run.json'), 'utf8'));
    expect(summary.settings).toEqual(one.settings);
    expect(summary.settings_hash).toBe(one.settings_hash);
    expect(summary.counts).toEqual(one.counts);

    const missing = await vgrHere(['merge', shards[0]!, shards[2]!, '--output', freshFolder()]);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('missing: 2/3');

    const double = await vgrHere(['merge', shards[0]!, ...shards, '--output', freshFolder()]);
    expect(double.code).toBe(2);
    expect(double.stderr).toContain('are both shard 1/3');

    const torn = freshFolder();
    cpSync(shards[1]!, torn, { recursive: true });
    const run = JSON.parse(readFileSync(join(torn, 'run.json'), 'utf8'));
    writeFileSync(join(torn, 'run.json'), JSON.stringify({ ...run, complete: false }));
    const open = await vgrHere(['merge', shards[0]!, torn, shards[2]!, '--output', freshFolder()]);
    expect(open.code).toBe(2);
    expect(open.stderr).toContain('incomplete: ');

    writeFileSync(join(torn, 'run.json'), JSON.stringify(run));
    const journal = readFileSync(join(torn, 'results.jsonl'), 'utf8').trimEnd().split('\n');
    const mergedWith = async (lines: readonly string[]) => {
      writeFileSync(join(torn, 'results.jsonl'), `${lines.join('\n')}\n`);
      return vgrHere(['merge', shards[0]!, torn, shards[2]!, '--output', freshFolder()]);
    };
    const short = await mergedWith(journal.slice(0, -1));
    expect(short.code).toBe(2);
    expect(short.stderr).toContain(`expected ${journal.length} lines in \`results.jsonl\``);
    const twice = await mergedWith([...journal.slice(0, -1), journal[0]!]);
    expect(twice.code).toBe(2);
    expect(twice.stderr).toMatch(/hold input item \d+ twice/);
  });

  it('tells a task of an array that does the whole, and gives each its part where asked', async () => {
    const folder = await photoFolder(4);
    const task = (id: number) => ({
      SLURM_ARRAY_TASK_ID: String(id),
      SLURM_ARRAY_TASK_MIN: '0',
      SLURM_ARRAY_TASK_COUNT: '2',
    });
    const args = ['detect', folder, '--device', 'cpu', '--no-timing'];
    const whole = await vgr(args, { env: task(0) });
    expect(whole.stderr).toContain('SLURM_ARRAY_TASK_ID is set and this task does the whole');
    const parts = await Promise.all(
      [0, 1].map((id) => vgr([...args, '--shard', 'auto'], { env: task(id) })),
    );
    expect(parts.map(({ stderr }) => stderr).join('')).not.toContain('does the whole');
    const lines = (text: string) => text.trimEnd().split('\n').sort();
    expect(lines(parts.map(({ stdout }) => stdout).join(''))).toEqual(lines(whole.stdout));
  });

  it('refuses shards of different runs, and folders that are none', async () => {
    const folder = await photoFolder(3);
    const args = ['detect', folder, '--device', 'cpu'];
    const [first, second] = [freshFolder(), freshFolder()];
    await vgr([...args, '--shard', '1/2', '--output', first]);
    await vgr([...args, '--shard', '2/2', '--output', second, '--min-score', '0.5']);
    const differ = await vgrHere(['merge', first, second, '--output', freshFolder()]);
    expect(differ.code).toBe(2);
    expect(differ.stderr).toContain('min_score: 0.05, now 0.5');

    const none = await vgrHere(['merge', first, freshFolder(), '--output', freshFolder()]);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('run.json');
    rmSync(first, { recursive: true });
  });
});
