import { z } from 'zod';
import { type ImageSize, iouXyxy } from '../core/box.js';
import { asVgrError, quoted } from '../core/error.js';
import { versions } from '../core/text.js';
import type { Detection } from '../detect/family.js';
import { graphsIn, isPrompted } from '../formats/model-card.js';
import { type LoadedModel, pooledDetector } from './detector.js';
import { type Device, deviceText } from './device.js';
import { type OpenedEncoder, openEncoder } from './encoder.js';
import type { SessionPool } from './pool.js';
import { firstLine } from './pooled-worker.js';
import { openTrialPhoto, TRIAL_NAMES, trialPhotos, withPool } from './rate.js';
import { recalled, remember } from './records.js';

/** Boxes of two devices are the same from this IoU on, with scores that differ by no more than this. */
const SAME_IOU = 0.95;
const SAME_SCORE = 0.02;
/** Embeddings of two devices are the same from this cosine on. */
const SAME_COSINE = 0.999;

/** Boxes of lower scores may be found on one device and not on the other: so many of the best are compared where few are surer. */
const FEWEST = 3;
const LOWEST_SCORE = 0.001;
const MOST_BOXES = 300;

const CPU: Device = { name: 'cpu' };

/** What became of a trial. */
const verdictShape = z.object({
  /** Number of detections or embeddings that were compared. */
  compared: z.int().min(0),
  /** In which the device differs from the CPU; absent where it does not. */
  difference: z.string().max(1000).optional(),
});
export type DeviceVerdict = z.output<typeof verdictShape>;

/** A model that is loaded, and how it is tried. */
interface Trial {
  readonly name: string;
  /** Its graphs in the pool, all on one device. */
  readonly graphs: readonly string[];
  readonly key: Parameters<typeof remember>[1];
  readonly run: () => Promise<DeviceVerdict>;
}

/**
 * Makes sure that a detector finds on its device what it finds on the CPU: runtimes have shipped kernels that are silently wrong
 * (microsoft/onnxruntime #32275). The trial is made once for each model, device and version of the runtime; where boxes differ, the
 * model's sessions move to the CPU, and one line says why.
 * @throws VgrError of the model on the CPU
 */
export function proveDetector(model: LoadedModel, pool: SessionPool): Promise<void> {
  return proven(detectorTrial(model, pool), pool);
}

/** The same of an encoder, whose embeddings are compared. @throws VgrError of the model on the CPU */
export function proveEncoder(opened: OpenedEncoder, pool: SessionPool): Promise<void> {
  return proven(encoderTrial(opened, pool), pool);
}

/** Makes the trial of a detector, and remembers the verdict. @throws VgrError of the model on the CPU */
export function tryDetector(model: LoadedModel, pool: SessionPool): Promise<DeviceVerdict> {
  return remembered(detectorTrial(model, pool));
}

/** The same of an encoder. @throws VgrError of the model on the CPU */
export function tryEncoder(opened: OpenedEncoder, pool: SessionPool): Promise<DeviceVerdict> {
  return remembered(encoderTrial(opened, pool));
}

async function proven(trial: Trial, pool: SessionPool): Promise<void> {
  const { name, graphs, key } = trial;
  const { device } = pool.placeOf(graphs[0]!)!;
  if (device.name === 'cpu') return;
  const known = await recalled(RECORDS, key, verdictShape);
  const { difference } = known ?? (await remembered(trial));
  if (difference === undefined) return;
  for (const graph of graphs) await pool.move(graph, CPU);
  const text = deviceText(device);
  pool.note(
    `device cpu instead of ${text} for ${name}: on a trial photo ${difference}; \`vgr models verify ${name} --device ${text}\` tries again`,
  );
}

async function remembered({ key, run }: Trial): Promise<DeviceVerdict> {
  const verdict = await run();
  await remember(RECORDS, key, verdict);
  return verdict;
}

/** Name of the folder of verdicts. */
const RECORDS = 'device-trials';

/** What a verdict holds for. */
function keyOf(sha256: string, { width, height }: ImageSize, device: Device) {
  return {
    model_sha256: sha256,
    device: deviceText(device),
    input: `${width} x ${height}`,
    runtime: versions()['onnxruntime-node']!,
  };
}

/** Does work with a pool on the CPU. */
const onCpu = <Result>(work: (pool: SessionPool) => Promise<Result>): Promise<Result> =>
  withPool([CPU], { sessions: 1, threads: 1, batchSize: 1 }, work);

function detectorTrial(model: LoadedModel, pool: SessionPool): Trial {
  const { card, sha256 } = model;
  const graphs = graphsIn(card);
  const { device } = pool.placeOf(card.name)!;
  const hashes = [sha256, ...(card.files ?? []).map((file) => file.sha256 ?? file.file)];
  return {
    name: card.name,
    graphs,
    key: keyOf(hashes.join(' '), card.input, device),
    run: async () => {
      const reference = await onCpu(async (cpu) => {
        for (const graph of graphs) await cpu.load(pool.placeOf(graph)!.file);
        return foundOn(cpu, model);
      });
      return compared(reference, await foundOn(pool, model).catch(failed), model);
    },
  };
}

