import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { FileServer, status, whole } from '../support/file-server.js';
import {
  type AddedModel,
  addWorded,
  GROUNDING,
  groundingGraph,
  OWL,
  owlGraph,
  type Repository,
  SCORES,
  wordedPhotos,
} from '../support/prompted-model.js';
import { freshFolder, jsonLines, vgr } from '../support/vgr.js';

const LEFT = [16, 24, 48, 72];
const RIGHT = [80, 24, 112, 72];

let grounding: AddedModel;
let owl: AddedModel;
let photos: string;

beforeAll(async () => {
  photos = await wordedPhotos(3);
  grounding = await addWorded(GROUNDING, ['--licence', 'MIT']);
  owl = await addWorded(OWL);
});

interface Result {
  readonly id: string;
  readonly tool: {
    readonly bbox_2d: number[] | null;
    readonly score?: number;
    readonly label?: string;
  };
  readonly candidates: number;
}

function queriesFile(expressions: readonly string[], images = ['photo-0.png']): string {
  const path = join(freshFolder(), 'q.jsonl');
  const lines = expressions.map((query, index) =>
    JSON.stringify({ id: `q${index}`, image: images[index % images.length], query }),
  );
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

const WITH = ['--detector', 'worded', '--device', 'cpu', '--no-timing'];

async function refine({ env }: AddedModel, expressions: readonly string[], ...flags: string[]) {
  const args = ['refine', photos, '--queries', queriesFile(expressions), ...WITH];
  const run = await vgr([...args, '--refiner', 'none', ...flags], { env });
  expect(run.code, run.stderr).toBe(0);
  const lines = jsonLines(run.stdout) as unknown as Result[];
  return {
    ...run,
    tools: lines.map(({ tool }) => [tool.label ?? null, tool.score ?? null, tool.bbox_2d]),
    candidates: lines.map(({ candidates }) => candidates),
  };
}

async function detect({ env }: AddedModel, classes: string, ...flags: string[]) {
  const args = ['detect', join(photos, 'photo-0.png'), ...WITH, '--classes', classes, ...flags];
  const run = await vgr(args, { env });
  const [line] = jsonLines(run.stdout) as {
    detections: { label: string; category_id: number; score: number; bbox_2d: number[] }[];
  }[];
  return {
    ...run,
    found: line?.detections.map((one) => [one.label, one.category_id, one.score, one.bbox_2d]),
  };
}

describe('a detector that is asked in words', () => {
  it('is known by its inputs, and its tokeniser comes along', () => {
    expect(grounding.run.code, grounding.run.stderr).toBe(0);
    expect(grounding.run.stdout).toContain(
      'worded: grounding-dino, 64 x 64, rgb, asked for person, dog, cat, cup, train\n  photo-0.png: cat 0.92\n',
    );
    expect(readdirSync(grounding.folder).sort()).toEqual([
      'card.json',
      'model.onnx',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(grounding.card()).toMatchObject({
      family: 'grounding-dino',
      licence: 'MIT',
      labels: 'prompts',
      input: {
        fit: 'stretch',
        batch: 1,
        mean: [0.485, 0.456, 0.406],
        extra: [{ name: 'pixel_mask', holds: 'ones', dims: [64, 64] }],
        text: {
          types: 'token_type_ids',
          length: 256,
          padded: false,
          config: 'tokenizer_config.json',
        },
      },
      files: [{ file: 'tokenizer.json' }, { file: 'tokenizer_config.json' }],
    });
    expect(owl.run.code, owl.run.stderr).toBe(0);
    expect(owl.run.stdout).toContain('worded: owlv2, 64 x 64, rgb, asked for person');
    expect(owl.card()).toMatchObject({
      family: 'owlv2',
      input: {
        fit: 'letterbox',
        fill: 128,
        mean: [0.48145466, 0.4578275, 0.40821073],
        text: { length: 16, padded: true, prompts: 'any' },
      },
    });
  });

  it('gives each query the box that its own words mean', async () => {
    const asked = ['the left lion', 'Right lion.', 'Cat', 'remote controlness'];
    const { tools, candidates } = await refine(grounding, asked);
    expect(tools).toEqual([
      // The noun fits both lions alike: their order is that of the best word.
      ['left lion', SCORES.lion, LEFT],
      ['right lion', SCORES.lion, RIGHT],
      ['cat', SCORES.cat, [32, 12, 96, 36]],
      ['remote controlness', SCORES.control, [48, 60, 80, 84]],
    ]);
    expect(candidates).toEqual([2, 2, 1, 1]);
    const other = await refine(owl, asked);
    expect(other.tools).toEqual([
      ['the left lion', SCORES.left, LEFT],
      ['Right lion.', SCORES.right, RIGHT],
      ['Cat', SCORES.cat, [32, 16, 96, 48]],
      ['remote controlness', SCORES.remote, [48, 48, 80, 80]],
    ]);
  });

  it('sees the photo, the masks and the tokens as its card says', async () => {
    const red = (mean: number, deviation: number): number => (0.2 - mean) / deviation;
    const box = (cx: number, cy: number, w: number, h: number, height: number): number[] => [
      (cx - w / 2) * 128,
      (cy - h / 2) * height,
      (cx + w / 2) * 128,
      (cy + h / 2) * height,
    ];
    // `[CLS] probe . [SEP]` are four tokens; the mask is 1 throughout.
    const { tools } = await refine(grounding, ['probe']);
    const seen = box(1.5 + red(0.485, 0.229), 0.5, 0.04, 0.25, 96);
    expect((tools[0]![2] as number[]).map((side, at) => side - seen[at]!)).toEqual(
      [0, 0, 0, 0].map(() => expect.closeTo(0, 1)),
    );
    // A quarter of the square is the grey below the photo; eight prompts of three tokens each go in.
    const grey =
      0.75 * red(0.48145466, 0.26862954) + 0.25 * ((128 / 255 - 0.48145466) / 0.26862954);
    const square = box(1.25 + grey, 0.5, 0.24, 0.25, 128);
    const [tool] = (await refine(owl, ['probe'])).tools;
    expect((tool![2] as number[]).map((side, at) => side - square[at]!)).toEqual(
      [0, 0, 0, 0].map(() => expect.closeTo(0, 1)),
    );
  });

  it('answers every query: of other scripts, of nothing but signs, and of one word too many', async () => {
    const long = `${'the '.repeat(300)}cat`;
    const asked = ['левый лев', '...', '🦁', long, 'left lion', `${'lion '.repeat(400)}`];
    const { tools, stderr } = await refine(grounding, asked);
    expect(tools.map(([label]) => label)).toEqual([
      null,
      null,
      null,
      null,
      'left lion',
      expect.stringMatching(/^lion( lion)+$/),
    ]);
    expect(stderr.match(/warning: .*/g)).toEqual([
      'warning: 2 prompts are longer than the 256 tokens that worded reads; the rest was cut off',
    ]);
    const other = await refine(owl, asked);
    expect(other.tools.map(([, score]) => score)).toEqual([
      null,
      null,
      null,
      null,
      SCORES.left,
      SCORES.lion,
    ]);
    expect(other.stderr).toContain('warning: 3 prompts are longer than the 16 tokens');
  });

  it('makes a line without words an error, and goes on', async () => {
    const path = join(freshFolder(), 'q.jsonl');
    writeFileSync(
      path,
      '{"image":"photo-0.png","query":" "}\n{"image":"none.png","query":"cat"}\n{"image":"photo-1.png","query":"cat"}\n',
    );
    const run = await vgr(['refine', photos, '--queries', path, ...WITH], grounding);
    expect(run.code).toBe(1);
    expect(jsonLines(run.stdout).map((line) => line.code ?? line.type)).toEqual([
      'QUERY_INVALID',
      'IMAGE_MISSING',
      'result',
    ]);
  });

  it('gives the same bytes however its queries are spread over threads and runs', async () => {
    const words = [
      'left lion',
      'cat',
      'right lion',
      'remote control',
      'probe',
      'the cat',
      'lion',
      'a',
      'left',
      'right',
    ];
    const queries = queriesFile(
      [...words, ...words, ...words],
      ['photo-0.png', 'photo-1.png', 'photo-2.png', 'photo-0.png'],
    );
    for (const { env } of [grounding, owl]) {
      const args = ['refine', photos, '--queries', queries, ...WITH];
      const one = await vgr([...args, '--sessions', '1'], { env });
      const many = await vgr([...args, '--sessions', '3', '--batch-size', '4'], { env });
      expect(one.code, one.stderr).toBe(0);
      expect(many.stdout).toBe(one.stdout);
    }
  });

  it('is taken at its word by the refiner', async () => {
    const queries = queriesFile(['the lion on the right', 'the left lion', 'cat']);
    for (const { env } of [grounding, owl]) {
      const run = await vgr(['refine', photos, '--queries', queries, ...WITH], { env });
      expect(run.code, run.stderr).toBe(0);
      expect(jsonLines(run.stdout)).toMatchObject([
        { tool: { bbox_2d: RIGHT }, answer: { bbox_2d: RIGHT, decision: 'confirm' } },
        { tool: { bbox_2d: LEFT }, answer: { bbox_2d: LEFT, decision: 'confirm' } },
        { tool: { name: 'worded' }, answer: { decision: 'confirm' } },
      ]);
    }
  });
});

describe('a model that is asked in words as the second stage of a cascade', () => {
  const CASCADE = ['--refiner', 'cascade', '--cascade-large', 'worded', '--device', 'cpu'];

  it('answers where the small refiner is unsure, without a server, and its boxes are candidates', async () => {
    const output = join(freshFolder(), 'out');
    const queries = queriesFile(['the lion on the right', 'the left lion', '...']);
    const args = ['refine', photos, '--queries', queries, ...CASCADE, '--no-timing'];
    const share = ['--vlm-share', '1', '--output', output, '--format', 'jsonl'];
    const { code, stdout, stderr } = await vgr([...args, ...share], { env: grounding.env });
    expect(code, stderr).toBe(0);
    expect(jsonLines(stdout)).toMatchObject([
      { tool: { name: 'centernet' }, answer: { bbox_2d: RIGHT, cascade: { asked: true } } },
      { answer: { bbox_2d: LEFT, cascade: { asked: true } } },
      { answer: { cascade: { asked: true } } },
    ]);
    expect(stderr).not.toContain('photos go to');
    expect(stderr).toContain('gave no answer to 1 of 3 queries');
    const { settings, models, refiner } = JSON.parse(
      readFileSync(join(output, 'run.json'), 'utf8'),
    );
    expect(settings).toMatchObject({ refiner: 'cascade:lite+worded', large_detector: 'worded' });
    expect(models.map(({ name }: { name: string }) => name)).toEqual(['centernet', 'worded']);
    expect(refiner).toMatchObject({ model: 'worded', cascade: { asked: 3, seen: 3 } });
  });

  it('must be such a model, and no detector of the run', async () => {
    const args = ['refine', photos, '--queries', queriesFile(['cat']), ...CASCADE];
    const same = await vgr([...args, '--detector', 'worded'], { env: grounding.env });
    expect(same.code).toBe(2);
    expect(same.stderr).toContain('expected another model than those of --detector, got `worded`');
    const listing = await vgr(args.with(args.indexOf('worded'), 'centernet'), {
      env: grounding.env,
    });
    expect(listing.code).toBe(2);
    expect(listing.stderr).toContain('expected a model that is asked in words, got `centernet`');
  });
});

describe('names for a detector that is asked in words', () => {
  it('are its categories, each with its own tokens', async () => {
    const { found } = await detect(grounding, 'Remote control, cat,cat, unicorn');
    expect(found).toEqual([
      ['cat', 2, SCORES.cat, [32, 12, 96, 36]],
      ['Remote control', 1, SCORES.remote, [48, 60, 80, 84]],
    ]);
    const other = await detect(owl, 'Remote control, cat,cat, unicorn');
    expect(other.found).toEqual([
      ['cat', 2, SCORES.cat, [32, 16, 96, 48]],
      ['Remote control', 1, SCORES.remote, [48, 48, 80, 80]],
    ]);
    expect((await detect(owl, 'lion', '--max-detections', '1')).found).toHaveLength(1);
  });

  it('are the categories of the COCO files', async () => {
    const out = freshFolder();
    await detect(grounding, 'cat,remote control', '--output', out);
    const dataset = JSON.parse(readFileSync(join(out, 'annotations.json'), 'utf8'));
    expect(dataset.categories.slice(0, 2)).toMatchObject([
      { id: 1, name: 'cat' },
      { id: 2, name: 'remote control' },
    ]);
    expect(dataset.annotations.map((one: { category_id: number }) => one.category_id)).toEqual([
      1, 2,
    ]);
  });

  it('are needed to detect, and checked', async () => {
    const none = await vgr(['detect', photos, ...WITH], { env: grounding.env });
    expect(none.code).toBe(2);
    expect(none.stderr).toContain(
      '--classes: `worded` finds what it is asked for; expected names, got none',
    );
    expect(none.stderr).toContain('hint: name what to look for: `--classes "cat,remote control"`');
    const blank = await detect(grounding, ' , ');
    expect(blank.code).toBe(2);
    expect(blank.stderr).toContain('--classes: expected names, got');
  });

  it('that do not fit into one text are asked in several', async () => {
    const many = Array.from({ length: 120 }, (_, index) => {
      const tail = 's '.repeat(index % 5) + 'dog '.repeat(index / 5);
      return `person ${tail}`.trim();
    });
    const VGR_CLASSES = [...many, 'cat', 'remote control'].join(',');
    const args = ['detect', join(photos, 'photo-0.png'), ...WITH];
    const run = await vgr(args, { env: { ...grounding.env, VGR_CLASSES } });
    expect(run.code, run.stderr).toBe(0);
    expect(jsonLines(run.stdout)).toMatchObject([
      {
        detections: [
          { label: 'cat', category_id: 121 },
          { label: 'remote control', category_id: 122 },
        ],
      },
    ]);
  });

  it('make it a detector like any other for refine', async () => {
    const { tools, candidates } = await refine(
      grounding,
      ['the cat', 'right'],
      '--classes',
      'cat,remote control',
    );
    expect(tools[0]).toEqual(['cat', SCORES.cat, [32, 12, 96, 36]]);
    expect(candidates).toEqual([2, 2]);
  });
});

describe('a graph with smaller weights', () => {
  it.each(['q4f16', 'uint8'])('finds about what the whole one finds: %s', async (kind) => {
    const asked = ['the left lion', 'right lion', 'cat', 'remote control', 'probe'];
    const whole = await refine(grounding, asked);
    const weights = readFileSync(`fixtures/quantised/grounding_${kind}.onnx`);
    const small = await addWorded({ ...GROUNDING, 'onnx/model.onnx': weights });
    expect(small.run.code, small.run.stderr).toBe(0);
    const { tools } = await refine(small, asked);
    for (const [at, [label, score, box]] of tools.entries()) {
      const [wholeLabel, wholeScore, wholeBox] = whole.tools[at]!;
      expect(label).toBe(wholeLabel);
      expect(Math.abs((score as number) - (wholeScore as number))).toBeLessThan(0.02);
      for (const [side, pixels] of (box as number[]).entries()) {
        expect(Math.abs(pixels - (wholeBox as number[])[side]!)).toBeLessThan(0.5);
      }
    }
  });
});

describe('a graph that leaves its sizes open', () => {
  it('gets photos in their own proportions, and several prompts a run', async () => {
    const open = await addWorded({
      ...GROUNDING,
      'onnx/model.onnx': groundingGraph({ batch: 'batch', side: 'height' }),
      'preprocessor_config.json': JSON.stringify({
        size: { shortest_edge: 48, longest_edge: 80 },
        image_mean: [0.485, 0.456, 0.406],
        image_std: [0.229, 0.224, 0.225],
      }),
    });
    expect(open.run.code, open.run.stderr).toBe(0);
    expect(open.card()).toMatchObject({
      input: {
        fit: 'shorter-side',
        width: 80,
        height: 48,
        batch: 'any',
        extra: [{ holds: 'pixel-mask', dims: [] }],
      },
    });
    const { tools } = await refine(open, ['left lion', 'probe', 'right lion'], '--batch-size', '3');
    expect(tools[0]).toEqual(['left lion', SCORES.lion, LEFT]);
    expect(tools[2]).toEqual(['right lion', SCORES.lion, RIGHT]);
    expect(tools[1]![1]).toBe(SCORES.probe);
  });

  it('or fixes the number of prompts, gets that many', async () => {
    const fixed = await addWorded({ ...OWL, 'onnx/model.onnx': owlGraph({ prompts: 2 }) }, [
      '--family',
      'owlvit',
    ]);
    expect(fixed.run.code, fixed.run.stderr).toBe(0);
    expect(fixed.card()).toMatchObject({
      family: 'owlvit',
      input: { fit: 'stretch', text: { prompts: 2 } },
    });
    const { found } = await detect(fixed, 'dog,cat,remote control');
    expect(found!.map(([label, id]) => [label, id])).toEqual([
      ['cat', 2],
      ['remote control', 3],
    ]);
  });
});

describe('a model that takes words and cannot be used', () => {
  const bad: readonly [string, Repository, readonly string[], string, string][] = [
    [
      'no tokeniser',
      { 'onnx/model.onnx': GROUNDING['onnx/model.onnx']! },
      [],
      'model.onnx`: expected its `tokenizer.json` beside it',
      'copy tokenizer.json',
    ],
    [
      'a tokeniser that is no JSON',
      { ...GROUNDING, 'tokenizer.json': '{"model":' },
      [],
      '`tokenizer.json`: expected a JSON object, got',
      'download the file again',
    ],
    [
      'a tokeniser that is none',
      { ...GROUNDING, 'tokenizer.json': '{"model": 5}' },
      [],
      '`tokenizer.json`: expected a tokeniser, got',
      'tokenizer.json',
    ],
    [
      'inputs of other names',
      { ...GROUNDING, 'onnx/model.onnx': groundingGraph({ names: { input_ids: 'words' } }) },
      [],
      'expected inputs for a photo, its size, its mask or a prompt (input_ids, attention_mask, token_type_ids), got words int64 [1,sequence_length]',
      'docs/models',
    ],
    [
      'another family',
      OWL,
      ['--family', 'grounding-dino'],
      'expected a graph of family grounding-dino: ',
      '`--family owlv2`',
    ],
    [
      'outputs of other names',
      { ...GROUNDING, 'onnx/model.onnx': groundingGraph({ names: { logits: 'scores' } }) },
      [],
      'expected a graph of family grounding-dino: ',
      'docs/models',
    ],
    [
      'a vocabulary larger than its table',
      { ...GROUNDING, 'onnx/model.onnx': groundingGraph({ vocabulary: 3, logits: [] }) },
      [],
      'the graph does not run on a photo of 64 x 64',
      '--size',
    ],
  ];

  it.each(bad)('%s: says what was expected', async (_, files, flags, message, hint) => {
    const { run } = await addWorded(files, flags);
    expect(run.code).toBe(3);
    expect(run.stderr).toContain(message);
    expect(/hint: (.*)/.exec(run.stderr)?.[1]).toContain(hint);
  });

  it('has no labels to be given', async () => {
    const { run } = await addWorded(OWL, ['--labels', 'README.md']);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('takes prompts and has no labels');
  });

  it('is not used when its tokeniser is gone or another one', async () => {
    const { env, folder } = await addWorded(OWL);
    const path = join(folder, 'tokenizer.json');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace('"left"', '"LEFT"').replace('l eft', 'L eft'));
    writeFileSync(path, `${readFileSync(path, 'utf8')}\n`);
    for (const args of [
      ['detect', photos, ...WITH, '--classes', 'cat'],
      ['models', 'verify', 'worded'],
    ]) {
      const run = await vgr(args, { env });
      expect(run.code).toBe(3);
      expect(run.stderr).toMatch(/tokenizer\.json`: expected sha256 [0-9a-f]{64}/);
    }
    rmSync(path);
    const gone = await vgr(['detect', photos, ...WITH, '--classes', 'cat'], { env });
    expect(gone.code).toBe(3);
    expect(gone.stderr).toContain('model `worded`: no file');
    const listed = await vgr(['models', 'list', '--long'], { env });
    expect(listed.stdout).toMatch(/^worded +owlv2 .*\(not here: vgr models add\)$/m);
  });

  it('has a card that does not match its graph', async () => {
    const { env, folder, card } = await addWorded(OWL);
    const path = join(folder, 'card.json');
    const whole = card() as { input: { text: object } };
    const lies = {
      ...whole,
      input: { ...whole.input, text: { ...whole.input.text, ids: 'words', length: 12 } },
    };
    writeFileSync(path, JSON.stringify(lies));
    const run = await vgr(['detect', photos, ...WITH, '--classes', 'cat'], { env });
    expect(run.code).toBe(2);
    expect(run.stderr).toContain(
      '`input.text.ids`: the card says words int64 [any,12], the graph has none',
    );
    expect(run.stderr).toContain(
      '`input.text.mask`: the card says attention_mask int64 [any,12], the graph has attention_mask int64 [num_queries,16]',
    );
  });
});

describe('the other commands', () => {
  it('measure it and list it', async () => {
    const { env } = grounding;
    const bench = await vgr(
      ['models', 'bench', 'worded', '--device', 'cpu', '--runs', '3', '--json'],
      { env },
    );
    expect(bench.code, bench.stderr).toBe(0);
    expect(JSON.parse(bench.stdout)).toMatchObject({ name: 'worded', device: 'cpu', batch: 1 });
    const verified = await vgr(['models', 'verify', 'worded'], { env });
    expect(verified.stdout).toBe('worded: as its card says\n');
    const listed = await vgr(['models', 'list', '--long'], { env });
    expect(listed.stdout).toMatch(/^worded +grounding-dino .* yes +cpu /m);
    expect(listed.stdout).toMatch(/^grounding-dino-tiny .*\(not here: vgr models pull\)$/m);
    expect(listed.stdout).toMatch(/^owlv2-base +owlv2 +589\.2 MiB +Apache-2\.0 /m);
  });

  it('train a refiner on what it answers', async () => {
    const { env } = grounding;
    const path = join(freshFolder(), 'train.jsonl');
    const lines = Array.from({ length: 24 }, (_, index) => ({
      image: `photo-${index % 3}.png`,
      query: index % 2 ? 'the left lion' : 'right lion',
      bbox: index % 2 ? [16, 24, 32, 48] : [80, 24, 32, 48],
    }));
    writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const output = freshFolder();
    const run = await vgr(
      [
        'train-lite',
        photos,
        '--queries',
        path,
        '--val-share',
        '0',
        '--output',
        output,
        '--detector',
        'worded',
        '--cache',
        join(output, 'cache'),
        '--device',
        'cpu',
        '--sessions',
        '1',
        '--epochs',
        '1',
      ],
      { env },
    );
    expect(run.code, run.stderr).toBe(0);
    const card = JSON.parse(readFileSync(join(output, 'card.json'), 'utf8'));
    expect(card).toMatchObject({
      kind: 'refiner',
      training: { photos: expect.any(Number), tools: 0 },
    });
    const queries = queriesFile(['left lion']);
    const refined = await vgr(
      ['refine', photos, '--queries', queries, ...WITH, '--refiner', output],
      { env },
    );
    expect(refined.code, refined.stderr).toBe(0);
    expect(jsonLines(refined.stdout)).toMatchObject([{ tool: { bbox_2d: LEFT } }]);
  });
});

describe('a model of several files', () => {
  const sum = (content: string | Uint8Array): string =>
    createHash('sha256').update(content).digest('hex');
  const file = (name: string): Uint8Array => Buffer.from(OWL[name]!);

  /** A folder of models with one card that leads to the server; its tokeniser's configuration is not pinned. */
  function shelf(server: FileServer): string {
    const models = freshFolder();
    mkdirSync(join(models, 'worded'));
    const { files: _, ...card } = owl.card() as Record<string, unknown>;
    const remote = {
      ...card,
      source: { url: `${server.origin}/repository/onnx/model.onnx`, revision: 'v1' },
      files: [
        {
          file: 'tokenizer.json',
          path: 'tokens/tokenizer.json',
          sha256: sum(file('tokenizer.json')),
        },
        { file: 'tokenizer_config.json' },
      ],
    };
    writeFileSync(join(models, 'worded', 'card.json'), JSON.stringify(remote));
    return models;
  }

  it('is pulled whole, verified, and pinned where its card was not', async () => {
    const server = await FileServer.open({
      '/repository/onnx/model.onnx': [whole(file('onnx/model.onnx'))],
      '/repository/onnx/tokens/tokenizer.json': [whole(file('tokenizer.json'))],
      '/repository/onnx/tokenizer_config.json': [status(404), whole(file('tokenizer_config.json'))],
    });
    try {
      const models = shelf(server);
      const env = { VGR_MODELS_DIR: models };
      const torn = await vgr(['models', 'pull', 'worded'], { env });
      expect(torn.code).toBe(3);
      const unused = await vgr(['detect', photos, ...WITH, '--classes', 'cat'], { env });
      expect(unused.code).toBe(3);
      expect(unused.stderr).toContain('hint: `vgr models pull worded` downloads it');
      const run = await vgr(['models', 'pull', 'worded'], { env });
      expect(run.code, run.stderr).toBe(0);
      expect(run.stdout).toBe(`${join(models, 'worded', 'model.onnx')}\n`);
      expect(run.stderr).toContain(
        'had no sha256 for tokenizer_config.json; it is pinned to the downloaded file',
      );
      // What was here already did not come again.
      expect(server.asked.map(({ path }) => path.split('/').at(-1))).toEqual([
        'model.onnx',
        'tokenizer.json',
        'tokenizer_config.json',
        'tokenizer_config.json',
      ]);
      expect((await vgr(['models', 'verify', 'worded'], { env })).code).toBe(0);
      const found = await vgr(['detect', photos, ...WITH, '--classes', 'cat'], { env });
      expect(found.code, found.stderr).toBe(0);
      const again = await vgr(['models', 'pull', 'worded'], { env });
      expect(again.stderr).toContain('worded is here already');
    } finally {
      await server.close();
    }
  });

  it('is not taken where one of them is another one', async () => {
    const server = await FileServer.open({
      '/repository/onnx/model.onnx': [whole(file('onnx/model.onnx'))],
      '/repository/onnx/tokens/tokenizer.json': [whole(file('tokenizer_config.json'))],
    });
    try {
      const run = await vgr(['models', 'pull', 'worded'], {
        env: { VGR_MODELS_DIR: shelf(server) },
      });
      expect(run.code).toBe(3);
      expect(run.stderr).toContain(sum(file('tokenizer.json')));
    } finally {
      await server.close();
    }
  });
});
