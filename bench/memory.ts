/** Peak memory of `vgr detect` over the photos, and over the same photos ten times. */
import { rmSync } from 'node:fs';
import { benchPhotos, photoFolder } from './photos.js';
import { print, rounded, timedRun } from './vgr.js';

const { name, paths } = benchPhotos();
const TIMES = 10;

function peakBytes(times: number): number {
  const folder = photoFolder(paths, times);
  const { peakBytes: peak } = timedRun('detect', folder);
  rmSync(folder, { recursive: true });
  return peak;
}

const once = peakBytes(1);
const often = peakBytes(TIMES);
print({
  bench: 'detect peak memory',
  photos: `${paths.length} ${name}`,
  times: TIMES,
  once_mib: rounded(once / 2 ** 20, 1),
  often_mib: rounded(often / 2 ** 20, 1),
  ratio: rounded(often / once),
});
