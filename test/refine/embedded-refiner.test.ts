import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseModelCard } from '../../src/formats/model-card.js';
import { refinerNumbers } from '../../src/formats/refiner-card.js';
import { boxColumns, COLUMNS_VERSION, QUERY_COLUMNS } from '../../src/refine/columns.js';
import { MEMBER_PARTS, SCORE_PARTS } from '../../src/refine/decision.js';
import { readRefiner } from '../../src/runtime/refiner.js';

const FOLDER = 'models/lite-refiner';

const file = readFileSync(`${FOLDER}/refiner.json`);
const numbers = refinerNumbers.parse(JSON.parse(file.toString('utf8')));
const names = (columns: readonly { readonly name: string }[]) =>
  columns.map(({ name }) => name).sort();

it('comes with a card that pins its numbers', () => {
  const parsed = parseModelCard(JSON.parse(readFileSync(`${FOLDER}/card.json`, 'utf8')));
  expect(parsed).toMatchObject({
    ok: true,
    card: {
      kind: 'refiner',
      name: 'lite-refiner',
      sha256: createHash('sha256').update(file).digest('hex'),
      bytes: file.length,
    },
  });
});

it('has a number for every column of this program, and no other', () => {
  expect(numbers.columns).toBe(COLUMNS_VERSION);
  expect(Object.keys(numbers.boxes).sort()).toEqual(names(boxColumns(numbers.tools)));
  expect(Object.keys(numbers.none).sort()).toEqual(names(QUERY_COLUMNS));
  expect(Object.keys(numbers.score).sort()).toEqual(names(SCORE_PARTS));
  expect(Object.keys(numbers.members).sort()).toEqual(names(MEMBER_PARTS));
});

it('is what `--refiner lite` opens', async () => {
  const { schema: _, columns: __, ...policy } = numbers;
  const { card, numbers: opened } = await readRefiner('lite');
  expect(card.name).toBe('lite-refiner');
  expect(opened).toEqual(policy);
});
