/**
 * What a detector's scores are worth: fits `decoding.calibration` of a card on photos that are annotated in full. Prints one
 * JSON line: the fit, and the log loss of it and of the fit on CenterNet.
 *
 *     vgr detect IMAGES --detector NAME --image-ids GT.json --output found
 *     npm run bench -- score-calibration found/results.jsonl GT.json [QUERIES.jsonl]
 *
 * With QUERIES only photos that it names are fitted; the others are the check, told as `held_out`. Boxes of one label that overlap by more than 0.65 are one thing; a thing is
 * right where it overlaps an annotation of its label by 0.5 or more that no better one has taken. What lies in a crowd does
 * not count.
 */
import { readFileSync } from 'node:fs';
import type { BoxXyxy } from '../src/core/box.js';
import { areaXyxy, iouXyxy, xywhToXyxy } from '../src/core/box.js';
import { objectness } from '../src/refine/candidates.js';
import { print, rounded } from './vgr.js';

const [found, truth, queries] = process.argv.slice(2);
if (found === undefined || truth === undefined)
  throw new Error('RESULTS.jsonl GT.json [QUERIES.jsonl]');

interface Annotated {
  readonly label: string;
  readonly boxXyxy: BoxXyxy;
  readonly crowd: boolean;
}

interface Detected {
  readonly bbox_2d: readonly [number, number, number, number];
  readonly score: number;
  readonly label: string;
}

/** One thing that a detector lists. */
interface Sample {
  /** 1, logit of the score, natural log of the share of the photo. */
  readonly x: readonly [number, number, number];
  readonly right: boolean;
  /** As `refinement/objectness.ts` has it without a calibration. */
  readonly usual: number;
}

const lines = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

function annotations(): ReadonlyMap<string, readonly Annotated[]> {
  const { images, annotations: all, categories } = JSON.parse(readFileSync(truth!, 'utf8'));
  const names = new Map(images.map(({ id, file_name: name }: never) => [id, name]));
  const labels = new Map(categories.map(({ id, name }: never) => [id, name]));
  const byPhoto = new Map<string, Annotated[]>(
    images.map((image: { file_name: string }) => [image.file_name, []]),
  );
  for (const { image_id: image, category_id: category, bbox, iscrowd } of all) {
    const [x, y, width, height] = bbox;
    byPhoto.get(names.get(image) as string)!.push({
      label: labels.get(category) as string,
      boxXyxy: xywhToXyxy({ x, y, width, height }),
      crowd: iscrowd === 1,
    });
  }
  return byPhoto;
}

function samplesOf(
  detections: readonly Detected[],
  image: { readonly width: number; readonly height: number },
  annotated: readonly Annotated[],
): readonly Sample[] {
  const things: { label: string; boxXyxy: BoxXyxy; score: number }[] = [];
  for (const {
    bbox_2d: [x1, y1, x2, y2],
    score,
    label,
  } of detections) {
    const boxXyxy = { x1, y1, x2, y2 };
    const known = things.some(
      (thing) => thing.label === label && iouXyxy(thing.boxXyxy, boxXyxy) > 0.65,
    );
    if (!known) things.push({ label, boxXyxy, score });
  }
  const taken = new Set<Annotated>();
  return things.flatMap(({ label, boxXyxy, score }): Sample[] => {
    const own = annotated.filter((each) => each.label === label);
    const best = own
      .filter((each) => !each.crowd && !taken.has(each) && iouXyxy(each.boxXyxy, boxXyxy) >= 0.5)
      .sort((a, b) => iouXyxy(b.boxXyxy, boxXyxy) - iouXyxy(a.boxXyxy, boxXyxy))[0];
    if (best) taken.add(best);
    else if (own.some((each) => each.crowd && iouXyxy(each.boxXyxy, boxXyxy) > 0.2)) return [];
    const bounded = Math.min(Math.max(score, 1e-3), 1 - 1e-3);
    const share = Math.max(areaXyxy(boxXyxy) / (image.width * image.height), 1e-4);
    return [
      {
        x: [1, Math.log(bounded / (1 - bounded)), Math.log(share)],
        right: best !== undefined,
        usual: objectness({ boxXyxy, score, tool: '', rank: 0 }, image),
      },
    ];
  });
}

const chanceOf = (weights: readonly number[], { x }: Sample): number =>
  1 / (1 + Math.exp(-x.reduce((sum, value, at) => sum + value * weights[at]!, 0)));

/** Logistic regression by Newton's method. */
function fitted(samples: readonly Sample[]): readonly number[] {
  let weights: readonly number[] = [0, 0, 0];
  for (let round = 0; round < 30; round++) {
    // Rows of the normal equations: second derivatives, then the gradient.
    const rows = [0, 1, 2].map(() => [0, 0, 0, 0]);
    for (const sample of samples) {
      const chance = chanceOf(weights, sample);
      for (const [i, row] of rows.entries()) {
        for (let j = 0; j < 3; j++) row[j]! += sample.x[i]! * sample.x[j]! * chance * (1 - chance);
        row[3]! += sample.x[i]! * ((sample.right ? 1 : 0) - chance);
      }
    }
    const step = solved(rows);
    weights = weights.map((weight, at) => weight + step[at]!);
  }
  return weights;
}

/** Gauss and Jordan, three unknowns. */
function solved(rows: number[][]): readonly number[] {
  for (const [at, row] of rows.entries()) {
    const pivot = row[at]!;
    for (let column = 0; column < 4; column++) row[column]! /= pivot;
    for (const [place, other] of rows.entries()) {
      if (place === at) continue;
      const factor = other[at]!;
      for (let column = 0; column < 4; column++) other[column]! -= factor * row[column]!;
    }
  }
  return rows.map((row) => row[3]!);
}

function logLoss(samples: readonly Sample[], chance: (sample: Sample) => number): number {
  const loss = samples.reduce((sum, sample) => {
    const likely = Math.min(Math.max(chance(sample), 1e-6), 1 - 1e-6);
    return sum - Math.log(sample.right ? likely : 1 - likely);
  }, 0);
  return loss / samples.length;
}

const annotated = annotations();
const wanted =
  queries === undefined ? undefined : new Set(lines(queries).map(({ image }) => image));
const photos = lines(found).filter(
  ({ type, image }) => type === 'detections' && annotated.has(image),
);
const [fitting, heldOut] = [true, false].map((isFitted) =>
  photos
    .filter(({ image }) => (wanted?.has(image) ?? true) === isFitted)
    .map(({ detections, width, height, image }) =>
      samplesOf(detections, { width, height }, annotated.get(image)!),
    ),
) as [Sample[][], Sample[][]];
const weights = fitted(fitting.flat());
const [intercept, score, area] = weights.map((value) => rounded(value, 4)) as [
  number,
  number,
  number,
];
const lossesOf = (prefix: string, samples: readonly Sample[]) => ({
  [`${prefix}log_loss`]: rounded(
    logLoss(samples, (sample) => chanceOf(weights, sample)),
    4,
  ),
  [`${prefix}log_loss_of_centernet_fit`]: rounded(
    logLoss(samples, ({ usual }) => usual),
    4,
  ),
});
print({
  photos: fitting.length,
  things: fitting.flat().length,
  right: fitting.flat().filter(({ right }) => right).length,
  calibration: { intercept, score, area },
  ...lossesOf('', fitting.flat()),
  held_out_photos: heldOut.length,
  ...(heldOut.length > 0 && lossesOf('held_out_', heldOut.flat())),
});
