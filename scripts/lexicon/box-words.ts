/**
 * Writes `src/refine/box-words.table.ts`: what each word tells of the size, shape and place of the box that is meant. A log-linear
 * model of the choice among boxes of one kind in one photo, with the log-odds of the embedded refiner's other columns as an
 * offset, so that words of place and order say only what those do not know already. The printed scale of the offset is 1 over
 * the weight that the column `box-words` should have.
 *
 *     npx tsx scripts/lexicon/box-words.ts SIBLINGS.jsonl.gz [--check]
 *
 * Lines bring `query`, `width`, `height`, `bbox` (x, y, width, height) and `tools.siblings`: all boxes of the kind, one of them the
 * truth. With `--check` the half of the photos with an even hash is fitted, the other scored, and nothing is written.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { ANY_WORD, BOX_TRAITS, boxTraits } from '../../src/refine/box-words.js';

import { logitsOf, policyOf, rowsOf } from '../../src/refine/policy.js';
import { situationOf } from '../../src/refine/situation.js';

const TARGET = fileURLToPath(new URL('../../src/refine/box-words.table.ts', import.meta.url));
/** Words of fewer expressions tell nothing sure. */
const FEWEST = 4;
/** Penalty on the square of each weight, against the log-likelihood of all expressions. */
const PENALTY = 7.5;
const STEP = 0.05;
const ROUNDS = 400;
const RATE = 0.05;

const NUMBERS = JSON.parse(
  readFileSync(new URL('../../models/lite-refiner/refiner.json', import.meta.url), 'utf8'),
);
/** Without the columns that the table takes the place of. */
const POLICY = policyOf({
  ...NUMBERS,
  boxes: { ...NUMBERS.boxes, 'box-words': 0, area: 0, central: 0 },
});

interface Row {
  readonly words: readonly string[];
  readonly even: boolean;
  /** Per box. */
  readonly offsets: readonly number[];
  readonly traits: ReadonlyArray<readonly number[]>;
  readonly truth: number;
}

interface Line {
  readonly query: string;
  readonly width: number;
  readonly height: number;
  readonly coco_id: number;
  readonly bbox: readonly [number, number, number, number];
  readonly tools: { readonly siblings: ReadonlyArray<{ readonly bbox_2d: readonly number[] }> };
}

function rowOf(line: Line): Row {
  const boxes = line.tools.siblings.map(({ bbox_2d: [x1, y1, x2, y2] }) => ({
    x1: x1!,
    y1: y1!,
    x2: x2!,
    y2: y2!,
  }));
  const candidates = boxes.map((boxXyxy, rank) => ({ boxXyxy, tool: 'siblings', rank }));
  const imageSize = { width: line.width, height: line.height };
  const request = { query: line.query, imageSize, candidates, toolName: 'siblings', tool: null };
  const situation = situationOf(request);
  const logits = logitsOf(POLICY, rowsOf(situation, POLICY.columns), 'rethink');
  const offsets = boxes.map(() => -20);
  for (const [at, { source }] of situation.actions.entries()) offsets[source] = logits[at]!;
  const [x, y] = line.bbox;
  const truth = boxes.findIndex((box) => Math.abs(box.x1 - x) < 1 && Math.abs(box.y1 - y) < 1);
  return {
    words: [ANY_WORD, ...new Set(situation.expression.words)],
    even: ((Math.imul(line.coco_id, 2654435761) >>> 16) & 1) === 0,
    offsets,
    traits: boxes.map((box) => boxTraits(box, imageSize)),
    truth,
  };
}

type Weights = Map<string, number[]>;

function chancesOf({ words, offsets, traits }: Row, weights: Weights, scale: number): number[] {
  const own = BOX_TRAITS.map((_, i) =>
    words.reduce((sum, word) => sum + (weights.get(word)?.[i] ?? 0), 0),
  );
  const scores = traits.map((trait, at) => scale * offsets[at]! + dot(own, trait));
  const highest = Math.max(...scores);
  const odds = scores.map((score) => Math.exp(score - highest));
  const total = odds.reduce((sum, each) => sum + each, 0);
  return odds.map((each) => each / total);
}

