import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { linesFile, preloading } from '../support/faults.js';
import { freshFolder, jsonLines, type Outcome, photoFolder, vgr } from '../support/vgr.js';

const CPU = ['--device', 'cpu', '--sessions', '1', '--threads', '1'];
const FIXTURES = ['fixtures/queries.jsonl', 'fixtures/tools-queries.jsonl'];
const RESULTS = ['refiner.json', 'card.json', 'curve.jsonl'];
/** Seconds within which an error that needs no work must end the command. */
const SOON_MS = 20_000;

/** The part of a card that is read here. */
interface Card {
  readonly sha256: string;
  readonly training: {
    readonly photos: number;
    readonly tools: number;
    readonly absent: number;
    readonly sets: number;
    readonly settings: Readonly<Record<string, unknown>>;
  };
  readonly validation: {
    readonly queries: number;
    readonly tool: { readonly accuracy: number };
    readonly start: { readonly accuracy: number };
    readonly fitted: { readonly accuracy: number };
  } | null;
}

const cardOf = (folder: string): Card =>
  JSON.parse(readFileSync(join(folder, 'card.json'), 'utf8'));
const numbersOf = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'refiner.json'), 'utf8'));
const bytesOf = (folder: string) => RESULTS.map((name) => readFileSync(join(folder, name), 'utf8'));

const LEFT = [10, 20, 110, 200] as const;
const RIGHT = [300, 30, 420, 210] as const;
const xywh = ([x1, y1, x2, y2]: readonly [number, number, number, number]) => [
  ...[x1, y1, x2 - x1, y2 - y1],
];

/** Lines over the boxes of two tools without labels; `good`, the judged one, is wrong where `errs` says so. */
function arbitration(
  count: number,
  errs: (at: number) => boolean,
  words = ['the left man', 'the man on the right'],
): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, at) => {
    const [truth, wrong] = at % 2 === 0 ? [LEFT, RIGHT] : [RIGHT, LEFT];
    const [good, other] = errs(at) ? [wrong, truth] : [truth, wrong];
    return {
      id: `q${at}`,
      query: words[at % words.length],
      bbox: xywh(truth),
      tools: { good: [{ bbox_2d: good }], other: [{ bbox_2d: other }] },
      width: 480,
      height: 320,
    };
  });
}

const always = () => true;
const never = () => false;
const everyThird = (at: number) => at % 3 === 0;
/** Words that fit both boxes alike. */
const NO_CUE = ['the man'];

/** Lines over two people that a detector found. */
const people = (query: string, truths: object, at: number) => ({
  id: `p${at}`,
  query,
  ...truths,
  tools: {
    detector: [
      { bbox_2d: LEFT, score: 0.8, label: 'person' },
      { bbox_2d: RIGHT, score: 0.7, label: 'person' },
    ],
  },
  width: 480,
  height: 320,
});

const train = (queries: readonly string[], output: string, ...more: string[]): Promise<Outcome> =>
  vgr([
    ...['train-lite', ...queries.flatMap((file) => ['--queries', file]), '--output', output],
    ...['--cache', join(output, 'cache'), ...CPU, ...more],
  ]);

/** Trains on the fixtures: 22 lines with photos, and 6 over boxes of tools. */
const onFixtures = (output: string, ...more: string[]): Promise<Outcome> =>
  vgr([
    ...['train-lite', 'fixtures/images', ...FIXTURES.flatMap((file) => ['--queries', file])],
    ...['--output', output, '--cache', join(output, 'cache'), ...CPU, ...more],
  ]);

async function answers(refiner: string, lines: readonly object[], ...more: string[]) {
  const args = ['--queries', linesFile(lines), '--refiner', refiner, '--no-timing', ...CPU];
  const { code, stdout, stderr } = await vgr(['refine', ...args, ...more]);
  expect(code, stderr).toBe(0);
  return jsonLines(stdout).map(
    ({ answer }) =>
      answer as { bbox_2d: readonly number[] | null; decision: string; boxes?: object[] },
  );
}

