/**
 * The same as `queries` by a refiner that was fitted to such lines, so that both tools have columns of their own. Also prints how
 * long the fit takes. The number of lines is the first argument.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { measuredLines, writeQueryLines } from './query-lines.js';
import { print, rounded, vgrOutput } from './vgr.js';

const LINES = Number(process.argv[2] ?? 100_000);
const TRAINING_LINES = 5_000;

const folder = mkdtempSync(join(tmpdir(), 'vgr-bench-tool-lines-'));
try {
  const [file, refiner] = [join(folder, 'train.jsonl'), join(folder, 'refiner')];
  writeQueryLines(file, TRAINING_LINES);
  const start = performance.now();
  const places = ['--output', refiner, '--cache', join(folder, 'cache')];
  vgrOutput('train-lite', '--queries', file, ...places);
  const trainS = (performance.now() - start) / 1000;
  print({
    bench: 'refine without photos by a fitted refiner, whole command with start-up',
    lines: LINES,
    cores: availableParallelism(),
    training_lines: TRAINING_LINES,
    training_s: rounded(trainS, 1),
    fitted: measuredLines(refiner, LINES),
  });
} finally {
  rmSync(folder, { recursive: true });
}
