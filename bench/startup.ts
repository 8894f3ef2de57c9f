/**
 * Start-up of `vgr --version` against that of bare node, interleaved; and the time from the start of `vgr detect` to its first
 * line.
 */
import { spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { benchPhotos, photoFolder } from './photos.js';
import { median, print, rounded } from './vgr.js';

const ROUNDS = 15;
const DETECT_ROUNDS = 7;

function elapsedMs(...args: readonly string[]): number {
  const start = performance.now();
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}`);
  return performance.now() - start;
}

/** Until the first byte on stdout; the run is ended then. */
function firstResultMs(folder: string): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, ['bin/run.js', 'detect', folder, '--quiet'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return new Promise((resolve, reject) => {
    let elapsed = Number.NaN;
    child.stdout.once('data', () => {
      elapsed = performance.now() - start;
      child.stdout.destroy();
    });
    child.once('error', reject);
    child.once('close', () => resolve(elapsed));
  });
}

const bare: number[] = [];
const vgr: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  bare.push(elapsedMs('-e', '0'));
  vgr.push(elapsedMs('bin/run.js', '--version'));
}
const { paths } = benchPhotos();
const folder = photoFolder(paths, 1);
const first: number[] = [];
for (let round = 0; round < DETECT_ROUNDS; round++) first.push(await firstResultMs(folder));
rmSync(folder, { recursive: true });
print({
  bench: `start-up, median of ${ROUNDS}`,
  node_ms: rounded(median(bare), 1),
  vgr_version_ms: rounded(median(vgr), 1),
  first_result_ms: rounded(median(first), 1),
  ratio: rounded(median(vgr) / median(bare), 2),
});