describe('vgr train-lite on photos and boxes', () => {
  let whole: string;
  let first: Outcome;

  beforeAll(async () => {
    whole = freshFolder();
    first = await onFixtures(whole);
    expect(first.code, first.stderr).toBe(0);
  });

  it('writes a refiner that refine takes, with its card and its curve', async () => {
    const { training, validation } = cardOf(whole);
    expect(training).toMatchObject({ settings: { algorithm: 'exact', epochs: 100, seed: 1 } });
    expect(training.photos).toBeGreaterThan(10);
    expect(training.photos + training.tools + validation!.queries).toBe(28);
    const curve = jsonLines(readFileSync(join(whole, 'curve.jsonl'), 'utf8'));
    expect(curve.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(curve.at(-1)!.likelihood).toBeGreaterThan(curve[0]!.likelihood as number);
    const args = ['--queries', FIXTURES[0]!, '--refiner', whole, '--no-timing', ...CPU];
    const { code, stdout } = await vgr(['refine', 'fixtures/images', ...args]);
    expect(code).toBe(0);
    const lines = jsonLines(stdout);
    expect(lines).toHaveLength(22);
    // Numbers of its own, not those of the embedded refiner.
    const lite = await vgr(['refine', 'fixtures/images', ...args, '--refiner', 'lite']);
    expect(stdout).not.toBe(lite.stdout);
    const byName = new Map(lines.map((line) => [line.id, line.answer as { bbox_2d: number[] }]));
    expect(byName.get('tree-left')!.bbox_2d[0]).toBeLessThan(240);
    expect(byName.get('tree-right')!.bbox_2d[0]).toBeGreaterThan(300);
  });

  it('shows a table of the held-out lines and says what to do', () => {
    const { queries, tool, fitted } = cardOf(whole).validation!;
    const row = (title: string, share: number) =>
      new RegExp(`^${title} +${Math.round(share * queries)} +${(100 * share).toFixed(1)} %, `, 'm');
    expect(first.stdout).toMatch(new RegExp(`tried on ${queries} others:`));
    expect(first.stdout).toMatch(row('the tool alone', tool.accuracy));
    expect(first.stdout).toMatch(row('fitted', fitted.accuracy));
    expect(first.stdout).toMatch(/^(use it: |This refiner is (worse|not better) than )/m);
  });

  it('gives the same bytes for the same seed, and others for another', async () => {
    const again = freshFolder();
    const same = await onFixtures(again);
    expect(same.code, same.stderr).toBe(0);
    expect(bytesOf(again)).toEqual(bytesOf(whole));
    const sampled = [freshFolder(), freshFolder(), freshFolder()];
    for (const [at, folder] of sampled.entries()) {
      const seed = at === 2 ? '8' : '7';
      const args = ['--algorithm', 'grpo', '--epochs', '8', '--seed', seed];
      expect((await onFixtures(folder, ...args)).code).toBe(0);
    }
    const [one, two, three] = sampled.map((folder) => numbersOf(folder));
    expect(two).toEqual(one);
    expect(three).not.toEqual(one);
  });

  it('killed in mid-run and run again ends with the same bytes', async () => {
    const again = freshFolder();
    const run = (env: Record<string, string> = {}) =>
      vgr(
        [
          ...['train-lite', 'fixtures/images', ...FIXTURES.flatMap((file) => ['--queries', file])],
          ...['--output', again, '--cache', join(again, 'cache'), ...CPU],
        ],
        { env },
      );
    const killed = await run({
      ...preloading('killed-midway.mjs'),
      VGR_TEST_KILL_WORDS: 'of them from the cache',
    });
    expect(killed.signal).toBe('SIGKILL');
    for (const name of RESULTS) expect(existsSync(join(again, name)), name).toBe(false);
    const { code, stderr } = await run();
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('28 queries, 28 of them from the cache');
    expect(bytesOf(again)).toEqual(bytesOf(whole));
  });

  it('prints the card with --json, and nothing but the card', async () => {
    const output = freshFolder();
    const { code, stdout } = await onFixtures(output, '--json', '--val-share', '0');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ ...cardOf(output), output });
    expect(cardOf(output).validation).toBeNull();
  });

  it('holds out more lines with a larger --val-share', async () => {
    const output = freshFolder();
    const { stdout } = await onFixtures(output, '--val-share', '0.5', '--epochs', '1');
    expect(cardOf(output).validation!.queries).toBeGreaterThan(cardOf(whole).validation!.queries);
    expect(stdout).toContain(`tried on ${cardOf(output).validation!.queries} others`);
    const none = freshFolder();
    const all = await onFixtures(none, '--val-share', '0', '--epochs', '1');
    expect(all.stdout).toContain('fitted to 28 lines');
    expect(all.stdout).toContain('nothing was held out');
    expect(all.stdout).toContain(`vgr refine IMAGES --queries q.jsonl --refiner ${none}`);
  });

  it('makes lines of annotations that name what is absent and what are several', async () => {
    const categories = ['person', 'cat', 'dog', 'cup', 'zebra', 'boat', 'pizza'];
    const annotations = join(freshFolder(), 'instances.json');
    const boxes = [
      [1, 'cat', [20, 100, 305, 230]],
      [1, 'cat', [415, 190, 200, 150]],
      [2, 'dog', [220, 133, 118, 167]],
      [2, 'dog', [320, 147, 152, 192]],
      [3, 'dog', [46, 65, 417, 260]],
    ] as const;
    const dataset = {
      images: ['cats.jpg', 'dogs-under-tree.jpg', 'dog-on-tiles.jpg', 'unlisted.jpg'].map(
        (file_name, at) => ({ id: at + 1, file_name, width: 640, height: 480 }),
      ),
      categories: categories.map((name, at) => ({ id: at + 1, name })),
      annotations: boxes.map(([image_id, name, bbox], at) => ({
        ...{ id: at + 1, image_id, category_id: categories.indexOf(name) + 1, bbox, iscrowd: 0 },
        area: bbox[2] * bbox[3],
      })),
    };
    writeFileSync(annotations, JSON.stringify(dataset));
    const output = freshFolder();
    const run = await onFixtures(output, '--annotations', annotations, '--val-share', '0');
    expect(run.code, run.stderr).toBe(0);
    const { training } = cardOf(output);
    expect(training.photos).toBeGreaterThan(22);
    expect(training.absent).toBeGreaterThan(5);
    expect(training.sets).toBe(2);
    expect(numbersOf(output).none).not.toEqual(numbersOf(whole).none);

    dataset.categories.length = 1;
    writeFileSync(annotations, JSON.stringify(dataset));
    const bad = await onFixtures(freshFolder(), '--annotations', annotations);
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain('which `categories` does not list');
    const missing = await onFixtures(freshFolder(), '--annotations', 'nowhere.json');
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('nowhere.json');
  });

  it('warns of photos in both parts', async () => {
    const photos = await photoFolder(12);
    const lines = readdirSync(photos).map((image, i) => ({
      ...{ id: `p${i}`, image, query: 'the dark ball' },
      bbox: [2 + ((i * 37) % 60), 22, 36, 36],
    }));
    const file = linesFile(lines);
    const output = freshFolder();
    const { code, stderr } = await vgr([
      ...['train-lite', photos, '--queries', file, '--val', file, '--output', output],
      ...['--cache', join(output, 'cache'), ...CPU],
    ]);
    expect(stderr).toContain('12 photos are in both training and validation');
    expect(code).toBe(0);
  });
});

