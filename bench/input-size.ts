/**
 * How photos go into the embedded detector: stretched to 512 x 512, and in their own shape with a longer side of up to 512 and 640
 * pixels. AP, and photos and core-seconds of the whole `vgr detect` over the same photos, in turns; medians of the rounds, and of the
 * speed by that of the stretched photos in the same round. Prints one JSON line.
 *
 *     npm run bench -- input-size [IMAGES GT.json [ROUNDS]]
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CORES, photoFolder } from './photos.js';
import { median, print, rounded, type TimedRun, timedRun, vgrOutput } from './vgr.js';

const GROUNDING = '../shared/data/grounding';
const [images = `${GROUNDING}/images`, truth = `${GROUNDING}/instances.json`, rounds = '3'] =
  process.argv.slice(2);

const scratch = mkdtempSync(join(tmpdir(), 'vgr-input-size-'));
const stretched = join(scratch, 'models', 'stretched');
mkdirSync(stretched, { recursive: true });
const { input, ...card } = JSON.parse(readFileSync('models/centernet/card.json', 'utf8'));
const { multiple: _, ...rest } = input;
const before = { ...rest, width: 512, height: 512, fit: 'stretch', fill: 0 };
writeFileSync(
  join(stretched, 'card.json'),
  JSON.stringify({ ...card, name: 'stretched', input: before }),
);
copyFileSync(join('models/centernet', card.file), join(stretched, card.file));
process.env.VGR_MODELS_DIR = join(scratch, 'models');

const WAYS = {
  stretched_512: ['--detector', 'stretched'],
  own_shape_512: ['--input-size', '512'],
  own_shape_640: ['--input-size', '640'],
};
const annotated = JSON.parse(readFileSync(truth, 'utf8')).images as { file_name: string }[];
const paths = annotated.map(({ file_name: name }) => join(images, name));
const folder = photoFolder(paths, 1);

function apOf(flags: readonly string[]): number {
  const output = join(scratch, 'found');
  vgrOutput('detect', images, '--image-ids', truth, '--output', output, ...flags);
  const found = join(output, 'predictions.json');
  const { coco } = JSON.parse(vgrOutput('eval', '--coco-gt', truth, '--coco-dt', found, '--json'));
  rmSync(output, { recursive: true });
  return coco.AP;
}

try {
  const runs = new Map<string, TimedRun[]>(Object.keys(WAYS).map((way) => [way, []]));
  for (let round = 0; round < Number(rounds); round++) {
    for (const [way, flags] of Object.entries(WAYS)) {
      runs.get(way)!.push(timedRun('detect', folder, ...flags));
    }
  }
  const results = Object.entries(WAYS).map(([way, flags]) => {
    const seconds = (of: 'wallS' | 'cpuS') => median(runs.get(way)!.map((run) => run[of]));
    const speeds = runs
      .get(way)!
      .map(({ wallS }, round) => runs.get('stretched_512')![round]!.wallS / wallS);
    return [
      way,
      {
        ap: rounded(apOf(flags), 4),
        photos_per_s: rounded(paths.length / seconds('wallS'), 2),
        times_stretched: rounded(median(speeds), 2),
        core_ms_per_photo: rounded((1000 * seconds('cpuS')) / paths.length, 1),
        peak_mib: rounded(median(runs.get(way)!.map((run) => run.peakBytes)) / 2 ** 20, 0),
      },
    ] as const;
  });
  print({
    bench: 'input size of the embedded detector, whole command with start-up',
    photos: paths.length,
    cores: CORES,
    rounds: Number(rounds),
    ...Object.fromEntries(results),
  });
} finally {
  rmSync(folder, { recursive: true });
  rmSync(scratch, { recursive: true });
}
