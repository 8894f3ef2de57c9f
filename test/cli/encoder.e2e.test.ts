import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { type EncoderPlan, writeEncoder } from '../support/encoder-graph.js';
import { freshFolder, jsonLines, type Outcome, vgr } from '../support/vgr.js';

const SMALL = ['--device', 'cpu', '--sessions', '1', '--threads', '1'];

/** Words that no dictionary has, and the colour that each means. */
const KINDS = [
  ['blicket', '#d02020'],
  ['wug', '#20b030'],
  ['dax', '#2040d0'],
] as const;

const SIDE = 40;

interface Line {
  readonly id: string;
  readonly image: string;
  readonly query: string;
  readonly bbox: readonly number[];
  readonly tools: object;
}

/** Photos with a square of each colour; which one is meant is told by the word alone, and the tool names any of them. */
async function scenes(folder: string, count: number): Promise<Line[]> {
  mkdirSync(folder, { recursive: true });
  const lines: Line[] = [];
  for (let i = 0; i < count; i++) {
    const order = KINDS.map((_, at) => KINDS[(at + (i % 3)) % 3]!);
    const places = order.map((_, at) => ({
      x: 12 + at * 56 + ((i * 7) % 9),
      y: 20 + ((i * 5) % 23),
    }));
    const squares = order.map(
      ([, colour], at) =>
        `<rect x="${places[at]!.x}" y="${places[at]!.y}" width="${SIDE}" height="${SIDE}" fill="${colour}"/>`,
    );
    const svg = `<svg width="180" height="100"><rect width="180" height="100" fill="#888"/>${squares.join('')}</svg>`;
    const image = `${i}.png`;
    await sharp(Buffer.from(svg)).png().toFile(join(folder, image));
    const boxes = [0, 1, 2].map((at) => {
      const { x, y } = places[(at + i) % 3]!;
      return { bbox_2d: [x, y, x + SIDE, y + SIDE], score: 0.5, label: 'thing' };
    });
    for (const [at, { x, y }] of places.entries()) {
      lines.push({
        id: `q${i}-${at}`,
        image,
        query: `the ${order[at]![0]}`,
        bbox: [x, y, SIDE, SIDE],
        tools: { boxes },
      });
    }
  }
  return lines;
}

function fileOf(lines: readonly unknown[]): string {
  const path = join(freshFolder(), 'q.jsonl');
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return path;
}

interface Trained {
  readonly folder: string;
  readonly card: Readonly<Record<string, unknown>>;
  readonly outcome: Outcome;
}

