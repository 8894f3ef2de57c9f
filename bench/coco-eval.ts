/**
 * Time and memory of COCO box evaluation on a synthetic set of COCO's size: 5,000 images, 36,000 annotations, 100
 * detections an image, 80 categories. Prints one JSON line.
 *
 *     npm run bench -- coco-eval [IMAGES] [DETECTIONS_PER_IMAGE] [CATEGORIES]
 *
 * With `--keep DIR` the two files stay in DIR, for a run of another evaluator over the same set.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { SeededRandom } from '../src/core/random.js';
import { evaluateCoco } from '../src/evaluate/coco.js';
import { CocoDetections, CocoGroundTruth } from '../src/evaluate/coco-columns.js';
import { cocoDetections, cocoEntries } from '../src/formats/coco-records.js';
import { print, rounded } from './vgr.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { keep: { type: 'string' } },
});
const [images = 5000, perImage = 100, categories = 80] = positionals.map(Number);
const ANNOTATIONS_PER_IMAGE = 7.2;

type Box = [x: number, y: number, width: number, height: number];

interface Annotation {
  readonly categoryId: number;
  readonly bbox: Box;
  readonly crowd: boolean;
}

/** Annotations of an image; the same for the same image however often it is asked for. */
function annotationsOf(image: number): Annotation[] {
  const random = new SeededRandom(image * 2);
  const count = Math.floor(random.next() * 2 * ANNOTATIONS_PER_IMAGE + 0.5);
  return Array.from({ length: count }, () => {
    const width = 4 + 300 * random.next() ** 2;
    const height = 4 + 300 * random.next() ** 2;
    const bbox: Box = [
      (640 - width) * random.next(),
      (480 - height) * random.next(),
      width,
      height,
    ];
    return {
      categoryId: 1 + random.nextBelow(categories),
      bbox,
      crowd: random.next() < 0.01,
    };
  });
}

/** Half of the detections are annotations slightly moved, the rest are anywhere. */
function* detectionsOf(image: number): Generator<string> {
  const annotations = annotationsOf(image);
  const random = new SeededRandom(image * 2 + 1);
  for (let index = 0; index < perImage; index++) {
    const near = annotations[random.nextBelow(2 * perImage) % Math.max(1, 2 * annotations.length)];
    const moved = (value: number, by: number) => Math.max(0, value + (random.next() - 0.5) * by);
    const size = near ? Math.min(near.bbox[2], near.bbox[3]) * 0.3 : 0;
    const bbox = near
      ? near.bbox.map((value) => moved(value, size))
      : [500 * random.next(), 400 * random.next(), 200 * random.next(), 200 * random.next()];
    yield JSON.stringify({
      image_id: image,
      category_id: near?.categoryId ?? 1 + random.nextBelow(categories),
      bbox: bbox.map((value) => Math.round(value * 100) / 100),
      score: Math.round(random.next() * 1e4) / 1e4,
    });
  }
}

function* joined(items: Iterable<string>): Generator<string> {
  let separator = '';
  for (const item of items) {
    yield separator + item;
    separator = ',\n';
  }
}

function* groundTruthText(): Generator<string> {
  yield '{"images":[';
  yield* joined(Array.from({ length: images }, (_, index) => `{"id":${index + 1}}`));
  yield '],"categories":[';
  yield* joined(
    Array.from({ length: categories }, (_, index) => `{"id":${index + 1},"name":"c${index + 1}"}`),
  );
  yield '],"annotations":[';
  yield* joined(annotationLines());
  yield ']}';
}

function* annotationLines(): Generator<string> {
  let id = 0;
  for (let image = 1; image <= images; image++) {
    for (const { categoryId, bbox, crowd } of annotationsOf(image)) {
      yield JSON.stringify({
        id: ++id,
        image_id: image,
        category_id: categoryId,
        bbox,
        area: bbox[2] * bbox[3] * 0.7,
        iscrowd: crowd ? 1 : 0,
      });
    }
  }
}

function* detectionLines(): Generator<string> {
  for (let image = 1; image <= images; image++) yield* detectionsOf(image);
}

function* detectionText(): Generator<string> {
  yield '[';
  yield* joined(detectionLines());
  yield ']';
}

function opened(path: string) {
  return createReadStream(path, { encoding: 'utf8', highWaterMark: 2 ** 18 });
}

const folder = values.keep ?? (await mkdtemp(join(tmpdir(), 'vgr-coco-')));
try {
  await mkdir(folder, { recursive: true });
  const truthPath = join(folder, 'gt.json');
  const detectionPath = join(folder, 'dt.json');
  await pipeline(Readable.from(groundTruthText()), createWriteStream(truthPath));
  await pipeline(Readable.from(detectionText()), createWriteStream(detectionPath));

  const started = performance.now();
  const truth = new CocoGroundTruth();
  for await (const entry of cocoEntries(opened(truthPath), truthPath)) truth.add(entry);
  const detections = new CocoDetections();
  for await (const entry of cocoDetections(opened(detectionPath), detectionPath)) {
    detections.add(entry);
  }
  const read = performance.now();
  const { coco } = evaluateCoco(truth, detections);
  const done = performance.now();
  print({
    bench: 'coco-eval',
    images,
    annotations: truth.length,
    detections: detections.length,
    categories,
    read_s: rounded((read - started) / 1000),
    evaluate_s: rounded((done - read) / 1000),
    total_s: rounded((done - started) / 1000),
    peak_mib: rounded(process.resourceUsage().maxRSS / 1024, 1),
    AP: coco.AP,
    AR100: coco.AR100,
  });
} finally {
  if (values.keep === undefined) await rm(folder, { recursive: true });
}
