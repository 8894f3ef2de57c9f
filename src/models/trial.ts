import { dirname } from 'node:path';
import { asVgrError, printable, VgrError } from '../core/error.js';
import { counted } from '../core/text.js';
import type { Detection } from '../detect/family.js';
import { pixelEncodings } from '../detect/packing.js';
import type { EncoderCard } from '../formats/encoder-card.js';
import { categoriesOf, type DetectorCard, isPrompted } from '../formats/model-card.js';
import { DEFAULT_MAX_PIXELS } from '../photos/decode.js';
import { loadDetector, type PooledModel } from '../runtime/detector.js';
import { openEncoder, photoMatching } from '../runtime/encoder.js';
import type { SessionPool } from '../runtime/pool.js';
import type { PhotoRef } from '../runtime/ports.js';
import { openTrialPhoto, TRIAL_NAMES, trialDetector } from '../runtime/rate.js';
import type { DetectorDraft } from './detector-draft.js';
import type { DraftParts } from './draft.js';

/** Average precision at IoU 0.5 with the reference as ground truth, 0..1; undefined where that has no boxes. */
export type Agreement = (
  found: readonly (readonly Detection[])[],
  reference: readonly (readonly Detection[])[],
) => number | undefined;

export interface TrialParts extends DraftParts {
  readonly agreement: Agreement;
}

/** The detector that every installation has. */
const EMBEDDED = 'centernet';

/** Detections of a photo that are shown, the best first. */
const SHOWN = 6;

/** Below this, labels or pixels are probably wrong. */
const POOR_AGREEMENT = 0.35;

/** Below this, guessed labels are doubted: `person` alone may fit by chance. */
const DOUBTFUL_AGREEMENT = 0.6;

/** Another card must agree better by this much: less is chance over a handful of photos. */
const CLEAR_GAIN = 0.15;

/** A card and what it finds. */
interface Attempt {
  readonly card: DetectorCard;
  /** For each photo. */
  readonly found: readonly (readonly Detection[])[];
  /** {@link Agreement} with the embedded detector; undefined where the two cannot be compared. */
  readonly agreed: number | undefined;
  /** Where the outputs are not what the card says. */
  readonly error?: VgrError;
}

/** Another way to read a graph, and its description. */
type Variant = readonly [description: string, card: DetectorCard];

/**
 * Runs a draft over photos and shows what it finds. Where it disagrees with the embedded detector, other values for the guessed
 * parts are tried, and replace them if they agree clearly better.
 * @returns the card that was chosen
 * @throws VgrError INPUT_INVALID where the graph finds classes beyond the labels
 */
export async function tryDetector(
  { card, guessed, tokenizer }: DetectorDraft,
  parts: TrialParts,
): Promise<DetectorCard> {
  const { pool, photos, agreement } = parts;
  // The embedded detector has COCO's labels; other label sets cannot be compared with it.
  const isCoco = card.labels === 'coco-80' || card.labels === 'coco-91';
  const reference = photos.length > 0 && isCoco ? await embeddedFinds(parts) : undefined;
  const attempt = async (of: DetectorCard): Promise<Attempt> => {
    try {
      const found = await detectAll(pool, { card: of, tokenizer }, photos);
      return { card: of, found, agreed: reference && agreement(found, reference) };
    } catch (thrown) {
      const error = asVgrError(thrown);
      if (error.code !== 'CARD_INVALID') throw error;
      return { card: of, found: [], agreed: 0, error };
    }
  };
  let best = await attempt(card);
  if (guessed?.labels && (best.agreed ?? 1) < DOUBTFUL_AGREEMENT) {
    best = await better(best, labelVariants(best.card), attempt, parts);
  }
  if (guessed?.pixels && (best.agreed ?? 1) < POOR_AGREEMENT) {
    best = await better(best, pixelVariants(best.card), attempt, parts);
  }
  if (best.error) {
    throw new VgrError('INPUT_INVALID', best.error.message, {
      hint: '`--labels FILE` names the labels that it was trained with, one per line; `--family` sets another family',
      cause: best.error,
    });
  }
  await showDetector(best, parts);
  return best.card;
}

/** Runs a detector whose graph is in the pool over photos, one after the other. */
async function detectAll(
  pool: SessionPool,
  model: PooledModel,
  photos: readonly PhotoRef[],
): Promise<(readonly Detection[])[]> {
  const detector = trialDetector(pool, model);
  const found: (readonly Detection[])[] = [];
  for (const ref of photos) {
    found.push((await detector.detect(await openTrialPhoto(ref, detector.spec))).detections);
  }
  return found;
}

/** What the embedded detector finds; undefined where that is not here. */
async function embeddedFinds({ pool, photos }: TrialParts) {
  try {
    return await detectAll(pool, await loadDetector(EMBEDDED, pool), photos);
  } catch (thrown) {
    if (asVgrError(thrown).code === 'MODEL_MISSING') return undefined;
    throw thrown;
  }
}

