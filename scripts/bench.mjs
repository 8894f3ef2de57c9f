// npm run bench: the benchmarks that need no arguments; each prints one JSON line. `npm run bench -- NAME [ARGUMENTS]` runs one of bench/.
import { step, TSX } from './steps.mjs';

const WITHOUT_ARGUMENTS = [
  'throughput',
  'plain-loop',
  'memory',
  'memory-queries',
  'startup',
  'queries',
  'tool-lines',
  'queries-per-photo',
  'coco-eval',
  'refinement-eval',
  'vlm',
  'cascade',
];

const [wanted, ...given] = process.argv.slice(2);
if (wanted) step(TSX, `bench/${wanted}.ts`, ...given);
else for (const name of WITHOUT_ARGUMENTS) step(TSX, `bench/${name}.ts`);
