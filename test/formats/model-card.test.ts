import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { CardIssue } from '../../src/formats/card-issue.js';
import { COCO_CATEGORIES } from '../../src/formats/coco.js';
import { categoriesOf, holdsWeightsOf, parseModelCard } from '../../src/formats/model-card.js';

const MODELS = new URL('../../models/', import.meta.url);

function cardJson(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(`${name}/card.json`, MODELS), 'utf8'));
}

const detectorNames = readdirSync(MODELS)
  .filter((name) => existsSync(new URL(`${name}/card.json`, MODELS)))
  .filter((name) => cardJson(name).kind === 'detector');

/** The errors of CenterNet's card with some fields replaced. */
function errorsWith(changes: Record<string, unknown>): readonly CardIssue[] {
  const result = parseModelCard({ ...cardJson('centernet'), ...changes });
  return result.ok ? [] : result.errors;
}

describe('the cards of the detectors', () => {
  it.each(detectorNames)('%s is valid and named after its folder', (name) => {
    const result = parseModelCard(cardJson(name));
    expect(result).toMatchObject({ ok: true, card: { name } });
  });

  it('are seventeen', () => {
    expect(detectorNames).toEqual([
      'centernet',
      'dfine-s',
      'florence-2-base-ft',
      'florence-2-base-ft-fp16',
      'florence-2-base-ft-fp32',
      'florence-2-base-ft-q4',
      'grounding-dino-tiny',
      'grounding-dino-tiny-q4f16',
      'grounding-dino-tiny-uint8',
      'nanodet-plus-m-416',
      'owlv2-base',
      'picodet-s-320',
      'picodet-s-416',
      'rfdetr-nano',
      'yolox-nano',
      'yolox-s',
      'yolox-tiny',
    ]);
  });

  it('know their weights by checksum, those of other publishers too', () => {
    const result = parseModelCard(cardJson('yolox-nano'));
    if (!result.ok) throw new Error('not a card');
    const { card } = result;
    expect(holdsWeightsOf(card, card.sha256 ?? '')).toBe(true);
    expect(holdsWeightsOf(card, card.alternates?.[0]?.sha256 ?? '')).toBe(true);
    expect(holdsWeightsOf(card, '0'.repeat(64))).toBe(false);
  });
});

describe('the card of a detector that is asked in words', () => {
  const owl = cardJson('owlv2-base');
  const input = owl.input as Record<string, unknown>;
  const text = input.text as Record<string, unknown>;
  const errors = (changes: Record<string, unknown>): readonly CardIssue[] => {
    const result = parseModelCard({ ...owl, ...changes });
    return result.ok ? [] : result.errors;
  };

  it('finds nothing by itself', () => {
    const result = parseModelCard(owl);
    if (!result.ok || result.card.kind !== 'detector') throw new Error('not a card');
    expect(categoriesOf(result.card)).toEqual([]);
  });

  it('says what goes in, by which tokeniser, and has no labels', () => {
    const { text: _, ...wordless } = input;
    expect(errors({ input: wordless })).toMatchObject([{ path: 'input.text', got: 'nothing' }]);
    expect(errors({ labels: 'coco-80' })).toMatchObject([{ path: 'labels', got: '"coco-80"' }]);
    expect(errors({ files: [] })).toMatchObject([
      { path: 'input.text.tokenizer', expected: 'the name of one of `files`' },
      { path: 'input.text.config' },
    ]);
    expect(errors({ input: { ...input, text: { ...text, length: 0 } } })).toMatchObject([
      { path: 'input.text.length', got: '0' },
    ]);
  });

  it('pins its files, unless a first download will', () => {
    const [tokenizer, config] = owl.files as Record<string, unknown>[];
    const { sha256: _, ...loose } = tokenizer!;
    expect(errors({ files: [loose, config] })).toEqual([]);
    expect(errors({ files: [loose, config], source: { added: 'model.onnx' } })).toMatchObject([
      { path: 'files[0].sha256', got: 'nothing' },
    ]);
    expect(errors({ files: [{ ...tokenizer, file: '../tokenizer.json' }, config] })).toMatchObject([
      { path: 'files[0].file' },
      { path: 'input.text.tokenizer' },
    ]);
  });

  it('alone is asked in words', () => {
    expect(errorsWith({ labels: 'prompts' })).toMatchObject([{ path: 'labels' }]);
    const closed = cardJson('centernet').input as Record<string, unknown>;
    expect(errorsWith({ input: { ...closed, text } })).toMatchObject([
      { path: 'input.text' },
      { path: 'input.text.tokenizer' },
      { path: 'input.text.config' },
    ]);
    expect(errorsWith({ input: { ...closed, fit: 'shorter-side' } })).toMatchObject([
      { path: 'input.fit' },
    ]);
  });
});

