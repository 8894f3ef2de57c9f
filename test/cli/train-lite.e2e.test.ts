import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { preloading } from '../support/faults.js';
import { freshFolder, jsonLines, photoFolder, vgr } from '../support/vgr.js';

const SMALL = ['--device', 'cpu', '--sessions', '1', '--threads', '1'];
const MEMBERS = ['--warm-start-epochs', '2', '--epochs', '2', '--members', '2', '--width', '16'];
const SHORT = [...MEMBERS, '--distillation-epochs', '2'];

/** Queries over boxes of two tools: `good` is right on even lines, `other` on odd ones, and the words tell which. */
function arbitration(count: number): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, i) => {
    const [left, right] = [
      [10 + (i % 7), 20, 110, 200],
      [300 + (i % 5), 30, 420, 210],
    ] as const;
    const truth = i % 2 === 0 ? left : right;
    const wrong = i % 2 === 0 ? right : left;
    const shown = i % 3 === 0 ? wrong : truth;
    return {
      id: `q${i}`,
      query: i % 2 === 0 ? 'the left man' : 'the man on the right',
      bbox: [truth[0], truth[1], truth[2] - truth[0], truth[3] - truth[1]],
      tools: { good: [{ bbox_2d: shown }], other: [{ bbox_2d: wrong === shown ? truth : wrong }] },
      width: 480,
      height: 320,
    };
  });
}

/** Queries over the boxes of a detector: two men and a dog beside the one that it is less sure of, who is meant. */
function besideDogs(count: number): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, i) => {
    const [sure, meant, dog] = [
      [10 + (i % 7), 20, 110, 200],
      [300 + (i % 5), 30, 380, 210],
      [385, 140 + (i % 3), 440, 210],
    ];
    return {
      id: `d${i}`,
      query: 'the man next to the dog',
      bbox: [meant![0], meant![1], meant![2]! - meant![0]!, meant![3]! - meant![1]!],
      tools: {
        good: [
          { bbox_2d: sure, score: 0.9, label: 'person' },
          { bbox_2d: meant, score: 0.7, label: 'person' },
          { bbox_2d: dog, score: 0.8, label: 'dog' },
        ],
      },
      width: 480,
      height: 320,
    };
  });
}

function fileOf(lines: readonly unknown[]): string {
  const path = join(freshFolder(), 'q.jsonl');
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return path;
}

const train = (queries: string, output: string, ...more: string[]) =>
  vgr([
    ...['train-lite', '--queries', queries, '--output', output],
    ...['--cache', join(output, 'cache'), ...SMALL, ...SHORT, ...more],
  ]);

const RESULTS = ['refiner.onnx', 'card.json', 'curve.jsonl', 'curve.svg'];