describe('vgr train-lite on boxes of tools', () => {
  it('learns which tool to rely on, and says that the refiner is worth using', async () => {
    const output = freshFolder();
    const lines = linesFile(arbitration(150, (at) => at % 5 !== 0, NO_CUE));
    const { code, stdout } = await train([lines], output);
    expect(code).toBe(0);
    const { tool, fitted } = cardOf(output).validation!;
    expect(fitted.accuracy).toBeGreaterThan(tool.accuracy + 0.3);
    expect(numbersOf(output).tools).toEqual(['good', 'other']);
    expect(stdout).toContain(`vgr refine IMAGES --queries q.jsonl --refiner ${output}`);
    const plain = freshFolder();
    const without = await train([lines], plain, '--no-tool-columns');
    expect(without.code).toBe(0);
    expect(numbersOf(plain).tools).toEqual([]);
  });

  it('says so where the refiner is worse than the tool on the held-out lines', async () => {
    const output = freshFolder();
    const held = linesFile(arbitration(40, never, NO_CUE));
    const queries = linesFile(arbitration(60, always, NO_CUE));
    const { code, stdout } = await train([queries], output, '--val', held, '--init', 'none');
    expect(code).toBe(0);
    const { tool, fitted } = cardOf(output).validation!;
    expect(tool.accuracy).toBe(1);
    expect(fitted.accuracy).toBeLessThan(1);
    expect(stdout).toContain('This refiner is worse than the tool alone on the held-out lines');
    expect(stdout).toContain('0.0 %, 0.0 to 8.8');
    expect(stdout).toContain('What helps: more lines (this fit had 60');
    expect(stdout).not.toContain('use it:');
  });

  it('says so where the refiner is not better than what it started from', async () => {
    const lines = Array.from({ length: 40 }, (_, at) =>
      people(
        at % 2 ? 'the right person' : 'the left person',
        { bbox: xywh(at % 2 ? RIGHT : LEFT) },
        at,
      ),
    );
    for (const [init, other] of [
      ['lite', '`--refiner lite`'],
      ['none', 'the weights before fitting'],
    ] as const) {
      const output = freshFolder();
      const { stdout } = await train([linesFile(lines)], output, '--init', init);
      const { start, fitted } = cardOf(output).validation!;
      expect(fitted.accuracy).toBe(start.accuracy);
      expect(stdout).toContain(`This refiner is not better than ${other} on the held-out lines`);
    }
  });

  it('starts from the prior weights with --init none, and from a refiner with its folder', async () => {
    const queries = [linesFile(arbitration(60, everyThird))];
    const [none, lite, more] = [freshFolder(), freshFolder(), freshFolder()];
    const still = ['--epochs', '0'];
    expect((await train(queries, none, '--init', 'none', ...still)).code).toBe(0);
    expect((await train(queries, lite, ...still)).code).toBe(0);
    // Without an epoch the weights of the columns are those of the start.
    expect(numbersOf(none).boxes.kind).toBe(1);
    expect(numbersOf(lite).boxes).toMatchObject(
      JSON.parse(readFileSync('models/lite-refiner/refiner.json', 'utf8')).boxes,
    );
    expect((await train(queries, none, '--init', 'none')).code).toBe(0);
    expect((await train(queries, more, '--init', none, ...still)).code).toBe(0);
    expect(numbersOf(more).boxes).toEqual(numbersOf(none).boxes);
  });

  it('learns by sampled groups too', async () => {
    const output = freshFolder();
    const lines = linesFile(arbitration(80, always, NO_CUE));
    const { code } = await train([lines], output, '--algorithm', 'grpo', '--init', 'none');
    expect(code).toBe(0);
    expect(cardOf(output).training.settings).toMatchObject({ algorithm: 'grpo' });
    const { start, fitted } = cardOf(output).validation!;
    expect(fitted.accuracy).toBeGreaterThan(start.accuracy);
  });

  it('learns of lines with no box that nothing fits, and of lines with several what a set is', async () => {
    // Nothing is known beforehand of garments: the prior weights answer a box.
    const lines = Array.from({ length: 90 }, (_, at) => {
      if (at % 3 === 0) return people('the hat', { boxes: [] }, at);
      if (at % 3 === 1) return people('both people', { boxes: [xywh(LEFT), xywh(RIGHT)] }, at);
      return people('the left person', { bbox: xywh(LEFT) }, at);
    });
    const asked = [
      people('the hat', {}, 0),
      people('both people', {}, 1),
      people('the left person', {}, 2),
    ];
    const [before, after] = [freshFolder(), freshFolder()];
    const args = ['--init', 'none', '--val-share', '0', '--prior', '2'];
    expect((await train([linesFile(lines)], before, ...args, '--epochs', '0')).code).toBe(0);
    expect((await train([linesFile(lines)], after, ...args)).code).toBe(0);
    expect(cardOf(after).training).toMatchObject({ tools: 90, absent: 30, sets: 30 });
    expect((await answers(before, asked))[0]!.decision).not.toBe('none');
    const [hat, both, left] = await answers(after, asked);
    expect(hat).toMatchObject({ bbox_2d: null, decision: 'none' });
    expect(both!.boxes).toHaveLength(2);
    expect(left).toMatchObject({ bbox_2d: LEFT });
    expect(left).not.toHaveProperty('boxes');
  });

  it('says what is wrong with its input', async () => {
    const lines = arbitration(12, everyThird);
    const cases: readonly (readonly [object[], string])[] = [
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
      const { code, stderr } = await train([linesFile(bad)], freshFolder());
      expect(stderr).toContain(message);
      expect(code).toBe(2);
    }
    const tool = await train([linesFile(lines)], freshFolder(), '--tool', 'nobody');
    expect(tool.stderr).toContain('`good`, `other`');
    expect(tool.code).toBe(2);
  });
});

