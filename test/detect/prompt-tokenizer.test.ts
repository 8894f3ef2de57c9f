import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { TokenizedPrompt } from '../../src/detect/prompt.js';
import { PromptTokenizer } from '../../src/detect/prompt-tokenizer.js';
import {
  BERT_CONFIG,
  bertTokenizer,
  byteLetters,
  CLIP_CONFIG,
  clipTokenizer,
  clipVocabulary,
} from '../support/tokenizer-files.js';

const WORDS = [
  'a',
  'cat',
  'remote',
  'control',
  '.',
  'left',
  '##most',
  'lion',
  "'",
  's',
  'zoe',
  ',',
  '-',
  '##n',
];
/** Places of the words after [PAD], [UNK], [CLS], [SEP]. */
const id = (word: string): number => (WORDS.indexOf(word) < 0 ? 1 : WORDS.indexOf(word) + 4);
const ids = (...words: string[]): number[] => [2, ...words.map(id), 3];

const bert = (length = 256): PromptTokenizer =>
  new PromptTokenizer(bertTokenizer(WORDS), BERT_CONFIG, { length }, 'grounding-dino');

/** Words of the first phrase as [text, first token, whether a space stands before]. */
const pieces = ({ phrases }: TokenizedPrompt) =>
  phrases[0]!.words.map(({ text, glued, start, end }) => [text, glued, start, end]);

it('stops a foreign pattern that takes for ever', () => {
  const slow = {
    ...bertTokenizer(WORDS),
    pre_tokenizer: {
      type: 'Split',
      pattern: { Regex: '^(?:a+)+$' },
      behavior: 'Isolated',
      invert: false,
    },
  };
  const tokenizer = new PromptTokenizer(slow, BERT_CONFIG, { length: 256 }, 'owlv2');
  const start = performance.now();
  expect(() => tokenizer.expression(`${'a'.repeat(60)}!`)).toThrow(
    'the tokenizer.json of the model takes more than 5 s for `aaaa',
  );
  expect(performance.now() - start).toBeLessThan(20_000);
  expect(tokenizer.expression('aa')).toBeDefined();
});

describe('an expression for Grounding DINO', () => {
  it('is in small letters, without accents, and ends with a dot', () => {
    expect(bert().expression(' A Cat ')?.ids).toEqual(ids('a', 'cat', '.'));
    expect(bert().expression('a cat.')?.ids).toEqual(ids('a', 'cat', '.'));
    expect(bert().expression('Zoë')?.ids).toEqual(ids('zoe', '.'));
  });

  it('is known by its words: pieces belong together, signs stand close', () => {
    const prompt = bert().expression("Zoe's leftmost lion")!;
    expect(prompt.kind).toBe('expression');
    expect(prompt.ids).toEqual(ids('zoe', "'", 's', 'left', '##most', 'lion', '.'));
    expect(pieces(prompt)).toEqual([
      ['zoe', true, 1, 2],
      ["'", true, 2, 3],
      ['s', true, 3, 4],
      ['leftmost', false, 4, 6],
      ['lion', false, 6, 7],
      ['.', true, 7, 8],
    ]);
  });

  it.each([
    ['the leftmost lion', ['lion']],
    ['a remote control left of the cat', ['remote', 'control']],
    ['Remote-Control, left', ['remote', '-', 'control']],
    ['cat left of a cat', ['cat']],
    ['lionn', ['lionn']],
    ['left', undefined],
    ['...', undefined],
    ['unicorn', undefined],
  ])('knows which words name what is meant: %s', (text, head) => {
    const phrase = bert().expression(text)?.phrases[0];
    expect(phrase?.head?.map((word) => word.text)).toEqual(head);
    const first = phrase?.words.find((word) => word.text === head?.[0]);
    expect(phrase?.head?.[0]).toBe(first);
  });

  it('has no head noun where that is cut off', () => {
    expect(bert(5).expression('left left left cat')!.phrases[0]).not.toHaveProperty('head');
  });

  it('of another script is asked as it is, unknown words as unknown', () => {
    const prompt = bert().expression('кот lion')!;
    expect(prompt.ids).toEqual(ids('кот', 'lion', '.'));
    expect(pieces(prompt).map(([text]) => text)).toEqual(['[UNK]', 'lion', '.']);
    // Chinese characters are words of their own.
    expect(bert().expression('猫')?.ids).toEqual([2, 1, id('.'), 3]);
  });

  it('that says nothing is none', () => {
    for (const text of ['', '  ', '...', '?!', '\u200b', '.']) {
      expect(bert().expression(text)).toBeUndefined();
    }
  });

  it('that is too long is cut, the last special token stays', () => {
    const cut = bert(6).expression('a cat a lion a cat')!;
    expect(cut).toMatchObject({ ids: ids('a', 'cat', 'a', 'lion'), cut: true });
    expect(cut.phrases[0]!.words).toHaveLength(4);
    expect(bert(6).expression('a cat a')).toMatchObject({ cut: false });
    // However long it is, no more of it is looked at than any model reads.
    const endless = bert().expression(`${'a '.repeat(50)}${' '.repeat(1_000_000)}a`)!;
    expect(endless.ids).toEqual(ids(...Array(50).fill('a'), '.'));
    expect(endless).toMatchObject({ cut: true, phrases: [{ label: 'a '.repeat(50).trim() }] });
  });

  it('is made once', () => {
    const tokenizer = bert();
    expect(tokenizer.expression('a cat')).toBe(tokenizer.expression('a cat'));
  });
});

