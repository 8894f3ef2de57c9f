import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { vgrHere } from '../support/in-process.js';
import { freshFolder, jsonLines, photoFolder, vgr } from '../support/vgr.js';
import { queriesFile } from '../support/vlm-run.js';

let images: string;

beforeAll(async () => {
  images = await photoFolder(2);
});

const dino = { dino: [{ bbox_2d: [1, 2, 61, 42] }] };
const LINES = [
  { id: 'a', image: 'photo-00.jpg', query: 'the disc', bbox: [0, 0, 60, 40], tools: dino },
  { id: 'b', image: 'photo-00.jpg', query: 'the ground', bbox: [60, 40, 60, 40], tools: dino },
  { id: 'c', image: 'photo-01.jpg', query: 'the disc', bbox: [0, 0, 60, 40], tools: dino },
];

function exporting(queries: string, output: string, ...flags: string[]) {
  return vgrHere(['export', images, '--queries', queries, '--output', output, ...flags]);
}

const rowsOf = (file: string) => jsonLines(readFileSync(file, 'utf8'));

/** What a run writes of a query: an answer at this box. */
function resultLine(id: string, box: readonly number[], changes: object = {}): string {
  return `${JSON.stringify({
    type: 'result',
    schema: 1,
    id,
    width: 120,
    height: 80,
    query: 'x',
    tool: { name: 'centernet', bbox_2d: [10, 10, 20, 20], score: 0.5 },
    think: { bbox_2d: null, score: 0, text: `thought of ${id}` },
    answer: {
      ...{ bbox_2d: box, score: 1, decision: 'correct', text: `rethought ${id}`, format: 1 },
      ...changes,
    },
    candidates: 1,
  })}\n`;
}

describe('export --format verl', () => {
  it('writes rows whose boxes fit the pictures beside them', async () => {
    const output = freshFolder();
    const args = ['--queries', queriesFile(LINES), '--output', output, '--format', 'verl'];
    const outcome = await vgr(['export', images, ...args]);
    expect(outcome).toMatchObject({ code: 0, stdout: '' });
    expect(outcome.stderr).toContain('3 rows');
    const rows = rowsOf(join(output, 'verl.jsonl'));
    expect(rows.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    expect(readdirSync(join(output, 'images'))).toHaveLength(2);
    // 120 by 80 is seen at 112 by 84.
    const [picture] = rows[0]!.images as string[];
    const { width, height } = await sharp(join(output, picture!)).metadata();
    expect({ width, height }).toEqual({ width: 112, height: 84 });
    expect(rows[0]!.answer).toBe('[{"bbox_2d": [0, 0, 56, 42]}]');
    expect(rows[0]!.tool_results).toBe('[{"bbox_2d": [1, 2, 57, 44]}]');
  });

  it('is the same whenever it is made', async () => {
    const [one, two] = [freshFolder(), freshFolder()];
    const queries = queriesFile(LINES);
    for (const output of [one, two]) await exporting(queries, output, '--format', 'verl');
    expect(readFileSync(join(two, 'verl.jsonl'))).toEqual(readFileSync(join(one, 'verl.jsonl')));
  });

  it("takes the tool's answer from a run where lines bring none", async () => {
    const output = freshFolder();
    const results = join(output, 'results.jsonl');
    writeFileSync(results, resultLine('a', [0, 0, 60, 40]));
    const queries = queriesFile(LINES.map(({ tools: _none, ...line }) => line));
    const flags = ['--format', 'verl', '--results', results, '--vlm-preset', 'qwen3-vl'];
    const outcome = await exporting(queries, output, ...flags);
    expect(outcome.code).toBe(0);
    const rows = rowsOf(join(output, 'verl.jsonl'));
    expect(rows).toHaveLength(1);
    expect(rows[0]!.tool_results).toBe('[{"bbox_2d": [83, 125, 167, 250]}]');
  });

  it('tells lines that make no row, and goes on', async () => {
    const output = freshFolder();
    const [a, b, c] = LINES as [object, object, object];
    const lines = [{ ...a, bbox: undefined }, { ...b, image: '../../etc/passwd' }, c];
    const outcome = await exporting(queriesFile(lines), output, '--format', 'verl');
    expect(outcome.code).toBe(1);
    const told = outcome.stderr.split('\n').filter((line) => line.startsWith('error: '));
    expect(told).toHaveLength(2);
    expect(told[0]).toMatch(/^error: line 1: expected the ground truth/);
    expect(told[1]).toMatch(/^error: line 2: .*passwd/);
    expect(rowsOf(join(output, 'verl.jsonl')).map(({ id }) => id)).toEqual(['c']);
  });
});

describe('export --format llamafactory', () => {
  it('writes the conversations of right answers, and what the trainer must know of the file', async () => {
    const output = freshFolder();
    const results = join(output, 'results.jsonl');
    const right = resultLine('a', [0, 0, 60, 40]);
    writeFileSync(results, right + resultLine('c', [100, 0, 110, 40]));
    const flags = ['--format', 'llamafactory', '--results', results, '--turns', 'one'];
    flags.push('--image-root', 'data/');
    const outcome = await exporting(queriesFile(LINES), output, ...flags);
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.stderr).not.toContain('warning');
    expect(outcome.stderr).toContain('1 rows');
    expect(outcome.stderr).toContain('2 queries left out');
    const [row] = rowsOf(join(output, 'llamafactory.jsonl'));
    expect(row!.images).toEqual([expect.stringMatching(/^data\/images\/[^/]+$/)]);
    const [, assistant] = row!.messages as { content: string }[];
    expect(assistant!.content).toMatch(
      /^<think>thought of a<\/think>[\s\S]*<answer>\{"bbox_2d": \[0, 0, 56, 42\]\}<\/answer>$/,
    );
    const info = JSON.parse(readFileSync(join(output, 'dataset_info.json'), 'utf8'));
    expect(existsSync(join(output, info.vgr.file_name))).toBe(true);
    const kept = await exporting(queriesFile(LINES), output, ...flags, '--keep-wrong');
    expect(kept.stderr).toContain('2 rows');
  });

  it('leaves out answers that no thoughts of a large refiner have led to', async () => {
    const output = freshFolder();
    const results = join(output, 'results.jsonl');
    writeFileSync(
      results,
      resultLine('a', [0, 0, 60, 40]) +
        // Left as the tool had it, since the reply could not be read.
        resultLine('b', [60, 40, 120, 80], { decision: 'fallback' }) +
        // In one turn, or by a small refiner.
        resultLine('c', [0, 0, 60, 40], { format: undefined }),
    );
    const flags = ['--format', 'llamafactory', '--results', results, '--keep-wrong'];
    const outcome = await exporting(queriesFile(LINES), output, ...flags);
    expect(outcome.code).toBe(0);
    expect(rowsOf(join(output, 'llamafactory.jsonl')).map(({ id }) => id)).toEqual(['a']);
    expect(outcome.stderr).toContain('2 queries left out');
    expect(outcome.stderr).toContain('warning: to 2 queries --results holds no thoughts');
  });

  it('needs the thoughts of a run', async () => {
    const outcome = await exporting(queriesFile(LINES), freshFolder(), '--format', 'llamafactory');
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain('--results');
  });
});
