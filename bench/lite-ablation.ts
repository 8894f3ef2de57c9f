/**
 * What each part of the lite refiner brings: the detector alone, the transparent scorer, the warm start alone, and GRPO on
 * top of it with plain overlap and with the refinement reward, each over three seeds. One network each, no ensemble. Prints a
 * Markdown table, then one JSON line. Usage: npm run bench -- lite-ablation IMAGES TRAIN.jsonl VAL.jsonl
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vgrOutput } from './vgr.js';

const [images, train, validation] = process.argv.slice(2);
if (!images || !train || !validation) {
  throw new Error('expected IMAGES TRAIN.jsonl VAL.jsonl');
}

const SEEDS = [1, 2, 3];
const TRAINED: Readonly<Record<string, readonly string[]>> = {
  'warm start only': ['--epochs', '0'],
  'warm start + GRPO, plain IoU reward': ['--reward', 'iou'],
  'warm start + GRPO, refinement reward': [],
};

interface Row {
  readonly accuracy: number;
  readonly ccr: number;
  readonly nsri: number;
  readonly worsen: number;
  readonly lost: number | null;
}

const folder = mkdtempSync(join(tmpdir(), 'vgr-ablation-'));
process.on('exit', () => rmSync(folder, { recursive: true }));

function untrained(refiner: string): Row {
  const results = join(folder, `${refiner}.jsonl`);
  writeFileSync(
    results,
    vgrOutput('refine', images!, '--queries', validation!, '--refiner', refiner),
  );
  const report = JSON.parse(
    vgrOutput('eval', '--queries', validation!, '--results', results, '--json'),
  );
  const { accuracy, ccr, nsri, worsen_rate: worsen } = report.metrics;
  return { accuracy, ccr, nsri, worsen, lost: null };
}

function trained(name: string, flags: readonly string[], seed: number): Row {
  const output = join(folder, `${name}-${seed}`.replaceAll(/\W+/g, '-'));
  const paths = ['--queries', train!, '--val', validation!, '--output', output];
  vgrOutput('train-lite', images!, ...paths, '--members', '1', '--seed', String(seed), ...flags);
  const card = JSON.parse(readFileSync(join(output, 'card.json'), 'utf8'));
  const { accuracy, ccr, nsri, worsen_rate: worsen, lost } = card.validation;
  return { accuracy, ccr, nsri, worsen, lost };
}

/** Mean and, of several, the spread from lowest to highest. */
function cell(rows: readonly Row[], key: keyof Row): string {
  const values = rows.flatMap((row) => row[key] ?? []);
  if (values.length === 0) return '';
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const spread = `${Math.min(...values).toFixed(3)} to ${Math.max(...values).toFixed(3)}`;
  return values.length === 1 ? mean.toFixed(3) : `${mean.toFixed(3)} (${spread})`;
}

const table: Record<string, readonly Row[]> = {
  'detector only': [untrained('none')],
  'transparent scorer (v0)': [untrained('v0')],
};
for (const [name, flags] of Object.entries(TRAINED)) {
  table[name] = SEEDS.map((seed) => trained(name, flags, seed));
}

console.log('| refiner | accuracy | CCR | NSRI | worsen rate |\n| --- | --- | --- | --- | --- |');
for (const [name, rows] of Object.entries(table)) {
  const cells = (['accuracy', 'ccr', 'nsri', 'worsen'] as const).map((key) => cell(rows, key));
  console.log(`| ${name} | ${cells.join(' | ')} |`);
}
console.log(JSON.stringify({ bench: 'lite-ablation', seeds: SEEDS, table }));