describe('an image-text encoder as columns of the lite refiner', () => {
  let photos: string;
  let train: string;
  let val: string;
  let models: string;

  const run = (args: readonly string[], more: Record<string, string> = {}): Promise<Outcome> =>
    vgr(args, { env: { VGR_MODELS_DIR: models, ...more } });

  async function trained(...flags: string[]): Promise<Trained> {
    const folder = freshFolder();
    const outcome = await run([
      ...['train-lite', photos, '--queries', train, '--val', val, '--output', folder],
      ...['--detector', 'none', '--cache', join(folder, 'cache'), ...SMALL, ...flags],
    ]);
    expect(outcome.stderr).toContain('of them from the cache');
    expect(outcome.code).toBe(0);
    return { folder, outcome, card: JSON.parse(readFileSync(join(folder, 'card.json'), 'utf8')) };
  }

  const refine = (refiner: string): Promise<Outcome> =>
    run([
      ...['refine', photos, '--queries', val, '--refiner', refiner, '--detector', 'none'],
      ...['--no-timing', ...SMALL],
    ]);

  const accuracy = (stdout: string, lines: readonly Line[]): number => {
    const results = jsonLines(stdout);
    expect(results).toHaveLength(lines.length);
    const right = results.filter((result, at) => {
      const box = (result.answer as { bbox_2d: readonly number[] | null }).bbox_2d;
      return box !== null && Math.abs(box[0]! - lines[at]!.bbox[0]!) < 5;
    });
    return right.length / lines.length;
  };

  let lines: Line[];
  let plain: Trained;
  let clip: Trained;

  beforeAll(async () => {
    photos = join(freshFolder(), 'photos');
    models = freshFolder();
    writeEncoder(models);
    writeEncoder(models, { family: 'siglip' });
    writeEncoder(models, { name: 'tiny-whole', whole: true });
    const all = await scenes(photos, 64);
    lines = all.slice(150);
    train = fileOf(all.slice(0, 150));
    val = fileOf(lines);
    plain = await trained();
    clip = await trained('--encoder', 'tiny-clip');
  });

  it('teaches words that nothing else explains', async () => {
    const [without, with_] = await Promise.all([refine(plain.folder), refine(clip.folder)]);
    expect(accuracy(without.stdout, lines)).toBeLessThan(0.7);
    expect(accuracy(with_.stdout, lines)).toBeGreaterThan(0.95);
  });

  it('is told in the card, and no other card tells of one', () => {
    expect(plain.card).not.toHaveProperty('encoder');
    expect(clip.card.encoder).toMatchObject({ family: 'clip', name: 'tiny-clip' });
    for (const part of ['image', 'text', 'tokenizer', 'rules']) {
      expect(clip.card.encoder).toHaveProperty(
        `${part}_sha256`,
        expect.stringMatching(/^[0-9a-f]{64}$/),
      );
    }
  });

  it('gives the same bytes again, from the cache and anew, in many threads as in one', async () => {
    const one = await refine(clip.folder);
    const two = await run([
      ...['refine', photos, '--queries', val, '--refiner', clip.folder, '--detector', 'none'],
      ...['--no-timing', '--device', 'cpu', '--sessions', '2', '--threads', '1'],
    ]);
    expect(two.stdout).toBe(one.stdout);
    const again = await run([
      ...['train-lite', photos, '--queries', train, '--val', val, '--output', clip.folder],
      ...['--detector', 'none', '--cache', join(clip.folder, 'cache'), ...SMALL],
      ...['--encoder', 'tiny-clip'],
    ]);
    expect(again.stderr).toContain('192 of them from');
    expect(JSON.parse(readFileSync(join(clip.folder, 'card.json'), 'utf8')).sha256).toBe(
      clip.card.sha256,
    );
  });

  it('answers alike within a bound of memory', async () => {
    const bound = await run([
      ...['refine', photos, '--queries', val, '--refiner', clip.folder, '--detector', 'none'],
      ...['--no-timing', '--device', 'cpu', '--sessions', '2', '--max-memory', '1g'],
    ]);
    expect(bound.stderr).not.toContain('failed');
    expect(bound.stdout).toBe((await refine(clip.folder)).stdout);
  });

  it.each([
    ['tiny-siglip', 'siglip'],
    ['tiny-whole', 'clip'],
  ])('works with %s', async (name, family) => {
    const { folder, card } = await trained('--encoder', name);
    expect(card.encoder).toMatchObject({ family });
    expect(accuracy((await refine(folder)).stdout, lines)).toBeGreaterThan(0.95);
  });

  it('answers lines without a photo too, by what is left without crops', async () => {
    const bare = fileOf(
      lines.map(({ image: _, ...line }) => ({ ...line, width: 180, height: 100 })),
    );
    const { code, stdout } = await run([
      ...['refine', '--queries', bare, '--refiner', clip.folder, '--no-timing', ...SMALL],
    ]);
    expect(code).toBe(0);
    const results = jsonLines(stdout);
    expect(results.map(({ id }) => id)).toEqual(lines.map(({ id }) => id));
    const sides = { width: 180, height: 100 };
    for (const [at, result] of results.entries()) {
      const { boxes } = lines[at]!.tools as { boxes: { bbox_2d: number[] }[] };
      expect(result).toMatchObject({ type: 'result', ...sides, candidates: boxes.length });
      const answer = result.answer as { bbox_2d: number[]; decision: string; score: number };
      expect(['confirm', 'correct']).toContain(answer.decision);
      expect(boxes.map(({ bbox_2d }) => bbox_2d)).toContainEqual(answer.bbox_2d);
      expect(answer.score).toBeGreaterThan(0);
    }
    // The word alone tells which box is meant, and only crops show it.
    expect(accuracy(stdout, lines)).toBeLessThan(0.7);
  });

  it('goes on from a refiner with its own encoder, and with no other', async () => {
    const more = await trained('--init', clip.folder);
    expect(more.card.encoder).toEqual(clip.card.encoder);
    const other = await run([
      ...['train-lite', photos, '--queries', train, '--output', freshFolder(), ...SMALL],
      ...['--detector', 'none', '--init', clip.folder, '--encoder', 'tiny-siglip'],
    ]);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('was trained with `tiny-clip`, got `tiny-siglip`');
  });

  describe('that is not what the refiner was trained with', () => {
    /** A folder of models with this encoder alone. */
    const shelf = (plan?: EncoderPlan): string => {
      const folder = freshFolder();
      if (plan) writeEncoder(folder, plan);
      return folder;
    };

    const refused = async (folder: string): Promise<Outcome> =>
      run(
        [
          'refine',
          photos,
          '--queries',
          val,
          '--refiner',
          clip.folder,
          '--detector',
          'none',
          ...SMALL,
        ],
        {
          VGR_MODELS_DIR: folder,
        },
      );

    it('ends with 3 and the command that brings it where it is missing', async () => {
      const { code, stdout, stderr } = await refused(shelf());
      expect(code).toBe(3);
      expect(stdout).toBe('');
      expect(stderr).toContain('needs the encoder `tiny-clip`');
      expect(stderr).toContain('vgr models add FOLDER --name tiny-clip');
    });

    it('ends with 3 where a file of it is missing, or another than the card says', async () => {
      for (const file of ['vision_model.onnx', 'text_model.onnx', 'tokenizer.json']) {
        const folder = shelf({});
        const path = join(folder, 'tiny-clip', file);
        rmSync(path);
        const gone = await refused(folder);
        expect(gone.code, file).toBe(3);
        expect(gone.stderr).toContain(`no file`);
        expect(gone.stderr).toContain(file);
        writeFileSync(path, 'something else');
        const other = await refused(folder);
        expect(other.code, file).toBe(3);
        expect(other.stderr).toContain('expected sha256');
      }
    });

    it('ends with 3 where other weights or other rules bear its name', async () => {
      const weights = await refused(shelf({ strength: 2 }));
      expect(weights.code).toBe(3);
      expect(weights.stderr).toContain('was trained with another encoder `tiny-clip`: text_sha256');
      expect(weights.stderr).toContain('vgr train-lite --encoder tiny-clip');
      const folder = shelf({});
      const path = join(folder, 'tiny-clip', 'card.json');
      const card = JSON.parse(readFileSync(path, 'utf8'));
      writeFileSync(path, JSON.stringify({ ...card, text: { ...card.text, template: '{}' } }));
      const rules = await refused(folder);
      expect(rules.code).toBe(3);
      expect(rules.stderr).toContain('rules_sha256');
    });
  });

  describe('whose card lies', () => {
    const cases: readonly [
      string,
      (card: Record<string, Record<string, unknown>>) => object,
      string,
    ][] = [
      [
        'the size',
        (card) => ({ image: { ...card.image, width: 32 } }),
        'the graph has [batch,3,16,16]',
      ],
      [
        'an output',
        (card) => ({ text: { ...card.text, output: 'pooled' } }),
        'the card says pooled',
      ],
      ['an input', (card) => ({ text: { ...card.text, input: 'ids' } }), 'the card says ids'],
    ];

    it.each(cases)('about %s ends with 2', async (_, change, message) => {
      const folder = freshFolder();
      const path = join(writeEncoder(folder), 'card.json');
      const card = JSON.parse(readFileSync(path, 'utf8'));
      writeFileSync(path, JSON.stringify({ ...card, ...change(card) }));
      const { code, stderr } = await run(
        [
          ...['train-lite', photos, '--queries', train, '--output', freshFolder(), ...SMALL],
          ...['--detector', 'none', '--encoder', 'tiny-clip'],
        ],
        { VGR_MODELS_DIR: folder },
      );
      expect(stderr).toContain(message);
      expect(code).toBe(2);
    });

    it('about the towers belonging together ends with 2', async () => {
      const folder = freshFolder();
      writeEncoder(folder, { textWidth: 3 });
      const { code, stderr } = await run(
        [
          ...['train-lite', photos, '--queries', train, '--output', freshFolder(), ...SMALL],
          ...['--detector', 'none', '--encoder', 'tiny-clip'],
        ],
        { VGR_MODELS_DIR: folder },
      );
      expect(stderr).toContain('embeddings of 4 and 3 numbers');
      expect(code).toBe(2);
    });
  });

  it('is asked for by name', async () => {
    const cases = [
      ['centernet', 'expected an image-text encoder, got a detector', 2],
      ['nobody', 'no model `nobody`', 2],
      ['clip-vit-base-patch32', 'vgr models pull clip-vit-base-patch32', 3],
    ] as const;
    for (const [name, message, exit] of cases) {
      const { code, stderr } = await run([
        ...['train-lite', photos, '--queries', train, '--output', freshFolder(), ...SMALL],
        ...['--detector', 'none', '--encoder', name],
      ]);
      expect(stderr).toContain(message);
      expect(code, name).toBe(exit);
    }
  });

  it('tells of a photo that is gone by the time it is cropped, and goes on', async () => {
    const copy = join(freshFolder(), 'photos');
    cpSync(photos, copy, { recursive: true });
    writeFileSync(join(copy, lines[3]!.image), 'no photo');
    const { code, stdout } = await run([
      ...[
        'refine',
        copy,
        '--queries',
        val,
        '--refiner',
        clip.folder,
        '--detector',
        'none',
        ...SMALL,
      ],
    ]);
    expect(code).toBe(1);
    const results = jsonLines(stdout);
    expect(results).toHaveLength(lines.length);
    expect(results.filter(({ type }) => type === 'error')).toMatchObject([
      ...[0, 1, 2].map((at) => ({ id: lines[3 + at]!.id, code: 'IMAGE_UNSUPPORTED' })),
    ]);
  });
});
