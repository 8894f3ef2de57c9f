import { z } from 'zod';
import { iouXyxy } from '../core/box.js';
import { asVgrError, printable, quoted } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import { versions } from '../core/text.js';
import type { Detection } from '../detect/family.js';
import { isPrompted } from '../formats/model-card.js';
import { type LoadedModel, pooledDetector } from './detector.js';
import { type Device, deviceText } from './device.js';
import type { SessionPool } from './pool.js';
import { openTrialPhoto, TRIAL_NAMES, trialPhotos, withPool } from './rate.js';
import { recalled, remember } from './records.js';

/** Boxes of two devices are the same from this IoU on, with scores that differ by no more than this. */
const SAME_IOU = 0.95;
const SAME_SCORE = 0.02;

/** Boxes of lower scores may be found on one device and not on the other: so many of the best are compared where few are surer. */
const FEWEST = 3;
const LOWEST_SCORE = 0.001;
const MOST_BOXES = 300;

const CPU: Device = { name: 'cpu' };

/** What became of a trial. */
const verdictShape = z.object({
  /** Boxes that were compared. */
  boxes: z.int().min(0),
  /** In which the device differs from the CPU; absent where it does not. */
  difference: z.string().max(1000).optional(),
});
export type DeviceVerdict = z.output<typeof verdictShape>;

/**
 * Makes sure that a model finds on its device what it finds on the CPU: runtimes have shipped kernels that are silently wrong
 * (microsoft/onnxruntime #32275). The trial is made once for each model, device and version of the runtime; where boxes differ, the
 * model's sessions move to the CPU, and one line says why.
 * @throws VgrError of the model on the CPU
 */
export async function proveDevice(
  model: LoadedModel,
  pool: SessionPool,
  printer: Printer,
): Promise<void> {
  const { name } = model.card;
  const { device } = pool.placeOf(name)!;
  if (device.name === 'cpu') return;
  const known = await recalled('device-trials', keyOf(model, device), verdictShape);
  const { difference } = known ?? (await tryDevice(model, pool));
  if (difference === undefined) return;
  await pool.move(name, CPU);
  printer.note(
    `device cpu instead of ${deviceText(device)} for ${name}: on a trial photo ${difference}; \`vgr models verify ${name} --device ${deviceText(device)}\` tries again`,
  );
}

/**
 * Runs a model on a trial photo, on its device and on the CPU, compares, and remembers the verdict.
 * @throws VgrError of the model on the CPU
 */
export async function tryDevice(model: LoadedModel, pool: SessionPool): Promise<DeviceVerdict> {
  const { file, device } = pool.placeOf(model.card.name)!;
  const split = { sessions: 1, threads: 1, batchSize: 1 };
  const reference = await withPool([CPU], split, async (cpu) => {
    await cpu.load(file);
    return foundOn(cpu, model);
  });
  const verdict = compared(reference, await foundOn(pool, model).catch(failed), model);
  await remember('device-trials', keyOf(model, device), verdict);
  return verdict;
}

/** What a verdict holds for. */
function keyOf({ card, sha256 }: LoadedModel, device: Device) {
  return {
    model_sha256: sha256,
    device: deviceText(device),
    input: `${card.input.width} x ${card.input.height}`,
    runtime: versions()['onnxruntime-node']!,
  };
}

/** A device that takes a session may still refuse to run it. @throws VgrError of any other kind */
function failed(thrown: unknown): string {
  const error = asVgrError(thrown);
  if (error.code !== 'DETECTION_FAILED' && error.code !== 'WORKER_CRASHED') throw error;
  return printable(error.message);
}

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
  if (typeof found === 'string') return { boxes: 0, difference: `it fails there: ${found}` };
  const sure = clearBoxes(reference, card.decoding.minScore);
  const difference =
    differenceOf(sure, found, 'on the CPU', 'there') ??
    differenceOf(clearBoxes(found, card.decoding.minScore), reference, 'there', 'on the CPU');
  return { boxes: sure.length, difference };
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
