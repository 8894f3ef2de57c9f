/**
 * Florence-2 with one expression a photo and with ten, start-up taken off; beside @huggingface/transformers where that is installed
 * (`npm ci --prefix bench/transformers`). Then the memory of few photos and of many.
 *
 *     python3 scripts/reference/full_size.py out/florence int8
 *     npm run bench -- florence out/florence
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { benchPhotos, CORES } from './photos.js';
import { print, rounded, timedRun } from './vgr.js';

const [model, photosText = '4', memoryText = '0'] = process.argv.slice(2);
if (model === undefined) throw new Error('expected the folder of a model');
const PHOTOS = Number(photosText);

const EXPRESSIONS = [
  'the left one',
  'the biggest thing in the middle',
  'person on the right',
  'a dog that lies on the grass',
  'remote control',
  'the cat next to the other cat',
  'the man in the red shirt',
  'second from the left',
  'the cup with a handle',
  'white train',
];

const { name, paths } = benchPhotos();
const folder = mkdtempSync(join(tmpdir(), 'vgr-bench-florence-'));

function run(photos: readonly string[], perPhoto: number) {
  const file = join(folder, 'q.jsonl');
  const lines = photos.flatMap((path) =>
    EXPRESSIONS.slice(0, perPhoto).map((query) => ({ image: basename(path), query })),
  );
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const flags = [
    '--detector',
    resolve(model!),
    '--refiner',
    'none',
    '--no-timing',
    '--device',
    'cpu',
  ];
  return timedRun('refine', dirname(photos[0]!), '--queries', file, ...flags);
}

try {
  // One session with all cores, as the other program has; the first photo is that of start-up.
  const perPhoto = (count: number) => {
    const all = run(paths.slice(0, PHOTOS + 1), count);
    const first = run(paths.slice(0, 1), count);
    return {
      wall: (all.wallS - first.wallS) / PHOTOS,
      cpu: (all.cpuS - first.cpuS) / PHOTOS,
    };
  };
  const [one, ten] = [perPhoto(1), perPhoto(EXPRESSIONS.length)];
  const script = 'bench/transformers/florence.mjs';
  let other: { ms: number; cpuS: number } | undefined;
  if (existsSync('bench/transformers/node_modules')) {
    const args = [script, resolve(model), paths[0]!, String(CORES), ...EXPRESSIONS];
    other = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
  }
  print({
    bench: 'florence',
    photos: `${PHOTOS} ${name}`,
    cores: CORES,
    one_s: rounded(one.wall),
    ten_s: rounded(ten.wall),
    ten_ratio: rounded(ten.wall / one.wall, 2),
    one_cpu_s: rounded(one.cpu),
    ten_cpu_s: rounded(ten.cpu),
    ten_cpu_ratio: rounded(ten.cpu / one.cpu, 2),
    ...(other && {
      transformers_ten_s: rounded(other.ms / 1000),
      transformers_ten_cpu_s: rounded(other.cpuS),
      times_faster: rounded(other.ms / 1000 / ten.wall, 2),
      times_less_cpu: rounded(other.cpuS / ten.cpu, 2),
    }),
  });
  if (Number(memoryText) > 0) {
    const photos = (count: number) =>
      Array.from({ length: count }, (_, at) => paths[at % paths.length]!);
    const [few, many] = [20, Number(memoryText)].map((count) => run(photos(count), 5).peakBytes);
    print({ bench: 'florence memory', few: few!, many: many!, ratio: rounded(many! / few!, 3) });
  }
} finally {
  rmSync(folder, { recursive: true });
}
