import { describe, expect, it } from 'vitest';
import { PROMPTED_FAMILIES } from '../../src/detect/families.js';
import type { NamedTensors, Tensor } from '../../src/detect/family.js';
import type { TokenizedPrompt, Word } from '../../src/detect/prompt.js';
import type { ScoringCard } from '../../src/formats/model-card.js';
import { shippedCard } from '../support/detector-card.js';

const OPTIONS = { minScore: 0.2, maxDetections: 10 };
const PHOTO = { width: 64, height: 32 };

/** A card over a raster of 32 x 16 pixels. */
function card(
  family: ScoringCard['family'],
  input: Partial<ScoringCard['input']> = {},
  text: Partial<ScoringCard['input']['text']> = {},
): ScoringCard {
  const shipped = shippedCard('dfine-s');
  return {
    ...shipped,
    name: 'test',
    family,
    input: {
      ...shipped.input,
      width: 32,
      height: 16,
      batch: 'any',
      ...input,
      text: {
        ids: 'input_ids',
        mask: 'attention_mask',
        ...(family === 'grounding-dino' && { types: 'token_type_ids' }),
        type: 'int64',
        length: 6,
        padded: false,
        pad: 9,
        prompts: 'any',
        tokenizer: 'tokenizer.json',
        ...text,
      },
    },
    outputs: { logits: ['l'], boxes: ['b'] },
    decoding: { ...shipped.decoding, nmsIou: null },
    labels: 'prompts',
  };
}

/** One word a token after the first special one. */
const words = (first: number, ...texts: string[]): Word[] =>
  texts.map((text, place) => ({
    text,
    glued: text === '.',
    start: first + place,
    end: first + place + 1,
  }));

const expression = (...texts: string[]): TokenizedPrompt => ({
  kind: 'expression',
  ids: [2, ...texts.map((_, place) => 10 + place), 3],
  phrases: [{ label: texts.join(' '), categoryId: 1, words: words(1, ...texts) }],
});

const names: TokenizedPrompt = {
  kind: 'names',
  ids: [2, 10, 11, 12, 11, 3],
  phrases: [
    { label: 'cat', categoryId: 1, words: words(1, 'cat', '.') },
    { label: 'dog', categoryId: 2, words: words(3, 'dog', '.') },
  ],
};

const logit = (p: number): number => Math.log(p / (1 - p));

const float = (dims: readonly number[], values: readonly number[]): Tensor => ({
  type: 'float32',
  data: Float32Array.from(values),
  dims,
});

/** Rows of probabilities, one a box, as logits; what is missing of `tokens` is impossible. */
const fits = (tokens: number, ...rows: readonly (readonly number[])[]): number[] =>
  rows.flatMap((row) =>
    Array.from({ length: tokens }, (_, place) =>
      row[place] === undefined ? Number.NEGATIVE_INFINITY : logit(row[place]!),
    ),
  );

const MIDDLE = [0.5, 0.5, 0.5, 0.5];
const WHOLE = [0.5, 0.5, 1, 1];

function decode(
  of: ScoringCard,
  outputs: NamedTensors,
  prompts: readonly TokenizedPrompt[],
  options = OPTIONS,
) {
  return PROMPTED_FAMILIES[of.family]
    .decode(outputs, PHOTO, prompts, of, options)
    .map((found) =>
      found.map(({ boxXyxy: { x1, y1, x2, y2 }, score, label, categoryId }) => [
        label,
        categoryId,
        Math.round(score * 1e4) / 1e4,
        [x1, y1, x2, y2],
      ]),
    );
}

const INNER = [16, 8, 48, 24];
const ALL = [0, 0, 64, 32];

