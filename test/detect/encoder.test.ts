import { describe, expect, it } from 'vitest';
import { encoderDisagreements, fitTokens } from '../../src/detect/encoder.js';
import { readTokenizer } from '../../src/detect/prompt-tokenizer.js';
import type { EncoderCard } from '../../src/formats/encoder-card.js';
import { parseModelCard } from '../../src/formats/model-card.js';
import { encoderCardOf, tokenizerJson } from '../support/encoder-graph.js';

describe('fitTokens', () => {
  const rules = { length: 5, padded: false, pad: 9 };

  it('leaves a short text as it is', () => {
    expect(fitTokens([1, 5, 2], rules)).toEqual({ ids: [1, 5, 2], mask: [1, 1, 1] });
  });

  it('fills up where the rules say so', () => {
    expect(fitTokens([1, 5, 2], { ...rules, padded: true })).toEqual({
      ids: [1, 5, 2, 9, 9],
      mask: [1, 1, 1, 0, 0],
    });
  });

  it('cuts a long text before its last token', () => {
    expect(fitTokens([1, 5, 6, 7, 8, 4, 2], { ...rules, padded: true })).toEqual({
      ids: [1, 5, 6, 7, 2],
      mask: [1, 1, 1, 1, 1],
    });
  });
});

describe('readTokenizer', () => {
  it('puts the special tokens around the words', () => {
    const tokenize = readTokenizer(tokenizerJson(), { name: 'tiny' });
    expect(tokenize('a photo of the blicket')).toEqual([1, 3, 3, 3, 3, 7, 2]);
  });

  it('refuses what is no tokeniser, and one without a number for a word', () => {
    expect(() => readTokenizer({}, { name: 'tiny' })).toThrow('its tokenizer.json cannot be read');
    const json = tokenizerJson() as { model: { vocab: Record<string, number> } };
    const { '<unk>': _, ...vocab } = json.model.vocab;
    const poor = { ...json, model: { ...json.model, vocab } };
    const tokenize = (): unknown => readTokenizer(poor, { name: 'tiny' })('lion');
    expect(tokenize).toThrow(/no numbers for `lion`|cannot be read/);
  });
});

describe('encoderDisagreements', () => {
  const cardOf = (plan = {}): EncoderCard => {
    const result = parseModelCard(encoderCardOf(plan));
    if (!result.ok || result.card.kind !== 'encoder') throw new Error('no card');
    return result.card;
  };
  const port = (name: string, type: string, ...dims: (number | string)[]) => ({ name, type, dims });
  const pixels = port('pixel_values', 'float32', 'batch', 3, 16, 16);
  const ids = port('input_ids', 'int64', 'batch', 'sequence');
  const mask = port('attention_mask', 'int64', 'batch', 'sequence');
  const seen = port('image_embeds', 'float32', 'batch', 4);
  const meant = port('text_embeds', 'float32', 'batch', 4);

  it('finds none where the towers are as the card says', () => {
    const card = cardOf();
    expect(encoderDisagreements(card, 'image', { inputs: [pixels], outputs: [seen] })).toEqual([]);
    for (const inputs of [[ids], [ids, mask]]) {
      expect(encoderDisagreements(card, 'text', { inputs, outputs: [meant] })).toEqual([]);
    }
    const whole = { inputs: [ids, pixels, mask], outputs: [seen, meant] };
    for (const tower of ['image', 'text'] as const) {
      expect(encoderDisagreements(cardOf({ whole: true }), tower, whole)).toEqual([]);
    }
  });

  it.each([
    ['image', [{ ...pixels, dims: ['batch', 3, 224, 224] }], 'image'],
    ['image', [{ ...pixels, dims: [4, 3, 16, 16] }], 'image.batch'],
    ['image', [{ ...pixels, type: 'float16' }], 'image.type'],
    ['image', [{ ...pixels, name: 'images' }], 'image.name'],
    ['image', [pixels, ids], 'image.input'],
    ['text', [{ ...ids, type: 'float32' }], 'text.input'],
    ['text', [{ ...ids, dims: [1, 77] }], 'text.length'],
    ['text', [ids, port('position_ids', 'int64', 'batch', 'sequence')], 'text.input'],
  ] as const)('of the %s tower', (tower, inputs, field) => {
    const outputs = [seen, meant];
    const found = encoderDisagreements(cardOf(), tower, { inputs, outputs });
    expect(found[0]).toMatchObject({ field });
  });

  it('misses an output', () => {
    const found = encoderDisagreements(cardOf(), 'text', { inputs: [ids], outputs: [seen] });
    expect(found).toMatchObject([{ field: 'text.output', card: 'text_embeds' }]);
  });
});
