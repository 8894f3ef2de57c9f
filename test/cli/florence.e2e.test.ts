import { createHash } from 'node:crypto';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { difference } from '../support/reference.js';
import { freshFolder, jsonLines, vgr } from '../support/vgr.js';

const MODEL = 'fixtures/reference/florence-2-a';
const OTHER = 'fixtures/reference/florence-2-b';
const PHOTO = 'cats.jpg';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

type Card = Record<string, unknown> & {
  files: { file: string; sha256: string; bytes: number }[];
};

/** A copy of the tiny model, changed. */
function changed(change: (folder: string, card: Card) => void): string {
  const folder = join(freshFolder(), 'model');
  cpSync(MODEL, folder, { recursive: true });
  const card = JSON.parse(readFileSync(join(folder, 'card.json'), 'utf8')) as Card;
  change(folder, card);
  writeFileSync(join(folder, 'card.json'), JSON.stringify(card));
  return folder;
}

/** Puts other bytes in the place of one of the model's files, and pins them. */
function replace(folder: string, card: Card, name: string, bytes: Uint8Array): void {
  writeFileSync(join(folder, name), bytes);
  const file = card.files.find((one) => one.file === name)!;
  Object.assign(file, { sha256: sha256(bytes), bytes: bytes.length });
}

function refine(model: string, queries: readonly object[], ...more: readonly string[]) {
  const input = queries.map((query) => JSON.stringify(query)).join('\n');
  const flags = ['--detector', model, '--refiner', 'none', '--device', 'cpu', '--no-timing'];
  return vgr(['refine', 'fixtures/images', '--queries', '-', ...flags, ...more], { stdin: input });
}

const errorOf = (stderr: string): string => /^error: (.*)$/m.exec(stderr)?.[1] ?? '';

describe('Florence-2', () => {
  it('answers all expressions of a photo, whatever they are, in the same way each time', async () => {
    const golden = JSON.parse(readFileSync(join(MODEL, 'golden.json'), 'utf8')) as {
      queries: { photo: string; task: string; expression: string; boxes: { box: number[] }[] }[];
    };
    const known = golden.queries.filter(
      ({ photo, task }) => photo === PHOTO && task === 'open-vocabulary',
    );
    const texts = ['', '...', 'the cat '.repeat(625), 'a cat </s><loc_3> there'];
    const queries = [...known.map(({ expression }) => expression), ...texts].map((query) => ({
      image: PHOTO,
      query,
    }));
    const first = await refine(MODEL, queries, '--task', 'open-vocabulary');
    expect(first.code).toBe(1);
    expect(first.stderr).toContain('1 prompt is longer than the 120 tokens');
    const lines = jsonLines(first.stdout);
    expect(lines.map(({ type, code }) => code ?? type)).toEqual(
      queries.map(({ query }) => (query === '' ? 'QUERY_INVALID' : 'result')),
    );
    const answers = lines.map((line) => (line.tool as { bbox_2d?: number[] } | undefined)?.bbox_2d);
    // Pixels of the photo are not quite the reference's: a neighbouring place may be the likeliest.
    for (const [at, { boxes }] of known.entries()) {
      const apart = boxes.map(({ box }) => difference(box, answers[at]!).most);
      expect(Math.min(...apart)).toBeLessThan(640 / 50);
    }
    expect(answers.slice(known.length)).toEqual([
      undefined,
      null,
      expect.any(Array),
      expect.any(Array),
    ]);
    const again = await refine(MODEL, queries, '--task', 'open-vocabulary', '--sessions', '1');
    expect(again.stdout).toBe(first.stdout);
  });

  it.each([
    [
      'a graph that is not there',
      (folder: string) => rmSync(join(folder, 'encoder_model.onnx')),
      3,
      /no file .*encoder_model\.onnx/,
    ],
    [
      'a graph of other bytes',
      (folder: string) => writeFileSync(join(folder, 'embed_tokens.onnx'), 'no model'),
      3,
      /embed_tokens\.onnx.*expected sha256/,
    ],
    [
      'a decoder of another width',
      (folder: string, card: Card) => {
        const name = 'decoder_model_merged.onnx';
        replace(folder, card, name, readFileSync(join(OTHER, name)));
      },
      2,
      /graphs\.decoder.*one model of width 32, the graph has .* of width 48/,
    ],
    [
      'a tokeniser without location tokens',
      (folder: string, card: Card) => {
        const text = readFileSync(join(folder, 'tokenizer.json'), 'utf8');
        const bytes = Buffer.from(text.replaceAll('<loc_', '<place_'));
        replace(folder, card, 'tokenizer.json', bytes);
      },
      3,
      /tokenizer\.json.*it has no location tokens such as <loc_0>/,
    ],
    [
      'a card without a graph',
      (_: string, card: Card) => {
        card.graphs = { embeddings: 'embed_tokens.onnx', encoder: 'encoder_model.onnx' };
      },
      2,
      /graphs\.decoder.*expected the name of one of `files`/,
    ],
  ] as const)('refuses %s', async (_, change, code, message) => {
    const outcome = await refine(changed(change), [{ image: PHOTO, query: 'the cat' }]);
    expect(errorOf(outcome.stderr)).toMatch(message);
    expect(outcome.code).toBe(code);
    expect(outcome.stdout).toBe('');
  });
});