describe('Grounding DINO asked an expression', () => {
  const grounding = card('grounding-dino');

  it('gives each box the score of its best token and the words around it', () => {
    const asked = expression('left', 'lion', 'of', 'two', '.');
    const outputs = {
      l: float(
        [1, 3, 8],
        fits(
          8,
          [0.01, 0.4, 0.75, 0.1, 0.5, 0.01, 0.01],
          [0.01, 0.01, 0.01, 0.01, 0.3, 0.9, 0.01],
          [0.01, 0.19, 0.1, 0.1, 0.1, 0.1, 0.1],
        ),
      ),
      b: float([1, 3, 4], [...MIDDLE, ...WHOLE, ...WHOLE]),
    };
    // `two` reaches the threshold, but stands apart from `left lion`. A dot is no word; its score counts as upstream counts it.
    expect(decode(grounding, outputs, [asked])).toEqual([
      [
        ['two', 1, 0.9, ALL],
        ['left lion', 1, 0.75, INNER],
      ],
    ]);
  });

  it('gives each box the score of the head noun where there is one, whatever a landmark scores', () => {
    const asked = expression('bush', 'behind', 'middle', 'woman', '.');
    const phrase = asked.phrases[0]!;
    const headed = { ...asked, phrases: [{ ...phrase, head: phrase.words.slice(0, 1) }] };
    const outputs = {
      l: float(
        [1, 4, 7],
        fits(
          7,
          [0.01, 0.1, 0.1, 0.6, 0.66, 0.1],
          [0.01, 0.37, 0.3, 0.1, 0.05, 0.1],
          // As good, but for a word beside the noun.
          [0.01, 0.37, 0.1, 0.4, 0.05, 0.1],
          [0.01, 0.25, 0.1, 0.1, 0.05, 0.9],
        ),
      ),
      b: float([1, 4, 4], [...WHOLE, ...MIDDLE, ...WHOLE, ...MIDDLE]),
    };
    expect(decode(grounding, outputs, [headed])).toEqual([
      [
        ['bush', 1, 0.37, ALL],
        ['bush behind', 1, 0.37, INNER],
        ['bush', 1, 0.25, INNER],
      ],
    ]);
    // Without a noun the woman is the best.
    expect(decode(grounding, outputs, [asked])[0]![1]).toEqual(['middle woman', 1, 0.66, ALL]);
  });

  it('gives the ten best boxes of an expression, and all of names', () => {
    const outputs = {
      l: float([1, 12, 6], fits(6, ...Array.from({ length: 12 }, () => [0.01, 0.5, 0.01]))),
      b: float([1, 12, 4], Array.from({ length: 12 }, () => MIDDLE).flat()),
    };
    const options = { minScore: 0.2, maxDetections: 100 };
    const count = (prompt: TokenizedPrompt, maxDetections = 100) =>
      decode(grounding, outputs, [prompt], { ...options, maxDetections })[0]!.length;
    expect(count(expression('cat'))).toBe(10);
    expect(count(expression('cat'), 3)).toBe(3);
    expect(count(names)).toBe(12);
  });

  it('keeps prompts of one run apart', () => {
    const outputs = {
      l: float([2, 1, 4], fits(4, [0.01, 0.5, 0.01], [0.01, 0.01, 0.6, 0.01])),
      b: float([2, 1, 4], [...MIDDLE, ...WHOLE]),
    };
    expect(decode(grounding, outputs, [expression('cat'), expression('a', 'dog')])).toEqual([
      [['cat', 1, 0.5, INNER]],
      [['dog', 1, 0.6, ALL]],
    ]);
  });

  it('does not read what lies behind the prompt', () => {
    const outputs = {
      l: float([1, 1, 5], fits(5, [0.01, 0.3, 0.01, 0.99, 0.99])),
      b: float([1, 1, 4], MIDDLE),
    };
    expect(decode(grounding, outputs, [expression('cat')])).toEqual([[['cat', 1, 0.3, INNER]]]);
  });

  it('skips what is no number', () => {
    const outputs = {
      l: float([1, 1, 3], [Number.NaN, Number.NaN, Number.NaN]),
      b: float([1, 1, 4], MIDDLE),
    };
    expect(decode(grounding, outputs, [expression('cat')])).toEqual([[]]);
  });

  it('says where its outputs are not what the card says', () => {
    const few = { l: float([1, 1, 2], [0, 0]), b: float([1, 1, 4], MIDDLE) };
    expect(() => decode(grounding, few, [expression('cat')])).toThrow(
      'test, output l: expected scores for 3 tokens, got float32 [1,1,2]',
    );
    expect(() => decode(grounding, { l: few.l, b: float([1, 1], [1]) }, [names])).toThrow();
  });
});

describe('Grounding DINO asked for names', () => {
  it('gives each name the score of its own tokens, and never mixes them', () => {
    const outputs = {
      l: float(
        [1, 2, 6],
        fits(6, [0.01, 0.6, 0.9, 0.3, 0.9, 0.01], [0.01, 0.01, 0.01, 0.8, 0.01, 0.01]),
      ),
      b: float([1, 2, 4], [...MIDDLE, ...WHOLE]),
    };
    expect(decode(card('grounding-dino'), outputs, [names])).toEqual([
      [
        ['dog', 2, 0.8, ALL],
        ['cat', 1, 0.6, INNER],
        ['dog', 2, 0.3, INNER],
      ],
    ]);
  });
});

