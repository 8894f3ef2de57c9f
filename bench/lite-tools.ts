/**
 * Arbitration between tools, measured on lines that it was not fitted to: each file is cut into 20 blocks of neighbouring
 * lines, the same places in each; every fourth block is put aside, one `train-lite` run is fitted to all the rest of all files
 * together, and the four folds cover every line once. Prints a Markdown table, then one JSON line; a fold alone where
 * FOLDS names it. Usage: FOLDS=0,1,2,3 npm run bench -- lite-tools TOOL FILE.jsonl...
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { rounded, vgrOutput } from './vgr.js';

const [tool, ...files] = process.argv.slice(2);
if (tool === undefined || files.length === 0) throw new Error('expected TOOL FILE.jsonl...');
const folds = (process.env.FOLDS ?? '0,1,2,3').split(',').map(Number);
const [BLOCKS, FOLDS] = [20, 4];

const folder = mkdtempSync(join(tmpdir(), 'vgr-lite-tools-'));
process.on('exit', () => rmSync(folder, { recursive: true }));

/** Writes the lines of a file that belong to a fold, or all others. */
function part(file: string, fold: number, aside: boolean): string {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  const foldOf = (at: number) => Math.floor((BLOCKS * at) / lines.length) % FOLDS;
  const path = join(folder, `${aside ? 'test' : 'train'}-${fold}-${basename(file)}`);
  const chosen = lines.filter((_, at) => (foldOf(at) === fold) === aside);
  writeFileSync(path, `${chosen.join('\n')}\n`);
  return path;
}

interface Sums {
  queries: number;
  tool: number;
  answer: number;
  toolIou: number;
  answerIou: number;
}

const sums = new Map<string, Sums>();
for (const fold of folds) {
  const refiner = join(folder, `refiner-${fold}`);
  const train = files.flatMap((file) => ['--queries', part(file, fold, false)]);
  vgrOutput('train-lite', ...train, '--tool', tool, '--val-share', '0', '--output', refiner);
  for (const file of files) {
    const queries = part(file, fold, true);
    const results = join(folder, `results-${fold}-${basename(file)}`);
    writeFileSync(
      results,
      vgrOutput('refine', '--queries', queries, '--tool', tool, '--refiner', refiner),
    );
    const { metrics } = JSON.parse(
      vgrOutput('eval', '--queries', queries, '--results', results, '--json'),
    );
    const sum = sums.get(file) ?? { queries: 0, tool: 0, answer: 0, toolIou: 0, answerIou: 0 };
    sum.queries += metrics.total;
    sum.tool += metrics.total * metrics.tool_accuracy;
    sum.answer += metrics.total * metrics.accuracy;
    sum.toolIou += metrics.total * metrics.tool_mean_iou;
    sum.answerIou += metrics.total * metrics.mean_iou;
    sums.set(file, sum);
  }
}

console.log('| | queries | tool | answer | mean IoU of the tool | of the answer |');
console.log('|---|---|---|---|---|---|');
const rows = [...sums].map(([file, { queries, ...totals }]) => {
  const means = Object.values(totals).map((total) => rounded(total / queries, 4));
  const cells = means.map((mean) => mean.toFixed(3));
  console.log(`| ${basename(file)} | ${queries} | ${cells.join(' | ')} |`);
  return { file: basename(file), queries, means };
});
console.log(JSON.stringify({ bench: 'lite-tools', tool, folds, rows }));