describe('a card that is not valid', () => {
  const input = cardJson('centernet').input as Record<string, unknown>;
  const cases: readonly [string, Record<string, unknown>, CardIssue][] = [
    [
      'a field that is missing',
      { licence: undefined },
      { path: 'licence', expected: 'a string', got: 'nothing' },
    ],
    [
      'a field that does not exist',
      { license: 'MIT' },
      { path: 'license', expected: 'no such field', got: '"MIT"' },
    ],
    [
      'a value outside its set',
      { input: { ...input, fit: 'squash' } },
      {
        path: 'input.fit',
        expected:
          '"stretch" or "letterbox" or "letterbox-centre" or "shorter-side" or "longer-side"',
        got: '"squash"',
      },
    ],
    [
      'a place in a list',
      { input: { ...input, std: [1, 0, 1] } },
      { path: 'input.std[1]', expected: 'a number above 0', got: '0' },
    ],
    [
      'a fraction where a whole number belongs',
      { bytes: 1.5 },
      { path: 'bytes', expected: 'an integer', got: '1.5' },
    ],
    [
      'an address without encryption',
      { source: { url: 'http://example.org/m.onnx', revision: 'v1' } },
      { path: 'source.url', expected: 'an https address', got: '"http://example.org/m.onnx"' },
    ],
    [
      'labels of no known form',
      { labels: 'coco-90' },
      {
        path: 'labels',
        expected: '"coco-80" or "coco-91" or "prompts" or a list',
        got: '"coco-90"',
      },
    ],
    [
      'an output that the family reads',
      { outputs: { scores: ['keypoints'] } },
      {
        path: 'outputs.sides',
        expected: 'names of outputs, as family centernet reads scores and sides',
        got: 'nothing',
      },
    ],
    [
      'an id that two labels have',
      {
        labels: [
          { id: 1, name: 'lion' },
          { id: 1, name: 'bench' },
        ],
      },
      { path: 'labels[1].id', expected: 'an id that no other label has', got: '1' },
    ],
    [
      'a side that the graph does not take',
      { input: { ...(cardJson('centernet').input as object), width: 600 } },
      { path: 'input.width', expected: 'a multiple of 32', got: '600' },
    ],
    [
      'a raster that no memory holds',
      { input: { ...(cardJson('centernet').input as object), height: 200_000 } },
      { path: 'input.height', expected: 'a number of at most 8192', got: '200000' },
    ],
    [
      'a file outside the folder',
      { file: '../model.onnx' },
      {
        path: 'file',
        expected: 'text like /^[A-Za-z0-9][A-Za-z0-9._-]*$/',
        got: '"../model.onnx"',
      },
    ],
    [
      'another kind of model',
      { kind: 'segmenter' },
      { path: 'kind', expected: '"detector" or "encoder" or "refiner"', got: '"segmenter"' },
    ],
  ];

  it.each(cases)('says path, expected and got: %s', (_, changes, error) => {
    expect(errorsWith(changes)).toEqual([error]);
  });

  it.each([[null], [[]], ['card'], [7]])('may be no object at all: %j', (json) => {
    expect(parseModelCard(json)).toMatchObject({ ok: false, errors: [{ path: '' }] });
  });

  it('shows long values shortened', () => {
    const [error] = errorsWith({ bytes: 'x'.repeat(100) });
    expect(error?.got).toHaveLength(60);
  });
});

describe('COCO categories', () => {
  it('are 80, with ids of their own', () => {
    expect(COCO_CATEGORIES).toHaveLength(80);
    expect(new Set(COCO_CATEGORIES.map(({ id }) => id)).size).toBe(80);
    expect(COCO_CATEGORIES[0]).toEqual({ id: 1, name: 'person' });
    expect(COCO_CATEGORIES[11]).toEqual({ id: 13, name: 'stop sign' });
    expect(COCO_CATEGORIES[60]).toEqual({ id: 67, name: 'dining table' });
    expect(COCO_CATEGORIES.at(-1)).toEqual({ id: 90, name: 'toothbrush' });
  });

  it('stand for the labels of a card that names them', () => {
    const result = parseModelCard(cardJson('centernet'));
    if (!result.ok || result.card.kind !== 'detector') throw new Error('not a card');
    expect(categoriesOf(result.card)).toBe(COCO_CATEGORIES);
    const own = [{ id: 0, name: 'lion' }];
    expect(categoriesOf({ ...result.card, labels: own })).toEqual(own);
  });
});
