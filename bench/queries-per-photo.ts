/** `vgr refine` over photos with 1, 10 and 100 queries each: what a photo costs, start-up taken off. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { benchPhotos, CORES } from './photos.js';
import { median, print, rounded, timedRun } from './vgr.js';

const PHOTOS = 60;
const ROUNDS = 3;
const QUERIES = '../shared/data/grounding/dev.jsonl';

/** Expressions of real people where they are at hand, else a few of our own. */
function expressions(): readonly string[] {
  if (!existsSync(QUERIES)) return ['the left one', 'the biggest thing', 'person on the right'];
  const lines = readFileSync(QUERIES, 'utf8').trim().split('\n');
  return lines.map((line) => (JSON.parse(line) as { query: string }).query);
}

const { name, paths } = benchPhotos();
const photos = paths.slice(0, PHOTOS);
const words = expressions();
const folder = mkdtempSync(join(tmpdir(), 'vgr-bench-per-photo-'));

/** A photo's queries lie together, each with words of its own. */
function queriesFile(count: number, perPhoto: number): string {
  const file = join(folder, 'q.jsonl');
  const lines = photos.slice(0, count).flatMap((path, photo) =>
    Array.from({ length: perPhoto }, (_, at) => ({
      image: basename(path),
      query: words[(photo * perPhoto + at) % words.length],
    })),
  );
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

/** Milliseconds that a photo costs: all photos against two, so that start-up falls out. */
function perPhotoMs(perPhoto: number): { readonly wall: number; readonly cpu: number } {
  const measured = (count: number) => {
    const file = queriesFile(count, perPhoto);
    return timedRun('refine', dirname(photos[0]!), '--queries', file, '--no-timing');
  };
  const rounds = Array.from({ length: ROUNDS }, () => ({
    few: measured(2),
    all: measured(PHOTOS),
  }));
  const of = (value: 'wallS' | 'cpuS') =>
    (1000 * median(rounds.map(({ few, all }) => all[value] - few[value]))) / (photos.length - 2);
  return { wall: of('wallS'), cpu: of('cpuS') };
}

try {
  const [one, ten, hundred] = [1, 10, 100].map(perPhotoMs);
  print({
    bench: `refine with several queries a photo, median of ${ROUNDS}`,
    photos: `${photos.length} ${name}`,
    cores: CORES,
    one_ms: rounded(one!.wall, 1),
    ten_ms: rounded(ten!.wall, 1),
    hundred_ms: rounded(hundred!.wall, 1),
    ten_ratio: rounded(ten!.wall / one!.wall, 2),
    hundred_ratio: rounded(hundred!.wall / one!.wall, 2),
    hundred_cpu_ratio: rounded(hundred!.cpu / one!.cpu, 2),
  });
} finally {
  rmSync(folder, { recursive: true });
}