describe('vgr train-lite that cannot open what it needs', () => {
  it.each([
    ['a detector', ['--detector', 'nosuch'], 2, 'no model `nosuch`'],
    ['a device', ['--device', 'cuda:99'], 3, 'device `cuda:99` does not start'],
    ['an encoder', ['--encoder', 'nosuch'], 2, 'no model `nosuch`'],
    ['a refiner to start from', ['--init', 'nosuch'], 2, 'no refiner `nosuch`'],
    ['a file of lines', ['--queries', 'nowhere.jsonl'], 2, 'nowhere.jsonl'],
  ])('ends soon with an exit code: %s', async (_, flags, code, message) => {
    const output = freshFolder();
    const start = performance.now();
    const run = await vgr([
      ...['train-lite', 'fixtures/images', '--queries', FIXTURES[0]!, '--output', output, ...flags],
    ]);
    expect(performance.now() - start).toBeLessThan(SOON_MS);
    expect(run.stderr).toContain(message);
    expect(run.code).toBe(code);
    expect(run.stdout).toBe('');
    expect(readdirSync(output)).toEqual([]);
  });
});

describe('a refiner that refine cannot use', () => {
  let folder: string;
  const lines = arbitration(3, everyThird);

  const refused = (refiner: string) =>
    vgr(['refine', '--queries', linesFile(lines), '--refiner', refiner, ...CPU]);

  /** The refiner with another text for its numbers, which its card pins or does not. */
  function changed(text: (numbers: Record<string, unknown>) => string, pinned = true): string {
    const copy = freshFolder();
    cpSync(folder, copy, { recursive: true });
    const bytes = text(numbersOf(folder));
    writeFileSync(join(copy, 'refiner.json'), bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const card = { ...cardOf(folder), ...(pinned && { sha256, bytes: Buffer.byteLength(bytes) }) };
    writeFileSync(join(copy, 'card.json'), JSON.stringify(card));
    return copy;
  }

  beforeAll(async () => {
    folder = freshFolder();
    const { code } = await train([linesFile(arbitration(20, everyThird))], folder, '--epochs', '1');
    expect(code).toBe(0);
  });

  it('is refused where its file is not the one that the card pins', async () => {
    const other = changed((numbers) => JSON.stringify({ ...numbers, threshold: 0.9 }), false);
    const { code, stdout, stderr } = await refused(other);
    expect(code).toBe(3);
    expect(stdout).toBe('');
    expect(stderr).toContain('expected sha256');
    expect(stderr).toMatch(/hint: .*`vgr train-lite`/);
  });

  it.each<[string, (numbers: Record<string, unknown>) => string, string]>([
    ['text that is no JSON', () => '{"schema": 1,', 'refiner.json'],
    ['a threshold of 7', (numbers) => JSON.stringify({ ...numbers, threshold: 7 }), '`threshold`'],
    ['no weights', ({ boxes: _, ...numbers }) => JSON.stringify(numbers), '`boxes`'],
    ['words for weights', (n) => JSON.stringify({ ...n, none: { always: 'x' } }), 'none.always'],
    ['other columns', (n) => JSON.stringify({ ...n, columns: '0123456789abcdef' }), 'got 0123'],
  ])('is refused with %s', async (_, text, message) => {
    const { code, stdout, stderr } = await refused(changed(text));
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/hint: .*`vgr train-lite`/);
  });

  it('is refused with a card of an earlier version', async () => {
    const old = changed((numbers) => JSON.stringify(numbers));
    const { training, validation, ...card } = cardOf(old);
    writeFileSync(
      join(old, 'card.json'),
      JSON.stringify({ ...card, file: 'refiner.onnx', features: { version: 3 }, training }),
    );
    const { code, stderr } = await refused(old);
    expect(code).toBe(2);
    expect(stderr).toContain('expected "refiner.json", got "refiner.onnx"');
    expect(stderr).toMatch(/hint: .*`vgr train-lite`/);
  });
});