describe('names for Grounding DINO', () => {
  const names = ['Cat', 'remote control', 'lion'].map((name, index) => ({ id: index + 1, name }));

  it('share a text, each with its own span', () => {
    const [prompt, ...more] = bert().names(names);
    expect(more).toEqual([]);
    expect(prompt!.ids).toEqual(ids('cat', '.', 'remote', 'control', '.', 'lion', '.'));
    // As the tokeniser takes the whole caption.
    expect(bert().expression('Cat. remote control. lion.')?.ids).toEqual(prompt!.ids);
    expect(
      prompt!.phrases.map(({ label, categoryId, words }) => [
        label,
        categoryId,
        words.map(({ text, start }) => `${text}@${start}`).join(' '),
      ]),
    ).toEqual([
      ['Cat', 1, 'cat@1 .@2'],
      ['remote control', 2, 'remote@3 control@4 .@5'],
      ['lion', 3, 'lion@6 .@7'],
    ]);
  });

  it('go into as many texts as they need, and none is torn', () => {
    const prompts = bert(7).names(names);
    expect(prompts.map(({ phrases }) => phrases.map(({ label }) => label))).toEqual([
      ['Cat', 'remote control'],
      ['lion'],
    ]);
    expect(prompts.every(({ cut }) => !cut)).toBe(true);
    expect(
      bert(4)
        .names(names)
        .map(({ cut }) => cut),
    ).toEqual([false, true, false]);
  });
});

describe('a tokeniser that is none', () => {
  it.each([
    ['nothing of one', {}],
    ['an unknown model', { ...bertTokenizer(WORDS), model: { type: 'Morse' } }],
    [
      'no word for the unknown',
      {
        ...bertTokenizer([]),
        added_tokens: [],
        model: { ...(bertTokenizer(['b']) as { model: object }).model, unk_token: 'none' },
      },
    ],
  ])('%s is refused', (_, json) => {
    expect(() => new PromptTokenizer(json, {}, { length: 16 }, 'owlv2')).toThrow();
  });
});

const CLIP_FILE = '../shared/models/bpe_simple_vocab_16e6.txt.gz';

const clipFileIsThere = existsSync(CLIP_FILE);
if (!clipFileIsThere) console.log(`skipped: no ${CLIP_FILE}`);

/** CLIP's merges: all lines but the first, up to a vocabulary of 49408. Without the file none, for the tests are skipped. */
function clipMerges(): string[] {
  if (!clipFileIsThere) return [];
  const text = gunzipSync(readFileSync(CLIP_FILE)).toString('utf8');
  return text.split('\n').slice(1, 49152 - 256 - 2 + 1);
}

