import { copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { globbySync } from 'globby';

export const CORES = availableParallelism();

/** Real photos where they are at hand (`../shared`), else the fixtures. Sorted. */
export function benchPhotos(): { readonly name: string; readonly paths: readonly string[] } {
  const folder = '../shared/data/grounding';
  if (!existsSync(folder)) {
    return { name: 'fixtures', paths: globbySync('fixtures/images/*').sort() };
  }
  const lines = readFileSync(join(folder, 'dev.jsonl'), 'utf8').trim().split('\n');
  const names = new Set(lines.map((line) => (JSON.parse(line) as { image: string }).image));
  return {
    name: 'dev photos',
    paths: [...names].sort().map((name) => join(folder, 'images', name)),
  };
}

/** A fresh folder in which the photos lie `times` over, as hard links where the disk allows. */
export function photoFolder(paths: readonly string[], times: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'vgr-bench-'));
  for (let round = 0; round < times; round++) {
    const roundFolder = join(folder, String(round).padStart(3, '0'));
    mkdirSync(roundFolder);
    for (const path of paths) linkOrCopy(path, join(roundFolder, basename(path)));
  }
  return folder;
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
