/**
 * Photos a second of `vgr detect`, beside the bound of this machine: cores divided by the core-seconds that one photo
 * costs in decoding, packing and the bare model, each measured alone in the same run.
 */
import { readFileSync, rmSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import type { RgbRaster } from '../src/core/raster.js';
import { detectorFamily } from '../src/detect/families.js';
import { type DetectorCard, parseModelCard } from '../src/formats/model-card.js';
import { configureSharp, openPhoto } from '../src/photos/decode.js';
import { benchPhotos, CORES, photoFolder } from './photos.js';
import { median, print, rounded, timedRun } from './vgr.js';

const { name, paths } = benchPhotos();
const parsed = parseModelCard(JSON.parse(readFileSync('models/centernet/card.json', 'utf8')));
if (!parsed.ok) throw new Error('models/centernet/card.json does not parse');
const card = parsed.card as DetectorCard;

/** CPU seconds of this process. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** CPU seconds that `work` takes for one photo. */
async function perPhoto(work: (index: number) => Promise<void>): Promise<number> {
  const start = cpuSeconds();
  for (let index = 0; index < paths.length; index++) await work(index);
  return (cpuSeconds() - start) / paths.length;
}

configureSharp();
const rasters: RgbRaster[] = [];
const decode = await perPhoto(async (index) => {
  const { raster } = await openPhoto(paths[index]!, card.input);
  rasters.push(raster);
});

const family = detectorFamily(card.family);
const feeds: Record<string, ort.Tensor>[] = [];
const pack = await perPhoto(async (index) => {
  const packed = Object.entries(family.pack([rasters[index]!], card));
  feeds.push(
    Object.fromEntries(
      packed.map(([input, tensor]) => [
        input,
        new ort.Tensor(tensor.type, tensor.data as never, tensor.dims as number[]),
      ]),
    ),
  );
});

const session = await ort.InferenceSession.create(`models/centernet/${card.file}`, {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
});
const fetches = family.outputNames(card);
await session.run(feeds[0]!, fetches);
const model = await perPhoto(async (index) => {
  await session.run(feeds[index]!, fetches);
});

/** Photos a second of the whole command over the photos `times` over. */
function detectRate(times: number, rounds: number): number {
  const folder = photoFolder(paths, times);
  const runs = Array.from({ length: rounds }, () => timedRun('detect', folder));
  rmSync(folder, { recursive: true });
  return (times * paths.length) / median(runs.map(({ wallS }) => wallS));
}

const LONG = 5;
const perSecond = detectRate(1, 3);
const longPerSecond = detectRate(LONG, 1);
const bound = CORES / (decode + pack + model);
print({
  bench: 'detect throughput, whole command with start-up, median of 3',
  photos: `${paths.length} ${name}`,
  cores: CORES,
  decode_ms: rounded(decode * 1000),
  pack_ms: rounded(pack * 1000),
  model_ms: rounded(model * 1000),
  bound_per_s: rounded(bound),
  detect_per_s: rounded(perSecond),
  share_of_bound: rounded(perSecond / bound),
  long_run_photos: LONG * paths.length,
  long_run_per_s: rounded(longPerSecond),
  long_run_share_of_bound: rounded(longPerSecond / bound),
});
