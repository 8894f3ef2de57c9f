/**
 * `vgr refine` without photos by the embedded refiner: lines a second with start-up, and peak memory, over lines that bring
 * boxes of two tools, and over a tenth of them. The number of lines is the first argument.
 */
import { availableParallelism } from 'node:os';
import { measuredLines } from './query-lines.js';
import { print } from './vgr.js';

const LINES = Number(process.argv[2] ?? 100_000);

print({
  bench: 'refine without photos, whole command with start-up',
  lines: LINES,
  cores: availableParallelism(),
  lite: measuredLines('lite', LINES),
});