function encoderTrial(opened: OpenedEncoder, pool: SessionPool): Trial {
  const { model, card, fingerprint, graphs } = opened;
  const { device } = pool.placeOf(graphs[0]!)!;
  return {
    name: card.name,
    graphs,
    key: keyOf(`${fingerprint.image_sha256} ${fingerprint.text_sha256}`, card.image, device),
    run: async () => {
      const reference = await onCpu(async (cpu) => embeddedBy(await openEncoder(model, cpu)));
      const found = await embeddedBy(opened).catch(failed);
      if (typeof found === 'string') return { compared: 0, difference: itFails(found) };
      // Not a number is no such cosine either.
      const at = reference.findIndex(
        (each, index) => !(cosineOf(each, found[index]!) >= SAME_COSINE),
      );
      if (at < 0) return { compared: reference.length };
      const cosine = cosineOf(reference[at]!, found[at]!).toFixed(4);
      const difference = `an embedding there has a cosine of ${cosine} with that on the CPU`;
      return { compared: reference.length, difference };
    },
  };
}

/** Embeddings of the trial photo and of a few words. */
async function embeddedBy({ encoder, card }: OpenedEncoder): Promise<readonly Float32Array[]> {
  const { raster } = await openTrialPhoto((await trialPhotos())[0], {
    ...card.image,
    fit: 'stretch',
  });
  const texts = await Promise.all(TRIAL_NAMES.map((name) => encoder.embedText(name)));
  return [...(await encoder.embedCrops([raster])), ...texts];
}

/** Of embeddings of length 1. */
const cosineOf = (one: Float32Array, other: Float32Array): number =>
  one.reduce((sum, value, at) => sum + value * other[at]!, 0);

/** A device that takes a session may still refuse to run it. @throws VgrError of any other kind */
function failed(thrown: unknown): string {
  const error = asVgrError(thrown);
  if (error.code !== 'DETECTION_FAILED' && error.code !== 'WORKER_CRASHED') throw error;
  return firstLine(error.message);
}

const itFails = (reason: string): string => `it fails there: ${reason}`;

/** All that the model finds in the trial photo, the best first. */
async function foundOn(pool: SessionPool, model: LoadedModel): Promise<readonly Detection[]> {
  const detector = pooledDetector(pool, model, {
    minScore: LOWEST_SCORE,
    maxDetections: MOST_BOXES,
    batchSize: 1,
    classes: isPrompted(model.card) ? TRIAL_NAMES : undefined,
  });
  const photo = await openTrialPhoto((await trialPhotos())[0], detector.spec);
  return (await detector.detect(photo)).detections;
}

/** @param found on the other device, or why nothing could be found there */
function compared(
  reference: readonly Detection[],
  found: readonly Detection[] | string,
  { card }: LoadedModel,
): DeviceVerdict {
  if (typeof found === 'string') return { compared: 0, difference: itFails(found) };
  const sure = clearBoxes(reference, card.decoding.minScore);
  const difference =
    differenceOf(sure, found, 'on the CPU', 'there') ??
    differenceOf(clearBoxes(found, card.decoding.minScore), reference, 'there', 'on the CPU');
  return { compared: sure.length, difference };
}

/** Those whose scores are clearly above the lowest that counts, or the best few. */
function clearBoxes(found: readonly Detection[], minScore: number): readonly Detection[] {
  const sure = found.filter(({ score }) => score >= minScore + SAME_SCORE);
  return sure.length >= FEWEST ? sure : found.slice(0, FEWEST);
}

/** In which boxes of one device differ from all that another one found; undefined where all have their like. */
export function differenceOf(
  boxes: readonly Detection[],
  all: readonly Detection[],
  here: string,
  there: string,
): string | undefined {
  for (const { label, score, boxXyxy } of boxes) {
    const likes = all
      .filter((other) => other.label === label)
      .map((other) => ({ score: other.score, iou: iouXyxy(boxXyxy, other.boxXyxy) }));
    const same = likes.filter(({ iou }) => iou >= SAME_IOU);
    const what = `${quoted(label, 40)} of score ${score.toFixed(2)} ${here}`;
    if (same.length === 0) {
      const best = likes.reduce((most, { iou }) => Math.max(most, iou), 0);
      return `${what} has no such box ${there} (IoU ${best.toFixed(2)} at most)`;
    }
    // Not a number is no such score either.
    if (same.some((other) => Math.abs(other.score - score) <= SAME_SCORE)) continue;
    return `${what} has score ${same[0]!.score.toFixed(2)} ${there}`;
  }
  return undefined;
}
