import { resolve } from 'node:path';
import type { PromptTokenizer } from '../detection/prompt-tokenizer.js';
import { disagreements } from '../detection/signature.js';
import { categoriesOf, isPrompted } from '../formats/detector-labels.js';
import { quoted, VgrError } from '../formats/fault.js';
import type { DetectorCard, PromptedCard } from '../formats/model-card.js';
import { nearestNames } from '../formats/nearest.js';
import { deviceText } from '../inference/device.js';
import type { SessionPool } from '../inference/pool.js';
import { type PooledDetectorOptions, pooledDetector } from '../inference/pooled-detector.js';
import { type PromptedDetectorOptions, promptedDetector } from '../inference/prompted-detector.js';
import { furtherPath, readTokenizer } from '../io/model-files.js';
import { rememberModel } from '../io/model-record.js';
import { findModel, type StoredModel } from '../io/model-store.js';
import { readVerified } from '../io/model-weights.js';
import type { Detector } from '../pipeline/ports.js';
import { type InferenceFlags, parseFraction } from './inference-settings.js';
import { makeTokenizer } from './prompt-tokens.js';

/** A detector whose graph stands in the pool. */
export interface StandingModel {
  readonly card: DetectorCard;
  /** Of a detector that is asked in words. */
  readonly tokenizer?: PromptTokenizer;
}

/** The same, read from the models at hand. */
export interface LoadedDetector extends StandingModel {
  /** Of the file that was loaded. */
  readonly sha256: string;
}

/**
 * Loads the model that `--detector` means, and holds its card against the graph.
 * @param inputSize longest side of a photo in place of the card's, pixels
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE; USAGE where the graph's sides are
 * not free
 */
export async function loadDetector(
  wanted: string,
  pool: SessionPool,
  inputSize?: number,
): Promise<LoadedDetector> {
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
  return {
    card: inputSize === undefined ? card : resized(card, inputSize),
    sha256,
    ...(isPrompted(card) && { tokenizer: await openTokenizer({ ...model, card }) }),
  };
}

/** The card with photos of another size. @throws VgrError USAGE */
function resized(card: DetectorCard, inputSize: number): DetectorCard {
  const { width, height, fit, multiple = 1 } = card.input;
  if (fit !== 'longer-side') {
    throw new VgrError(
      'USAGE',
      `--input-size: expected a detector that takes photos in their own shape, got ${quoted(card.name)} with photos of ${width} x ${height} (${fit})`,
      {
        hint: 'leave it out, or export the model with free height and width: `vgr models add FILE`',
      },
    );
  }
  const side = Math.ceil(inputSize / multiple) * multiple;
  return { ...card, input: { ...card.input, width: side, height: side } };
}

/** @throws VgrError MODEL_MISSING, MODEL_CORRUPT */
async function openTokenizer(
  model: StoredModel & { readonly card: PromptedCard },
): Promise<PromptTokenizer> {
  const files = await readTokenizer(model);
  return makeTokenizer(files, model.card, furtherPath(model, model.card.input.text.tokenizer)!);
}

/** The detector in the pool, as the options want it. */
export function standingDetector(
  pool: SessionPool,
  { card, tokenizer }: StandingModel,
  options: PromptedDetectorOptions,
): Detector {
  if (tokenizer && isPrompted(card)) return promptedDetector(pool, card, tokenizer, options);
  const { onCut: _, ...wanted } = options;
  return pooledDetector(pool, card, wanted);
}

/** What the flags want of a detector, with the card's word where they say nothing. @throws VgrError USAGE */
export function wantedOf(
  flags: InferenceFlags,
  card: DetectorCard,
): Omit<PooledDetectorOptions, 'batchSize'> {
  const fraction = (flag: 'min-score' | 'nms'): number | undefined =>
    flags[flag] === undefined ? undefined : parseFraction(flag, flags[flag]);
  const nmsIou = fraction('nms');
  const parse = isPrompted(card) ? parsePrompts : parseClasses;
  const classes = flags.classes === undefined ? undefined : parse(flags.classes, card);
  return {
    minScore: fraction('min-score') ?? card.decoding.minScore,
    maxDetections: flags['max-detections'] ?? card.decoding.maxDetections,
    ...(nmsIou !== undefined && { nmsIou }),
    ...(classes !== undefined && { classes }),
  };
}

/** `cat, remote control` as names to look for, each once. */
function parsePrompts(text: string): string[] {
  const names = new Map<string, string>();
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part !== '' && !names.has(part.toLowerCase())) names.set(part.toLowerCase(), part);
  }
  if (names.size > 0) return [...names.values()];
  throw new VgrError('USAGE', `--classes: expected names, got ${quoted(text)}`, {
    hint: 'names with commas between them: `--classes "cat,remote control"`',
  });
}

/** `person, dog` as the detector's own names, in its own order, so that two ways of writing are one setting. */
function parseClasses(text: string, card: DetectorCard): string[] {
  const names = [...new Set(categoriesOf(card).map(({ name }) => name))];
  const wanted = text.split(',').map((part) => part.trim().toLowerCase());
  for (const part of wanted) {
    if (names.some((name) => name.toLowerCase() === part)) continue;
    const nearest = nearestNames(part, names);
    throw new VgrError('USAGE', `--classes: ${quoted(card.name)} knows no label ${quoted(part)}`, {
      hint: `nearest: ${nearest.join(', ')}`,
    });
  }
  return names.filter((name) => wanted.includes(name.toLowerCase()));
}
