/**
 * What goes into a refiner's file: one network, the mean of three, or one that the three have taught; each over three seeds.
 * How often its answers are right, and how well their scores tell right from wrong. Prints a Markdown table, then one JSON
 * line. Usage: npm run bench -- lite-members IMAGES TRAIN.jsonl VAL.jsonl
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { xywhToXyxy } from '../src/geometry/box.js';
import { iouXyxy } from '../src/geometry/overlap.js';
import { rounded, vgrOutput } from './vgr.js';

const [images, train, validation] = process.argv.slice(2);
if (!images || !train || !validation) {
  throw new Error('expected IMAGES TRAIN.jsonl VAL.jsonl');
}

const SEEDS = [1, 2, 3];
/** The members of the second and the third are the same, and are trained once. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  'one network': ['--members', '1'],
  'mean of three': ['--distillation-epochs', '0'],
  'taught by three': [],
};

interface Row {
  readonly accuracy: number;
  /** Chance that a right answer has a higher score than a wrong one. */
  readonly area: number;
  /** Mean natural log of what the scores gave to what was not so. */
  readonly log_loss: number;
  readonly parameters: number;
}

const folder = mkdtempSync(join(tmpdir(), 'vgr-members-'));
process.on('exit', () => rmSync(folder, { recursive: true }));

const linesOf = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

function scored(refiner: string): readonly (readonly [score: number, right: boolean])[] {
  const queries = linesOf(readFileSync(validation!, 'utf8'));
  const answers = linesOf(
    vgrOutput('refine', images!, '--queries', validation!, '--refiner', refiner),
  );
  return answers.map(({ answer }, at) => {
    const [x, y, width, height] = queries[at].bbox;
    const truth = xywhToXyxy({ x, y, width, height });
    if (answer.bbox_2d === null) return [answer.score, false];
    const [x1, y1, x2, y2] = answer.bbox_2d;
    return [answer.score, iouXyxy(truth, { x1, y1, x2, y2 }) > 0.5];
  });
}

function areaUnder(pairs: ReturnType<typeof scored>): number {
  const right = pairs.filter(([, isRight]) => isRight);
  const wrong = pairs.filter(([, isRight]) => !isRight);
  const won = right.flatMap(([high]) =>
    wrong.map(([low]): number => (high === low ? 0.5 : Number(high > low))),
  );
  return won.reduce((sum, each) => sum + each, 0) / won.length;
}

function logLoss(pairs: ReturnType<typeof scored>): number {
  const losses = pairs.map(
    ([score, isRight]) => -Math.log(Math.max(isRight ? score : 1 - score, 1e-6)),
  );
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

function trained(flags: readonly string[], seed: number): Row {
  const output = join(folder, `${flags[0] === '--members' ? 'one' : 'three'}-${seed}`);
  const paths = ['--queries', train!, '--val', validation!, '--output', output];
  vgrOutput('train-lite', images!, ...paths, '--seed', String(seed), ...flags);
  const { policy } = JSON.parse(readFileSync(join(output, 'card.json'), 'utf8'));
  const pairs = scored(output);
  return {
    accuracy: pairs.filter(([, isRight]) => isRight).length / pairs.length,
    area: areaUnder(pairs),
    log_loss: logLoss(pairs),
    parameters: policy.parameters,
  };
}

/** Mean over the seeds, and the spread from lowest to highest. */
function cell(rows: readonly Row[], key: keyof Row): string {
  const values = rows.map((row) => row[key]);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(3));
  return key === 'parameters' ? String(mean) : `${mean.toFixed(3)} (${low} to ${high})`;
}

console.log('| in the file | accuracy | area | log loss | parameters |');
console.log('|---|---|---|---|---|');
const rows = Object.entries(KINDS).map(([name, flags]) => {
  const seeds = SEEDS.map((seed) => trained(flags, seed));
  const keys = ['accuracy', 'area', 'log_loss', 'parameters'] as const;
  console.log(`| ${name} | ${keys.map((key) => cell(seeds, key)).join(' | ')} |`);
  return {
    name,
    seeds: seeds.map(({ accuracy, area }) => [rounded(accuracy, 4), rounded(area, 4)]),
  };
});
console.log(JSON.stringify({ bench: 'lite-members', rows }));