describe('vgr train-lite', () => {
  let whole: string;
  let queries: string;

  beforeAll(async () => {
    whole = freshFolder();
    queries = fileOf(arbitration(60));
    const { code, stderr } = await train(queries, whole);
    expect(stderr).toContain('grpo 2');
    expect(stderr).toContain('student  distillation 2');
    expect(code).toBe(0);
  });

  it('writes a refiner that refine takes, its card and its curve', async () => {
    const card = JSON.parse(readFileSync(join(whole, 'card.json'), 'utf8'));
    expect(card).toMatchObject({ kind: 'refiner', tools: ['good', 'other'] });
    expect(card.validation.queries).toBeGreaterThan(0);
    const curve = jsonLines(readFileSync(join(whole, 'curve.jsonl'), 'utf8'));
    expect(curve.map(({ member, phase, epoch }) => `${member} ${phase} ${epoch}`)).toEqual(
      [1, 2]
        .flatMap((member) =>
          ['warm-start 1', 'warm-start 2', 'grpo 1', 'grpo 2'].map((name) => `${member} ${name}`),
        )
        .concat('3 distillation 1', '3 distillation 2'),
    );
    expect(card.policy.members).toBe(1);
    expect(readFileSync(join(whole, 'curve.svg'), 'utf8')).toMatch(/^<svg .*<\/svg>\n$/s);
    const { code, stdout } = await vgr([
      'refine',
      '--queries',
      queries,
      '--refiner',
      whole,
      ...SMALL,
    ]);
    expect(code).toBe(0);
    const decisions = jsonLines(stdout).map(
      (line) => (line.answer as { decision: string }).decision,
    );
    expect(decisions).toHaveLength(60);
    for (const decision of decisions) expect(['confirm', 'correct', 'adjust']).toContain(decision);
  });

  it('leaves words of a kind that it was not taught to the transparent scorer', async () => {
    const path = fileOf(
      arbitration(6).map((line, at) => ({
        ...line,
        query: at % 2 === 0 ? 'the man not on the left' : 'what can walk?',
      })),
    );
    const answers = async (refiner: string) => {
      const { stdout } = await vgr([
        ...['refine', '--queries', path, '--refiner', refiner, '--no-timing', ...SMALL],
      ]);
      return jsonLines(stdout).map(({ think, answer }) => ({ think, answer }));
    };
    const card = JSON.parse(readFileSync(join(whole, 'card.json'), 'utf8'));
    expect(card.constructs).toEqual([]);
    expect(await answers(whole)).toEqual(await answers('v0'));

    const taught = freshFolder();
    const shown = fileOf(
      arbitration(60).map((line, at) => ({
        ...line,
        query: at % 2 === 0 ? 'the man not on the right' : 'the man on the right',
      })),
    );
    expect((await train(shown, taught)).code).toBe(0);
    const own = JSON.parse(readFileSync(join(taught, 'card.json'), 'utf8'));
    expect(own.constructs).toEqual(['negation']);
    expect(await answers(taught)).not.toEqual(await answers('v0'));
  });

  it('leaves clues of a sort that it was not taught to the transparent scorer', async () => {
    const path = fileOf(besideDogs(6));
    const answers = async (refiner: string) => {
      const { stdout } = await vgr([
        ...['refine', '--queries', path, '--refiner', refiner, '--no-timing', ...SMALL],
      ]);
      return jsonLines(stdout).map(({ think, answer }) => ({ think, answer }));
    };
    const plain = await answers('v0');
    for (const { answer } of plain) expect(answer).toMatchObject({ decision: 'correct' });
    const card = JSON.parse(readFileSync(join(whole, 'card.json'), 'utf8'));
    expect(card.clues).toEqual([]);
    expect(await answers(whole)).toEqual(plain);

    const taught = freshFolder();
    expect((await train(fileOf(besideDogs(30)), taught)).code).toBe(0);
    const own = JSON.parse(readFileSync(join(taught, 'card.json'), 'utf8'));
    expect(own.clues).toEqual(['relation.next-to']);
    expect(await answers(taught)).not.toEqual(plain);
  });

  it('killed and started again ends with the same bytes', async () => {
    const again = freshFolder();
    const { signal } = await vgr(
      [
        ...['train-lite', '--queries', queries, '--output', again],
        ...['--cache', join(again, 'cache'), ...SMALL, ...SHORT],
      ],
      { env: { ...preloading('killed-midway.mjs'), VGR_TEST_KILL_WORDS: 'member 1  grpo 1' } },
    );
    expect(signal).toBe('SIGKILL');
    expect(existsSync(join(again, 'refiner.onnx'))).toBe(false);
    const { code, stderr } = await train(queries, again);
    expect(code).toBe(0);
    expect(stderr).not.toContain('member 1  warm-start 1');
    for (const name of RESULTS) {
      expect(readFileSync(join(again, name)), name).toEqual(readFileSync(join(whole, name)));
    }
  });

  it('does nothing where it is done, and refuses other settings there', async () => {
    const done = await train(queries, whole);
    expect(done.code).toBe(0);
    expect(done.stderr).not.toContain('grpo');
    const other = await train(queries, whole, '--lr', '0.01');
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('--no-resume');
  });

  it('puts all members into the file where they are not to teach one', async () => {
    const copy = freshFolder();
    cpSync(whole, copy, { recursive: true });
    const { code, stderr } = await vgr([
      ...['train-lite', '--queries', queries, '--output', copy, '--cache', join(copy, 'cache')],
      ...[...SMALL, ...MEMBERS, '--distillation-epochs', '0'],
    ]);
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/grpo|distillation/);
    const card = JSON.parse(readFileSync(join(copy, 'card.json'), 'utf8'));
    const taught = JSON.parse(readFileSync(join(whole, 'card.json'), 'utf8'));
    expect(card.policy.members).toBe(2);
    expect(card.policy.parameters).toBe(2 * taught.policy.parameters);
    const args = ['refine', '--queries', queries, '--refiner', copy, ...SMALL];
    expect(await vgr(args)).toMatchObject({ code: 0 });
  });

  it('continues from a refiner', async () => {
    const output = freshFolder();
    const { code } = await train(queries, output, '--init', whole);
    expect(code).toBe(0);
    const sha = (folder: string) =>
      JSON.parse(readFileSync(join(folder, 'card.json'), 'utf8')).sha256;
    expect(sha(output)).not.toBe(sha(whole));
  });

  it('refuses a refiner of another feature version, with a hint', async () => {
    const folder = freshFolder();
    const card = JSON.parse(readFileSync(join(whole, 'card.json'), 'utf8'));
    card.features.version = 99;
    writeFileSync(join(folder, 'card.json'), JSON.stringify(card));
    writeFileSync(join(folder, 'refiner.onnx'), readFileSync(join(whole, 'refiner.onnx')));
    const { code, stderr } = await vgr([
      'refine',
      '--queries',
      queries,
      '--refiner',
      folder,
      ...SMALL,
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain('got 99');
    expect(stderr).toContain('hint: train it anew');
  });

  it('says what is wrong with its input', async () => {
    const lines = arbitration(12);
    const cases: readonly (readonly [unknown[], string])[] = [
      [lines.map(({ bbox: _, ...rest }) => rest), 'got it on no line'],
      [lines.slice(0, 5), 'expected at least 10 usable lines'],
      [
        lines.map((line, at) => ({ ...line, tools: at < 3 ? {} : line.tools })),
        '3 lines with neither an image nor boxes in `tools` are left out',
      ],
      [lines.map((line) => ({ ...line, bbox: [900, 900, 10, 10] })), 'inside the photo'],
      [lines.map(({ tools: _, ...rest }) => ({ ...rest, image: 'a.jpg' })), 'no image folder'],
    ];
    for (const [bad, message] of cases) {
      const { code, stderr } = await train(fileOf(bad), freshFolder());
      expect(stderr).toContain(message);
      expect(code).toBe(2);
    }
    const tool = await train(queries, freshFolder(), '--tool', 'nobody');
    expect(tool.stderr).toContain('`good`, `other`');
    expect(tool.code).toBe(2);
  });

  it('stops at a loss that is no number and keeps the last good checkpoint', async () => {
    const output = freshFolder();
    const { code, stderr } = await train(queries, output, '--lr', '1e30');
    expect(code).toBe(3);
    expect(stderr).toMatch(/step \d+: expected a finite loss/);
    expect(readdirSync(output)).toContain('checkpoint-0.bin');
  });

  it('learns from photos, and warns of photos in both parts', async () => {
    const photos = await photoFolder(12);
    const lines = readdirSync(photos).map((image, i) => ({
      id: `p${i}`,
      image,
      query: 'the dark ball',
      bbox: [2 + ((i * 37) % 60), 22, 36, 36],
    }));
    const file = fileOf(lines);
    const output = freshFolder();
    const run = () =>
      vgr([
        ...['train-lite', photos, '--queries', file, '--val', file, '--output', output, '--json'],
        ...['--cache', join(output, 'cache'), '--no-resume', ...SMALL, ...SHORT],
      ]);
    const first = await run();
    expect(first.stderr).toContain('12 photos are both in training and in validation');
    expect(first.code).toBe(0);
    expect(JSON.parse(first.stdout)).toMatchObject({ kind: 'refiner', tools: ['centernet'] });
    expect((await run()).stderr).toContain('features of 24 queries, 24 of them from');
  });
});
