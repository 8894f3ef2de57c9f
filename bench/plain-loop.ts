/**
 * Photos a second of `vgr detect --detector nanodet-plus-m-416` beside a loop over the same file as its users write it: decode,
 * resize, pack, run, decode boxes, one photo after another, with the runtime's own settings. Wants the weights:
 * `vgr models pull nanodet-plus-m-416`, or VGR_MODELS_DIR.
 */
import { readFileSync, rmSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import sharp from 'sharp';
import { detectorFamily } from '../src/detect/families.js';
import { type DetectorCard, parseModelCard } from '../src/formats/model-card.js';
import { findModel, readVerified } from '../src/runtime/model-store.js';
import { benchPhotos, CORES, photoFolder } from './photos.js';
import { median, print, rounded, timedRun } from './vgr.js';

const NAME = 'nanodet-plus-m-416';
const ROUNDS = 3;

const model = await findModel(NAME);
if (model.weights === undefined) {
  print({ bench: 'plain-loop', skipped: `no weights of ${NAME} here` });
  process.exit(0);
}

const parsed = parseModelCard(JSON.parse(readFileSync(`models/${NAME}/card.json`, 'utf8')));
if (!parsed.ok) throw new Error(`models/${NAME}/card.json does not parse`);
const card = parsed.card as DetectorCard;
const { name, paths } = benchPhotos();

/** Seconds of the loop over all photos, loading of the model included. */
async function plainLoop(): Promise<number> {
  const start = performance.now();
  const { bytes } = await readVerified(model);
  const session = await ort.InferenceSession.create(new Uint8Array(bytes).slice());
  const family = detectorFamily(card.family);
  const { width, height } = card.input;
  const { minScore, maxDetections } = card.decoding;
  const options = { minScore, maxDetections };
  for (const path of paths) {
    const { data, info } = await sharp(path)
      .resize(width, height, { fit: 'fill' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const feeds: Record<string, ort.Tensor> = {};
    for (const [input, tensor] of Object.entries(family.pack([{ width, height, data }], card))) {
      feeds[input] = new ort.Tensor(tensor.type, tensor.data as never, [...tensor.dims]);
    }
    const outputs = await session.run(feeds);
    family.decode(outputs as never, [{ width: info.width, height: info.height }], card, options);
  }
  return (performance.now() - start) / 1000;
}

const folder = photoFolder(paths, 1);
const ours: number[] = [];
const plain: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  plain.push(await plainLoop());
  ours.push(timedRun('detect', folder, '--detector', NAME).wallS);
}
rmSync(folder, { recursive: true });
print({
  bench: `detect with NanoDet-Plus beside a plain loop, start-up on both sides, median of ${ROUNDS}`,
  photos: `${paths.length} ${name}`,
  cores: CORES,
  plain_per_s: rounded(paths.length / median(plain)),
  detect_per_s: rounded(paths.length / median(ours)),
  ratio: rounded(median(plain) / median(ours)),
});