/** Slopes of the negative log-likelihood: of each word's weights, and of the scorer's scale. */
function slopesOf(rows: readonly Row[], weights: Weights, scale: number): [Weights, number] {
  const slopes: Weights = new Map([...weights].map(([name, own]) => [name, own.map(() => 0)]));
  let ofScale = 0;
  for (const row of rows) {
    const { offsets, traits, truth } = row;
    const surplus = chancesOf(row, weights, scale).map((each, at) => each - (at === truth ? 1 : 0));
    ofScale += dot(surplus, offsets);
    const off = BOX_TRAITS.map((_, i) =>
      surplus.reduce((sum, each, at) => sum + each * traits[at]![i]!, 0),
    );
    for (const word of row.words) {
      const own = slopes.get(word) ?? [];
      for (const i of own.keys()) own[i] = own[i]! + off[i]!;
    }
  }
  return [slopes, ofScale];
}

const dot = (one: readonly number[], other: readonly number[]): number =>
  one.reduce((sum, each, at) => sum + each * other[at]!, 0);

/** One number under Adam. */
class Moments {
  #mean = 0;
  #square = 0;

  step(slope: number, round: number): number {
    this.#mean = 0.9 * this.#mean + 0.1 * slope;
    this.#square = 0.99 * this.#square + 0.01 * slope * slope;
    const rate = RATE * Math.min(1, 2 * (1 - round / (ROUNDS + 1)));
    const square = this.#square / (1 - 0.99 ** round);
    return (-rate * this.#mean) / (1 - 0.9 ** round) / (Math.sqrt(square) + 1e-6);
  }
}

/** Adam on the penalised log-likelihood of all rows at once. */
function fitted(rows: readonly Row[]): { weights: Weights; scale: number } {
  const counts = new Map<string, number>();
  for (const word of rows.flatMap(({ words }) => words))
    counts.set(word, (counts.get(word) ?? 0) + 1);
  const names = [...counts].filter(([, count]) => count >= FEWEST).map(([name]) => name);
  const weights: Weights = new Map(names.map((name) => [name, BOX_TRAITS.map(() => 0)]));
  const moments = new Map(names.map((name) => [name, BOX_TRAITS.map(() => new Moments())]));
  const scaleMoments = new Moments();
  let scale = 1;
  for (let round = 1; round <= ROUNDS; round++) {
    const [slopes, ofScale] = slopesOf(rows, weights, scale);
    for (const [name, own] of weights) {
      for (const [i, weight] of own.entries()) {
        const slope = slopes.get(name)![i]! + 2 * PENALTY * weight;
        own[i] = weight + moments.get(name)![i]!.step(slope, round);
      }
    }
    scale += scaleMoments.step(ofScale, round);
  }
  return { weights, scale };
}

const rounded = (weight: number): number => Math.round(weight / STEP);

function accuracy(rows: readonly Row[], weights: Weights, scale: number): string {
  const right = rows.filter((row) => {
    const chances = chancesOf(row, weights, scale);
    return chances.indexOf(Math.max(...chances)) === row.truth;
  }).length;
  return (right / rows.length).toFixed(4);
}

const [path = '', mode] = process.argv.slice(2);
const lines = gunzipSync(readFileSync(path)).toString().trim().split('\n');
const rows = lines.map((line) => rowOf(JSON.parse(line) as Line)).filter(({ truth }) => truth >= 0);
const chosen = mode === '--check' ? rows.filter(({ even }) => even) : rows;
const { weights, scale } = fitted(chosen);
const stepped: Weights = new Map(
  [...weights].map(([name, own]) => [name, own.map((weight) => rounded(weight) * STEP)]),
);
for (const half of [true, false]) {
  const part = rows.filter(({ even }) => even === half);
  const plain = accuracy(part, new Map(), 1);
  process.stdout.write(
    `${half ? 'even' : 'odd'}: ${part.length} lines, other columns ${plain}, with words ${accuracy(part, stepped, scale)}, scale ${scale.toFixed(2)}\n`,
  );
}
if (mode !== '--check') {
  const entries = [...weights]
    .map(([name, own]) => [name, ...own.map(rounded)] as const)
    .filter(([, ...steps]) => steps.some((step) => step !== 0))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map((entry) => entry.join(' '));
  const text = `/** Made by scripts/lexicon/box-words.ts from expressions that people wrote of true boxes. Not to be edited. */\nexport const TABLE_STEP = ${STEP};\n\n/** \`word area tallness centrality ...|word ...\` in steps. */\nexport const boxWordTable: string =\n  '${entries.join('|')}';\n`;
  writeFileSync(TARGET, text);
  process.stdout.write(
    `${entries.length} words, scale ${scale.toFixed(2)}, ${Math.round(text.length / 1024)} KiB\n`,
  );
}
