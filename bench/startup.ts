/** Start-up of `vgr --version` against that of bare node, interleaved. */
import { spawnSync } from 'node:child_process';
import { median, print, rounded } from './vgr.js';

const ROUNDS = 15;

function elapsedMs(...args: readonly string[]): number {
  const start = performance.now();
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}`);
  return performance.now() - start;
}

const bare: number[] = [];
const vgr: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  bare.push(elapsedMs('-e', '0'));
  vgr.push(elapsedMs('bin/run.js', '--version'));
}
print({
  bench: `start-up, median of ${ROUNDS}`,
  node_ms: rounded(median(bare), 1),
  vgr_version_ms: rounded(median(vgr), 1),
  ratio: rounded(median(vgr) / median(bare), 2),
});