async function better(
  usual: Attempt,
  variants: readonly Variant[],
  attempt: (card: DetectorCard) => Promise<Attempt>,
  { printer }: TrialParts,
): Promise<Attempt> {
  let best = usual;
  let reason = '';
  for (const [description, card] of variants) {
    const other = await attempt(card);
    const fitsAtLast = best.error !== undefined && other.error === undefined;
    if (!fitsAtLast && (other.agreed ?? 0) <= (best.agreed ?? 0)) continue;
    best = other;
    reason = description;
  }
  if (best === usual) return usual;
  if (!usual.error && (best.agreed ?? 0) < (usual.agreed ?? 0) + CLEAR_GAIN) return usual;
  const why = usual.error
    ? 'its class numbers go beyond the usual ones'
    : 'it then agrees far better with the embedded detector';
  printer.note(`note: the card has ${reason}, because ${why}`);
  return best;
}

/** The ways in which graphs with finished boxes number COCO's labels. */
function labelVariants(card: DetectorCard): Variant[] {
  const decoding = { ...card.decoding, firstClass: undefined };
  return [
    ["COCO's ids for labels", { ...card, labels: 'coco-91', decoding }],
    ["COCO's 80 labels from 0 on", { ...card, labels: 'coco-80', decoding }],
    [
      "COCO's 80 labels from 1 on",
      { ...card, labels: 'coco-80', decoding: { ...decoding, firstClass: 1 } },
    ],
  ];
}

function pixelVariants(card: DetectorCard): Variant[] {
  if (card.input.type === 'uint8') return [];
  return pixelEncodings().map(
    ([name, encoding]): Variant => [
      `--pixels ${name} --channels ${encoding.channels}`,
      { ...card, input: { ...card.input, ...encoding } },
    ],
  );
}

async function showDetector(
  { card, found, agreed }: Attempt,
  { photos, printer }: TrialParts,
): Promise<void> {
  const { input, family, name } = card;
  const labels = isPrompted(card)
    ? `asked for ${TRIAL_NAMES.join(', ')}`
    : counted(categoriesOf(card).length, 'label');
  const most = input.fit === 'longer-side' ? 'up to ' : '';
  await printer.data(
    `${name}: ${family}, ${most}${input.width} x ${input.height}, ${input.channels}, ${labels}\n`,
  );
  for (const [index, detections] of found.entries()) {
    const best = detections
      .slice(0, SHOWN)
      .map(({ label, score }) => `${printable(label)} ${score.toFixed(2)}`);
    const shown = best.join(', ') || 'nothing';
    await printer.data(`  ${printable(photos[index]!.image)}: ${shown}\n`);
  }
  if (agreed === undefined) return;
  await printer.data(
    `agrees with the embedded detector: AP50 ${agreed.toFixed(2)} over ${counted(found.length, 'photo')}\n`,
  );
  if (agreed >= POOR_AGREEMENT) return;
  printer.note(
    'warning: it hardly agrees with the embedded detector: check the labels (--labels), the pixels (--pixels, --channels) and the size (--size)',
  );
}

/**
 * Loads the towers of a drafted encoder and shows which of a few words fit photos best.
 * @throws VgrError MODEL_MISSING, CARD_INVALID, DEVICE_UNAVAILABLE
 */
export async function tryEncoder(
  card: EncoderCard,
  { facts: { path }, pool, photos, printer }: TrialParts,
): Promise<EncoderCard> {
  const opened = await openEncoder({ card, folder: dirname(path), weights: path }, pool);
  const { name, family, image, text, match } = card;
  await printer.data(
    `${name}: ${family}, ${image.width} x ${image.height}, ${image.fit}, texts of at most ${text.length} tokens\n`,
  );
  const matching = photoMatching(opened, { 'max-pixels': DEFAULT_MAX_PIXELS });
  for (const ref of photos) {
    const { size } = await openTrialPhoto(ref, { width: 16, height: 16, fit: 'stretch', fill: 0 });
    const whole = { x1: 0, y1: 0, x2: size.width, y2: size.height };
    const rows = await matching(ref).match([whole], TRIAL_NAMES);
    const best = TRIAL_NAMES.map((word, index) => ({ word, cosine: rows[index]![0]! }))
      .sort((a, b) => b.cosine - a.cosine)
      .slice(0, 3)
      .map(({ word, cosine }) => `${word} ${cosine.toFixed(3)}`);
    await printer.data(`  ${printable(ref.image)}: ${best.join(', ')}\n`);
  }
  if (match.bias !== null) {
    printer.note(
      'note: the graphs do not contain scale and bias; the card has those of SigLIP B/16. Correct `match` for other weights',
    );
  }
  return card;
}
