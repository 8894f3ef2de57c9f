import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockOutput } from '../../src/core/file-lock.js';
import { canMount, linesFile, SmallDisk } from '../support/faults.js';
import { freshFolder, jsonLines, photoFolder, startVgr, vgr } from '../support/vgr.js';

const CPU = ['--device', 'cpu'];
const FIXTURES = ['refine', 'fixtures/images', '--queries', 'fixtures/queries.jsonl', ...CPU];

interface Answer {
  readonly bbox_2d: readonly number[] | null;
  readonly score: number;
  readonly decision: string;
  readonly text: string;
  readonly boxes?: readonly { readonly bbox_2d: readonly number[]; readonly score: number }[];
}

function linesOf(path: string): Record<string, unknown>[] {
  return jsonLines(readFileSync(path, 'utf8'));
}

/** A queries file with `count` lines over the photos of a folder, several a photo. */
function queriesOver(folder: string, count: number): string {
  const images = readdirSync(folder).filter((name) => name.endsWith('.jpg'));
  const path = join(freshFolder(), 'q.jsonl');
  const lines = Array.from({ length: count }, (_, index) => {
    const image = images[Math.floor((index * images.length) / count)];
    return JSON.stringify({ id: `q${index}`, image, query: index % 2 ? 'the left ball' : 'it' });
  });
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

describe('vgr refine', () => {
  it('answers the fixture queries, one line each, in order', async () => {
    const queries = linesOf('fixtures/queries.jsonl');
    const { code, stdout, stderr } = await vgr([...FIXTURES, '--no-timing']);
    expect(code).toBe(0);
    const lines = jsonLines(stdout);
    expect(lines.map(({ id }) => id)).toEqual(queries.map(({ id }) => id));
    for (const line of lines) {
      expect(line).toMatchObject({ type: 'result', tool: { name: 'centernet' } });
      expect(line).toHaveProperty('answer.decision');
      expect(line).not.toHaveProperty('timing_ms');
    }
    expect(stderr).toContain(`${queries.length} queries, `);
  });

  it('says at the end what the detector has no word for, and what to do', async () => {
    const asked = ['--query', 'the violin', '--query', 'the left cat'];
    const { stderr } = await vgr(['refine', 'fixtures/images/cats.jpg', ...asked, ...CPU]);
    expect(stderr).toContain('1 query for things that the detector has no word for (`violin`)');
    expect(stderr).toContain('`vgr models pull florence-2-base-ft`');
  });

  it('shows people one line a query, without boxes in brackets torn by names', async () => {
    const { stdout, stderr } = await vgr([...FIXTURES, '--format', 'human', '--limit', '3']);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(3);
    const words = '(kept|moved to another object|box adjusted|nothing fits) +';
    for (const line of lines) {
      expect(line).toMatch(new RegExp(`^\\S+ +${words} 0\\.\\d\\d  (-|\\[\\d+(,\\d+){3}\\])  \\S`));
    }
    expect(stderr).toMatch(/^3 queries, .*\n\d kept/m);
  });

  it('writes a JSON array with --format json', async () => {
    const { stdout } = await vgr([...FIXTURES, '--format', 'json', '--limit', '2']);
    expect(JSON.parse(stdout)).toHaveLength(2);
  });

  it('reads queries from standard input', async () => {
    const folder = await photoFolder(1);
    const stdin = '{"id":"a","image":"photo-00.jpg","query":"the ball"}';
    const { code, stdout } = await vgr(['refine', folder, '--queries', '-', ...CPU], { stdin });
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toMatchObject([{ type: 'result', id: 'a' }]);
  });

  it('tells of a tool that is asked for and no line has', async () => {
    const queries = join(freshFolder(), 'q.jsonl');
    const tools = { qwen: [{ bbox_2d: [0, 0, 50, 90] }], dino: [{ bbox_2d: [60, 0, 90, 90] }] };
    writeFileSync(queries, `${JSON.stringify({ query: 'the left man', tools })}\n`);
    for (const refiner of ['lite', 'none']) {
      const args = ['refine', '--queries', queries, '--refiner', refiner, ...CPU];
      const mistyped = await vgr([...args, '--tool', 'qwn']);
      expect(mistyped.code).toBe(0);
      expect(mistyped.stderr).toContain(
        'warning: --tool: no line has boxes of `qwn`; they have `dino`, `qwen`',
      );
      expect((await vgr([...args, '--tool', 'qwen'])).stderr).not.toContain('warning');
    }
  });

  it('arbitrates between the tools of the lines without any image', async () => {
    const line = {
      id: 't1',
      query: 'the left cat',
      width: 100,
      height: 50,
      tools: {
        lister: [
          { bbox_2d: [60, 5, 90, 40], score: 0.9, label: 'cat' },
          { bbox_2d: [6, 6, 40, 40], score: 0.6, label: 'cat' },
        ],
        reader: [{ bbox_2d: [5, 5, 40, 40] }],
      },
    };
    const stdin = `${JSON.stringify(line)}\n`;
    const { code, stdout } = await vgr(['refine', '--queries', '-', ...CPU], { stdin });
    expect(code).toBe(0);
    expect(jsonLines(stdout)[0]).toMatchObject({
      tool: { name: 'lister', bbox_2d: [60, 5, 90, 40] },
      answer: { decision: 'correct', bbox_2d: [expect.any(Number), expect.any(Number), 40, 40] },
      candidates: 3,
    });
  });

  it('gives all boxes of a set, none where nothing fits, and both to the COCO files', async () => {
    const lines = [
      { id: 'set', image: 'cats.jpg', query: 'both cats' },
      { id: 'none', image: 'cats.jpg', query: 'the zebra' },
      { id: 'one', image: 'cats.jpg', query: 'the left cat' },
      { id: 'nothing', image: 'train.jpg', query: 'the zebra' },
    ];
    const output = freshFolder();
    const args = ['refine', 'fixtures/images', '--queries', linesFile(lines), ...CPU];
    const run = await vgr([...args, '--output', output, '--no-timing']);
    expect(run.code, run.stderr).toBe(0);
    const answers = linesOf(join(output, 'results.jsonl')).map(({ answer }) => answer as Answer);
    const [set, none, one, nothing] = answers;
    expect(set!.boxes).toHaveLength(2);
    expect(set!.boxes![0]).toEqual({ bbox_2d: set!.bbox_2d, score: set!.score, label: 'cat' });
    const [left, right] = set!.boxes!.map(({ bbox_2d }) => bbox_2d).sort((a, b) => a[0]! - b[0]!);
    expect(left![2]).toBeLessThan(right![0]!);
    for (const answer of [none, nothing]) {
      expect(answer).toMatchObject({ bbox_2d: null, decision: 'none' });
      expect(answer).not.toHaveProperty('boxes');
    }
    expect(one).toMatchObject({ bbox_2d: left, label: 'cat' });
    expect(one).not.toHaveProperty('boxes');

    const dataset = JSON.parse(readFileSync(join(output, 'annotations.json'), 'utf8'));
    expect(dataset.images).toMatchObject([
      { id: 1, file_name: 'cats.jpg' },
      { id: 2, file_name: 'train.jpg' },
    ]);
    const boxes = [...set!.boxes!.map(({ bbox_2d }) => bbox_2d), one!.bbox_2d!];
    const expected = boxes.map(([x1, y1, x2, y2]) => ({
      image_id: 1,
      category_id: 17,
      bbox: [x1!, y1!, x2! - x1!, y2! - y1!].map((side) => expect.closeTo(side, 2)),
    }));
    expect(dataset.annotations).toMatchObject(expected);
    expect(dataset.annotations.map((each: { query_id: string }) => each.query_id)).toEqual([
      ...['set', 'set', 'one'],
    ]);
    const predictions = JSON.parse(readFileSync(join(output, 'predictions.json'), 'utf8'));
    expect(predictions).toMatchObject(expected);

    const other = await vgr([...args, '--output', output, '--no-timing', '--answers', 'one']);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('answers: "auto", now "one"');
  });

  it('gives one box, whatever the words ask for, with --answers one', async () => {
    const lines = [
      { image: 'cats.jpg', query: 'both cats' },
      { image: 'dogs.jpg', query: 'the three dogs' },
      { image: 'cats.jpg', query: 'the zebra' },
    ];
    const args = ['refine', 'fixtures/images', '--queries', linesFile(lines), ...CPU];
    const all = jsonLines((await vgr(args)).stdout).map(({ answer }) => answer as Answer);
    expect(all.map(({ boxes }) => boxes?.length)).toEqual([2, 3, undefined]);
    const { code, stdout } = await vgr([...args, '--answers', 'one']);
    expect(code).toBe(0);
    const answers = jsonLines(stdout).map(({ answer }) => answer as Answer);
    for (const answer of answers) expect(answer).not.toHaveProperty('boxes');
    expect(answers.map(({ bbox_2d }) => bbox_2d !== null)).toEqual([true, true, false]);
  });

  it('answers none in place of what is less sure than --min-confidence', async () => {
    const args = [...FIXTURES, '--no-timing'];
    const plain = jsonLines((await vgr(args)).stdout).map(({ answer }) => answer as Answer);
    const scores = plain.map(({ score }) => score).sort((a, b) => a - b);
    // Clearly between two scores: lines hold them rounded.
    const at = scores.findIndex((score, place) => place > 7 && scores[place + 1]! - score > 1e-3);
    const bound = (scores[at]! + scores[at + 1]!) / 2;
    const { stdout } = await vgr([...args, '--min-confidence', String(bound)]);
    const bounded = jsonLines(stdout).map(({ answer }) => answer as Answer);
    for (const [place, answer] of bounded.entries()) {
      if (plain[place]!.score >= bound) expect(answer).toEqual(plain[place]);
      else {
        expect(answer).toMatchObject({ bbox_2d: null, decision: 'none' });
        expect(answer).not.toHaveProperty('label');
        expect(answer.text).toContain(`is below --min-confidence ${bound}`);
      }
    }
    expect(bounded.filter(({ bbox_2d }) => bbox_2d === null).length).toBeGreaterThan(5);
  });

  it('gives every bad line its error record and goes on', async () => {
    const folder = await photoFolder(1);
    const stdin = [
      '{"id":"a","image":"photo-00.jpg","query":"the ball"}',
      '{"id":"b","image":',
      '{"id":"c","image":"photo-00.jpg"}',
      '{"id":"a","image":"photo-00.jpg","query":"the ball"}',
      '{"id":"e","image":"../../etc/passwd","query":"x"}',
      '{"id":"f","image":"/etc/passwd","query":"x"}',
      '{"id":"g","image":"photo-01.jpg","query":"x"}',
      '{"id":"h","image":"photo-00.jpg","query":"\\u001b[2J the ball"}',
    ].join('\r\n');
    const { code, stdout, stderr } = await vgr(['refine', folder, '--queries', '-', ...CPU], {
      stdin,
    });
    expect(code).toBe(1);
    const lines = jsonLines(stdout);
    expect(lines.map(({ type, code: error, line }) => [type, error, line])).toEqual([
      ['result', undefined, undefined],
      ['error', 'QUERY_INVALID', 2],
      ['error', 'QUERY_INVALID', 3],
      ['error', 'ID_DUPLICATE', 4],
      ['error', 'IMAGE_OUTSIDE', 5],
      ['error', 'IMAGE_OUTSIDE', 6],
      ['error', 'IMAGE_MISSING', 7],
      ['result', undefined, undefined],
    ]);
    expect(stderr).toContain('8 queries, 6 failed');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that none arrives is what is tested
    expect(stderr + stdout).not.toMatch(/\x1b/);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('passes by every broken fixture', async () => {
    const text = readFileSync('fixtures/broken-queries.jsonl', 'utf8');
    const count = text.split('\n').filter((line) => line.trim() !== '').length;
    const args = [
      'refine',
      'fixtures/images',
      '--queries',
      'fixtures/broken-queries.jsonl',
      ...CPU,
    ];
    const { code, stdout } = await vgr(args);
    expect(code).toBe(1);
    const lines = jsonLines(stdout);
    expect(lines.length).toBe(count);
    expect(lines.filter(({ type }) => type === 'error').length).toBeGreaterThan(5);
  });

  it('needs a queries file that is there', async () => {
    const folder = await photoFolder(1);
    const missing = await vgr(['refine', folder, '--queries', 'nowhere.jsonl', ...CPU]);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('nowhere.jsonl');
  });
});

describe('an output folder', () => {
  it('gets journal, COCO files, run.json and pictures', async () => {
    const output = freshFolder();
    const pictures = join(output, 'pictures');
    const run = await vgr([...FIXTURES, '--output', output, '--visualize', pictures]);
    expect(run.code).toBe(0);
    expect(run.stdout).toBe('');
    const results = linesOf(join(output, 'results.jsonl'));
    const dataset = JSON.parse(readFileSync(join(output, 'annotations.json'), 'utf8'));
    const predictions = JSON.parse(readFileSync(join(output, 'predictions.json'), 'utf8'));
    const answered = results.filter((line) => (line.answer as { bbox_2d: unknown }).bbox_2d);
    expect(dataset.annotations).toHaveLength(answered.length);
    expect(predictions).toHaveLength(answered.length);
    expect(dataset.annotations[0]).toMatchObject({ id: 1, query_id: results[0]!.id });
    const summary = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
    expect(summary).toMatchObject({
      complete: true,
      counts: { items: results.length, errors: 0 },
      models: [{ name: 'centernet' }],
    });
    expect(readdirSync(pictures)).toHaveLength(results.length);
  });

  it('is continued by a rerun, and a finished one is left as it is', async () => {
    const folder = await photoFolder(3);
    const queries = queriesOver(folder, 9);
    const output = freshFolder();
    const args = [
      'refine',
      folder,
      '--queries',
      queries,
      '--output',
      output,
      ...CPU,
      '--no-timing',
    ];
    expect((await vgr(args)).code).toBe(0);
    const names = ['results.jsonl', 'annotations.json', 'predictions.json'];
    const bytes = (): string[] => names.map((name) => readFileSync(join(output, name), 'utf8'));
    const whole = bytes();

    const again = await vgr(args);
    expect(again.code).toBe(0);
    expect(again.stderr).toContain('9 queries are done already');
    expect(bytes()).toEqual(whole);

    // As a kill leaves it: some whole lines, one torn, no COCO files.
    writeFileSync(join(output, 'results.jsonl'), whole[0]!.slice(0, whole[0]!.length * 0.6));
    rmSync(join(output, 'annotations.json'));
    expect((await vgr(args)).code).toBe(0);
    expect(bytes()).toEqual(whole);
  });

  it('has its failed items done again with --retry-failed, in their places', async () => {
    const folder = await photoFolder(3);
    const queries = queriesOver(folder, 9);
    const args = (output: string): string[] => [
      ...['refine', folder, '--queries', queries, '--output', output, ...CPU, '--no-timing'],
    ];
    const whole = freshFolder();
    expect((await vgr(args(whole))).code).toBe(0);
    const output = freshFolder();
    const photo = readFileSync(join(folder, 'photo-01.jpg'));
    writeFileSync(join(folder, 'photo-01.jpg'), photo.subarray(0, 300));
    expect((await vgr(args(output))).code).toBe(1);
    // Without the flag errors stay what they are, and still show in the exit code.
    expect((await vgr(args(output))).code).toBe(1);
    writeFileSync(join(folder, 'photo-01.jpg'), photo);
    const retried = await vgr([...args(output), '--retry-failed']);
    expect(retried.stderr).toContain('3 queries, ');
    expect(retried.code).toBe(0);
    for (const name of ['results.jsonl', 'annotations.json', 'predictions.json']) {
      expect(readFileSync(join(output, name), 'utf8')).toBe(
        readFileSync(join(whole, name), 'utf8'),
      );
    }
  });

  it('holds what a fresh run writes when a mended line has taken the id of a later one', async () => {
    const line = (id: string, x: number): string =>
      JSON.stringify({ id, query: 'the left lion', tools: { t: [{ bbox_2d: [x, 0, 9, 9] }] } });
    const queries = join(freshFolder(), 'q.jsonl');
    const args = (output: string): string[] => [
      ...['refine', '--queries', queries, '--output', output, ...CPU, '--no-timing'],
    ];
    const output = freshFolder();
    writeFileSync(queries, ['{"id": "z"', line('a', 1), line('b', 2)].join('\n'));
    expect((await vgr(args(output))).code).toBe(1);
    writeFileSync(queries, [line('a', 3), line('a', 1), line('b', 2)].join('\n'));
    expect((await vgr([...args(output), '--retry-failed'])).code).toBe(1);
    const fresh = freshFolder();
    expect((await vgr(args(fresh))).code).toBe(1);
    const [text, wanted] = [output, fresh].map((folder) =>
      readFileSync(join(folder, 'results.jsonl'), 'utf8'),
    );
    expect(text).toBe(wanted);
    expect(jsonLines(text!).map(({ type }) => type)).toEqual(['result', 'error', 'result']);
    const { counts } = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
    expect(counts).toMatchObject({ items: 3, errors: 1 });
  });

  it('with --no-resume stays as it is, and a new one is made beside it', async () => {
    const folder = await photoFolder(1);
    const queries = queriesOver(folder, 2);
    const output = join(freshFolder(), 'out');
    const args = ['refine', folder, '--queries', queries, '--output', output, ...CPU];
    expect((await vgr(args)).code).toBe(0);
    const before = readFileSync(join(output, 'results.jsonl'), 'utf8');
    const anew = await vgr([...args, '--no-resume', '--min-score', '0.4']);
    expect(anew.code).toBe(0);
    expect(anew.stderr).toContain(`writing to ${output}-2`);
    expect(linesOf(join(`${output}-2`, 'results.jsonl'))).toHaveLength(2);
    expect(readFileSync(join(output, 'results.jsonl'), 'utf8')).toBe(before);
  });

  it('is continued where the paths are spelt in another way', async () => {
    const folder = await photoFolder(1);
    const queries = queriesOver(folder, 2);
    const output = freshFolder();
    const run = (images: string, lines: string) =>
      vgr(['refine', images, '--queries', lines, '--output', output, ...CPU]);
    expect((await run(folder, queries)).code).toBe(0);
    const again = await run(`${folder}/./`, queries.replace(/\/(?=[^/]*$)/, '/./'));
    expect(again.stderr).toContain('done already');
    expect(again.code).toBe(0);
  });

  it('refuses other settings, with the difference', async () => {
    const folder = await photoFolder(1);
    const queries = queriesOver(folder, 2);
    const output = freshFolder();
    const args = ['refine', folder, '--queries', queries, '--output', output, ...CPU];
    expect((await vgr(args)).code).toBe(0);
    const other = await vgr([...args, '--min-score', '0.4']);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('min_score: 0.05, now 0.4');
    expect(linesOf(join(output, 'results.jsonl'))).toHaveLength(2);
  });

  it('belongs to one run at a time', async () => {
    const folder = await photoFolder(1);
    const output = freshFolder();
    const lock = await lockOutput(output);
    try {
      const args = ['refine', folder, '--queries', '-', '--output', output, ...CPU];
      const { code, stderr } = await vgr(args);
      expect(code).toBe(3);
      expect(stderr).toContain(`${process.pid}`);
    } finally {
      await lock.release();
    }
  });

  it.runIf(existsSync('/dev/full'))('ends with 3 and a hint when stdout is full', async () => {
    const folder = await photoFolder(2);
    const script = `exec "$0" bin/run.js detect "$1" --device cpu > /dev/full`;
    const run = spawnSync('sh', ['-c', script, process.execPath, folder], { encoding: 'utf8' });
    expect(run.status).toBe(3);
    expect(run.stderr).toMatch(/^error: .*stdout/m);
    expect(run.stderr).not.toMatch(/\n\s+at /);
  });

  it.runIf(canMount())('keeps what was done when the disk is full', async () => {
    const folder = await photoFolder(30);
    const disk = new SmallDisk(64);
    try {
      const { folder: output } = disk;
      const args = ['refine', folder, '--queries', queriesOver(folder, 600), '--output', output];
      const { code, stderr } = await vgr([...args, ...CPU]);
      expect(code).toBe(3);
      expect(stderr).toMatch(/error: .*no space/);
      expect(linesOf(join(output, 'results.jsonl')).length).toBeGreaterThan(10);
    } finally {
      disk.remove();
    }
  });

  it('is left resumable by Ctrl-C, and the rest is done by the same command', async () => {
    const folder = await photoFolder(30);
    const queries = queriesOver(folder, 60);
    const stdin = readFileSync(queries, 'utf8');
    const args = (output: string): string[] => [
      ...['refine', folder, '--queries', '-', '--output', output],
      ...[...CPU, '--no-timing', '--sessions', '1', '--format', 'jsonl'],
    ];
    const whole = freshFolder();
    expect((await vgr(args(whole), { stdin })).code).toBe(0);

    const output = freshFolder();
    const { child, outcome } = startVgr(args(output));
    child.stdout.once('data', () => child.kill('SIGINT'));
    // Half of the lines, and no end: however late the signal comes, the run is not done.
    child.stdin.write(stdin.slice(0, stdin.length / 2));
    const interrupted = await outcome;
    expect(interrupted.code).toBe(130);
    expect(existsSync(join(output, 'annotations.json'))).toBe(false);
    expect(JSON.parse(readFileSync(join(output, 'run.json'), 'utf8')).complete).toBe(false);
    const done = linesOf(join(output, 'results.jsonl')).length;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(60);

    expect((await vgr(args(output), { stdin })).code).toBe(0);
    for (const name of ['results.jsonl', 'annotations.json', 'predictions.json']) {
      expect(readFileSync(join(output, name), 'utf8')).toBe(
        readFileSync(join(whole, name), 'utf8'),
      );
    }
  });
});