describe('OWL-ViT', () => {
  const outputs = {
    l: float([1, 2, 3], [0.6, 0.1, 0.7, 0.3, 0.5, 0.1].map(logit)),
    b: float([1, 2, 4], [...MIDDLE, ...WHOLE]),
  };
  const asked = [expression('a', 'cat'), expression('dog')];

  it('has a column for each prompt; those that fill a run are left out', () => {
    const fixed = card('owlv2', {}, { prompts: 3 });
    expect(decode(fixed, outputs, asked)).toEqual([
      [
        ['a cat', 1, 0.6, INNER],
        ['a cat', 1, 0.3, ALL],
      ],
      [['dog', 1, 0.5, ALL]],
    ]);
    expect(() => decode(card('owlv2'), outputs, asked)).toThrow(
      'test, output l: expected float32 [1,any,2], got float32 [1,2,3]',
    );
  });

  it('finds in a photo that is padded to a square what lies in the photo', () => {
    const square = card('owlv2', { width: 32, height: 32, fit: 'letterbox' }, { prompts: 3 });
    // The photo is the upper half of the square; a box that reaches below ends at its edge.
    expect(decode(square, outputs, [expression('a', 'cat')])).toEqual([
      [
        ['a cat', 1, 0.6, [16, 16, 48, 32]],
        ['a cat', 1, 0.3, ALL],
      ],
    ]);
  });

  it('keeps as many boxes as wanted, of overlapping ones the better where told', () => {
    const fixed = card('owlv2', {}, { prompts: 3 });
    const [one] = decode(fixed, outputs, asked, { ...OPTIONS, maxDetections: 1 });
    expect(one).toHaveLength(1);
    const same = { ...outputs, b: float([1, 2, 4], [...MIDDLE, ...MIDDLE]) };
    const [kept] = PROMPTED_FAMILIES.owlv2.decode(same, PHOTO, asked, fixed, {
      ...OPTIONS,
      nmsIou: 0.5,
    });
    expect(kept!.map(({ score }) => Math.round(score * 10) / 10)).toEqual([0.6]);
  });
});

describe('what goes in', () => {
  const raster = { width: 32, height: 16, data: new Uint8Array(32 * 16 * 3).fill(255) };
  const numbers = (tensor: Tensor | undefined): number[] => Array.from(tensor!.data, Number);

  it('is the photo for each prompt, and the tokens filled up to the longest', () => {
    const prompts = [expression('cat'), expression('a', 'dog')];
    const feeds = PROMPTED_FAMILIES['grounding-dino'].pack(raster, prompts, card('grounding-dino'));
    expect(feeds.pixel_values?.dims).toEqual([2, 3, 16, 32]);
    expect(feeds.input_ids).toMatchObject({ type: 'int64', dims: [2, 4] });
    expect(numbers(feeds.input_ids)).toEqual([2, 10, 3, 9, 2, 10, 11, 3]);
    expect(numbers(feeds.attention_mask)).toEqual([1, 1, 1, 0, 1, 1, 1, 1]);
    expect(numbers(feeds.token_type_ids)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("is the photo once for OWL-ViT, with as many rows of the card's length as the graph takes", () => {
    const fixed = card('owlvit', { batch: 1 }, { prompts: 3, padded: true, length: 5 });
    const feeds = PROMPTED_FAMILIES.owlvit.pack(
      raster,
      [expression('cat'), expression('a', 'dog')],
      fixed,
    );
    expect(feeds.pixel_values?.dims).toEqual([1, 3, 16, 32]);
    expect(feeds.input_ids?.dims).toEqual([3, 5]);
    expect(numbers(feeds.input_ids)).toEqual([2, 10, 3, 9, 9, 2, 10, 11, 3, 9, 2, 10, 11, 3, 9]);
    expect(feeds.token_type_ids).toBeUndefined();
  });

  it('is refused where a prompt is longer than the graph reads', () => {
    const long = expression('a', 'b', 'c', 'd', 'e');
    expect(() => PROMPTED_FAMILIES.owlv2.pack(raster, [long], card('owlv2'))).toThrow(
      'test: expected prompts of 1 to 6 tokens, got 7',
    );
  });

  it('is a raster of any size with a mask of that size, where the photo decides', () => {
    const open = card('grounding-dino', {
      fit: 'shorter-side',
      extra: [{ name: 'pixel_mask', type: 'int64', holds: 'pixel-mask', dims: [] }],
    });
    const wide = { width: 40, height: 10, data: new Uint8Array(1200) };
    const feeds = PROMPTED_FAMILIES['grounding-dino'].pack(wide, [expression('cat')], open);
    expect(feeds.pixel_values?.dims).toEqual([1, 3, 10, 40]);
    expect(feeds.pixel_mask?.dims).toEqual([1, 10, 40]);
    expect(numbers(feeds.pixel_mask).every((one) => one === 1)).toBe(true);
  });
});
