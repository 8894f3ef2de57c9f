/** Peak memory of `vgr detect` over some photos, and over the same photos ten and fifty times. */
import { rmSync } from 'node:fs';
import { benchPhotos, photoFolder } from './photos.js';
import { print, rounded, timedRun } from './vgr.js';

const PHOTOS = 40;

const { name, paths } = benchPhotos();
const some = paths.slice(0, PHOTOS);

function peakMib(times: number): number {
  const folder = photoFolder(some, times);
  const { peakBytes } = timedRun('detect', folder);
  rmSync(folder, { recursive: true });
  return peakBytes / 2 ** 20;
}

const [once, ten, fifty] = [1, 10, 50].map(peakMib) as [number, number, number];
print({
  bench: 'detect peak memory',
  photos: `${some.length} ${name}`,
  '1x_mib': rounded(once, 1),
  '10x_mib': rounded(ten, 1),
  '50x_mib': rounded(fifty, 1),
  ratio: rounded(fifty / once),
});
