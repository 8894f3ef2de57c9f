// npm start: builds, and refines the fixture queries with everything embedded.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, step } from './steps.mjs';

step('scripts/build.mjs');
const output = join('out', 'start');
rmSync(join(ROOT, output), { recursive: true, force: true });
const refine = ['refine', 'fixtures/images', '--queries', 'fixtures/queries.jsonl'];
step(
  'bin/run.js',
  ...refine,
  '--output',
  output,
  '--visualize',
  join(output, 'pictures'),
  '--format',
  'human',
);
console.log(`\nresults, COCO files and pictures: ${output}`);
