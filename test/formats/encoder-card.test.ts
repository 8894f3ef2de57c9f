import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseModelCard } from '../../src/formats/model-card.js';
import { encoderCardOf } from '../support/encoder-graph.js';

const MODELS = new URL('../../models/', import.meta.url);

const shipped = readdirSync(MODELS)
  .map((name) => [name, JSON.parse(readFileSync(new URL(`${name}/card.json`, MODELS), 'utf8'))])
  .filter(([, card]) => card.kind === 'encoder');

describe('the cards of the encoders', () => {
  it('are one of each family', () => {
    expect(shipped.map(([name, { family }]) => [name, family])).toEqual([
      ['clip-vit-base-patch32', 'clip'],
      ['siglip-base-patch16-224', 'siglip'],
    ]);
  });

  it.each(shipped)('%s is valid, and pins every file', (name, card) => {
    expect(parseModelCard(card)).toMatchObject({ ok: true, card: { name } });
    const all = [card, ...card.files];
    expect(all.map(({ sha256, bytes }) => typeof sha256 === 'string' && bytes > 0)).toEqual(
      all.map(() => true),
    );
  });
});

describe('an encoder card that is not valid', () => {
  const card = encoderCardOf();
  const siglip = encoderCardOf({ family: 'siglip' });
  const part = (name: string, changes: object) => ({ ...(card[name] as object), ...changes });
  const pinned = card.files as readonly { readonly file: string }[];
  const cases: readonly (readonly [string, object, string, string])[] = [
    ['weights without sha256', { ...card, sha256: undefined }, 'sha256', 'nothing'],
    [
      'a file without sha256',
      { ...card, files: [pinned[0], { file: 'tokenizer.json' }] },
      'files[1].sha256',
      'nothing',
    ],
    [
      'a tokeniser that is not listed',
      { ...card, text: part('text', { tokenizer: 'other.json' }) },
      'text.tokenizer',
      '"other.json"',
    ],
    [
      'a text tower that is not listed',
      { ...card, text: part('text', { model: 'other.onnx' }) },
      'text.model',
      '"other.onnx"',
    ],
    [
      'a template without a place for the words',
      { ...card, text: part('text', { template: 'a photo' }) },
      'text.template',
      '"a photo"',
    ],
    [
      'SigLIP without a bias',
      { ...siglip, match: { scale: 10, bias: null } },
      'match.bias',
      'null',
    ],
    ['an unknown family', { ...card, family: 'blip' }, 'family', '"blip"'],
    [
      'a fit that crops cannot have',
      { ...card, image: part('image', { fit: 'none' }) },
      'image.fit',
      '"none"',
    ],
  ];

  it.each(cases)('%s', (_, json, path, got) => {
    const result = parseModelCard(JSON.parse(JSON.stringify(json)));
    expect(result.ok ? [] : result.errors).toMatchObject([{ path, got }]);
  });
});
