import { resolve } from 'node:path';
import leven from 'leven';
import { disagreements } from '../detection/signature.js';
import { categoriesOf } from '../formats/detector-labels.js';
import { quoted, VgrError } from '../formats/fault.js';
import type { DetectorCard } from '../formats/model-card.js';
import { deviceText } from '../inference/device.js';
import type { SessionPool } from '../inference/pool.js';
import type { PooledDetectorOptions } from '../inference/pooled-detector.js';
import { rememberModel } from '../io/model-record.js';
import { findModel } from '../io/model-store.js';
import { readVerified } from '../io/model-weights.js';
import { type InferenceFlags, parseFraction } from './inference-settings.js';

/** A detector whose model stands in the pool. */
export interface LoadedDetector {
  readonly card: DetectorCard;
  /** Of the file that was loaded. */
  readonly sha256: string;
}

/**
 * Loads the model that `--detector` means, and holds its card against the graph.
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE
 */
export async function loadDetector(wanted: string, pool: SessionPool): Promise<LoadedDetector> {
  const model = await findModel(wanted);
  const { card, bytes, sha256 } = await readVerified(model);
  if (card.kind !== 'detector') {
    throw new VgrError(
      'CARD_INVALID',
      `${quoted(wanted)}: expected a detector, got a ${card.kind}`,
    );
  }
  const { signature } = await pool.load({ name: card.name, bytes });
  const found = disagreements(card, signature);
  if (found.length > 0) {
    const text = found
      .map((one) => `${quoted(one.field)}: the card says ${one.card}, the graph has ${one.graph}`)
      .join('; ');
    throw new VgrError('CARD_INVALID', `model ${quoted(card.name)}: ${text}`, {
      hint: 'correct the card, or let `vgr models add FILE` write one',
    });
  }
  if (model.weights && pool.device) {
    await rememberModel(card.name, resolve(model.weights), sha256, deviceText(pool.device));
  }
  return { card, sha256 };
}

/** What the flags want of a detector, with the card's word where they say nothing. @throws VgrError USAGE */
export function wantedOf(
  flags: InferenceFlags,
  card: DetectorCard,
): Omit<PooledDetectorOptions, 'batchSize'> {
  const fraction = (flag: 'min-score' | 'nms'): number | undefined =>
    flags[flag] === undefined ? undefined : parseFraction(flag, flags[flag]);
  const nmsIou = fraction('nms');
  const classes = flags.classes === undefined ? undefined : parseClasses(flags.classes, card);
  return {
    minScore: fraction('min-score') ?? card.decoding.minScore,
    maxDetections: flags['max-detections'] ?? card.decoding.maxDetections,
    ...(nmsIou !== undefined && { nmsIou }),
    ...(classes !== undefined && { classes }),
  };
}

/** `person, dog` as the detector's own names, in its own order, so that two ways of writing are one setting. */
function parseClasses(text: string, card: DetectorCard): string[] {
  const names = [...new Set(categoriesOf(card).map(({ name }) => name))];
  const wanted = text.split(',').map((part) => part.trim().toLowerCase());
  for (const part of wanted) {
    if (names.some((name) => name.toLowerCase() === part)) continue;
    const nearest = [...names].sort((a, b) => leven(part, a) - leven(part, b)).slice(0, 3);
    throw new VgrError('USAGE', `--classes: ${quoted(card.name)} knows no label ${quoted(part)}`, {
      hint: `nearest: ${nearest.join(', ')}`,
    });
  }
  return names.filter((name) => wanted.includes(name.toLowerCase()));
}