/** Byte pair encoding as CLIP's paper code does it: of all pairs in a word the one that was learned first, again and again. */
function referenceIds(text: string, merges: readonly string[]): number[] {
  const vocabulary = clipVocabulary(merges);
  const rank = new Map(merges.map((merge, index) => [merge, index]));
  const letters = byteLetters();
  const clean = text.normalize('NFC').replaceAll(/\s+/g, ' ').trim().toLowerCase();
  const words = clean.match(/'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/gu) ?? [];
  const found = words.flatMap((word) => {
    const parts = [...new TextEncoder().encode(word)].map((byte) => letters[byte]!);
    parts.push(`${parts.pop()}</w>`);
    for (;;) {
      const pairs = parts.slice(1).map((part, at) => rank.get(`${parts[at]} ${part}`) ?? Infinity);
      const best = Math.min(...pairs);
      if (best === Infinity) break;
      const [left, right] = merges[best]!.split(' ');
      for (let at = 0; at + 1 < parts.length; at++) {
        if (parts[at] === left && parts[at + 1] === right) parts.splice(at, 2, left! + right!);
      }
    }
    return parts.map((part) => vocabulary[part]!);
  });
  return [49406, ...found, 49407];
}

describe.skipIf(!clipFileIsThere)("a prompt for OWL-ViT, with CLIP's own vocabulary", () => {
  const merges = clipMerges();
  const clip = (length = 16): PromptTokenizer =>
    new PromptTokenizer(clipTokenizer(merges), CLIP_CONFIG, { length }, 'owlv2');

  it('has the ids that CLIP gives', () => {
    const tokenizer = clip();
    expect(tokenizer.expression('a photo of a cat')?.ids).toEqual([
      49406, 320, 1125, 539, 320, 2368, 49407,
    ]);
    expect(tokenizer.expression('A Dog')?.ids).toEqual([49406, 320, 1929, 49407]);
    expect(tokenizer.expression('hello world!')?.ids).toEqual([49406, 3306, 1002, 256, 49407]);
  });

  it('has the same ids where the file lists merges as pairs, as newer ones do', () => {
    const json = clipTokenizer(merges) as { model: { merges: unknown } };
    const pairs = merges.map((merge) => merge.split(' '));
    const newer = { ...json, model: { ...json.model, merges: pairs } };
    const tokenizer = new PromptTokenizer(newer, CLIP_CONFIG, { length: 16 }, 'owlv2');
    expect(tokenizer.expression('the left lion')).toEqual(clip().expression('the left lion'));
  });

  it('has the ids of the reference for any script and sign', () => {
    const tokenizer = clip(400);
    for (const text of [
      'the left lion',
      "the woman's 2nd-largest umbrella (red), isn't it?",
      'Zoë  and\tthe\nantidisestablishmentarianism',
      'левый лев',
      '左边的狮子',
      'der Löwe – links 🦁🦁',
      'اليسار',
      'x'.repeat(120),
      '1234567890',
    ]) {
      expect(tokenizer.expression(text)?.ids, text).toEqual(referenceIds(text, merges));
    }
  });

  it('is cut at 16 tokens with the end in its place, since the model reads its answer there', () => {
    const cut = clip().expression(
      'one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen',
    )!;
    expect(cut.ids).toHaveLength(16);
    expect(cut.ids.at(-1)).toBe(49407);
    expect(cut.cut).toBe(true);
    const start = performance.now();
    expect(clip().expression('zz '.repeat(200_000))?.ids).toHaveLength(16);
    // All of it would take minutes.
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('is one for each name', () => {
    const prompts = clip().names([
      { id: 1, name: 'cat' },
      { id: 2, name: 'remote control' },
    ]);
    expect(
      prompts.map(({ phrases }) => phrases.map(({ label, categoryId }) => [label, categoryId])),
    ).toEqual([[['cat', 1]], [['remote control', 2]]]);
    expect(prompts[0]!.ids).toEqual([49406, 2368, 49407]);
  });
});
