// npm run bench: every benchmark of bench/, each prints one JSON line. `npm run bench -- startup` runs one.
import { step, TSX } from './steps.mjs';

const wanted = process.argv.slice(2);
for (const name of wanted.length > 0
  ? wanted
  : [
      'throughput',
      'plain-loop',
      'memory',
      'startup',
      'coco-eval',
      'refinement-eval',
      'vlm',
      'cascade',
    ]) {
  step(TSX, `bench/${name}.ts`);
}
