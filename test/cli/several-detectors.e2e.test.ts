import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { detectorGraph } from '../support/detector-graph.js';
import { linesFile } from '../support/faults.js';
import { TINY_CARD, TINY_PLAN } from '../support/tiny-detector.js';
import { freshFolder, jsonLines, vgr } from '../support/vgr.js';

const CPU = ['--device', 'cpu', '--sessions', '1', '--threads', '1'];
const BOTH = ['--detector', 'centernet', '--detector', 'tiny'];
const PHOTOS = 'fixtures/images';
let env: Readonly<Record<string, string>>;

/** The tiny detector finds a lion in the middle of every photo. */
beforeAll(() => {
  const models = freshFolder();
  const bytes = detectorGraph(TINY_PLAN);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const card = { ...TINY_CARD, source: { added: 'tiny.onnx' }, sha256, bytes: bytes.length };
  mkdirSync(join(models, 'tiny'));
  writeFileSync(join(models, 'tiny', 'tiny.onnx'), bytes);
  writeFileSync(join(models, 'tiny', 'card.json'), JSON.stringify(card));
  env = { VGR_MODELS_DIR: models };
});

const jsonOf = (folder: string, name: string) =>
  JSON.parse(readFileSync(join(folder, name), 'utf8'));

describe('several detectors in one run', () => {
  it('give their boxes to every query, and the line says whose box the answer is', async () => {
    const output = join(freshFolder(), 'out');
    const queries = linesFile([
      { id: 'lion', image: 'dogs-under-tree.jpg', query: 'the lion' },
      { id: 'dog', image: 'dogs-under-tree.jpg', query: 'the left dog' },
    ]);
    const args = ['refine', PHOTOS, '--queries', queries, '--no-timing', ...CPU];
    const run = await vgr([...args, ...BOTH, '--output', output, '--format', 'jsonl'], { env });
    expect(run.code, run.stderr).toBe(0);
    expect(jsonLines(run.stdout)).toMatchObject([
      { tool: { name: 'centernet' }, answer: { label: 'lion', from: ['tiny'] } },
      { tool: { name: 'centernet' }, answer: { label: 'dog', from: ['centernet'] } },
    ]);
    expect(
      run.stderr.match(/note: refiner `lite` weighs boxes of several detectors alike/g),
    ).toHaveLength(1);
    expect(run.stderr).toContain('--detector centernet --detector tiny');
    const summary = jsonOf(output, 'run.json');
    expect(summary.models.map(({ name }: { name: string }) => name)).toEqual(['centernet', 'tiny']);
    expect(summary.settings).toMatchObject({ detector: 'centernet', detector_2: 'tiny' });
    const names = summary.categories.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(['dog', 'lion']));

    // One detector is another run.
    const other = await vgr([...args, '--output', output, '--detector', 'centernet'], { env });
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('detector_2: "tiny", now not set');
  });

  it('are what a refiner is fitted to, whose card names them', async () => {
    const refiner = join(freshFolder(), 'arbiter');
    const queries = ['--queries', 'fixtures/queries.jsonl'];
    const trained = await vgr(
      [
        ...['train-lite', PHOTOS, ...queries, ...BOTH, ...CPU, '--epochs', '3'],
        ...['--output', refiner, '--cache', join(refiner, 'cache')],
      ],
      { env },
    );
    expect(trained.code, trained.stderr).toBe(0);
    expect(jsonOf(refiner, 'card.json').detectors).toEqual(['centernet', 'tiny']);
    const numbers = jsonOf(refiner, 'refiner.json');
    expect(numbers.tools).toEqual(['centernet', 'tiny']);
    expect(numbers.boxes).toHaveProperty('from:tiny');
    const args = ['refine', PHOTOS, ...queries, '--limit', '2', '--refiner', refiner, ...CPU];
    const both = await vgr([...args, '--detector', 'tiny', '--detector', 'centernet'], { env });
    expect(both.code, both.stderr).toBe(0);
    expect(both.stderr).not.toContain('note: refiner');
    const one = await vgr(args, { env });
    expect(one.code, one.stderr).toBe(0);
    expect(one.stderr).toContain('was fitted to `centernet`, `tiny` together, not to `centernet`');
  });
});
