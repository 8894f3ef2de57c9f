import { dirname } from 'node:path';
import { asVgrError, printable, VgrError } from '../core/error.js';
import { counted } from '../core/text.js';
import type { Detection } from '../detect/family.js';
import { pixelEncodings } from '../detect/packing.js';
import type { EncoderCard } from '../formats/encoder-card.js';
import { categoriesOf, type DetectorCard, isPrompted } from '../formats/model-card.js';
import { DEFAULT_MAX_PIXELS } from '../photos/decode.js';
import { loadDetector, type StandingModel } from '../runtime/detector.js';
import { cropMatching, openEncoder } from '../runtime/encoder.js';
import type { SessionPool } from '../runtime/pool.js';
import type { PhotoRef } from '../runtime/ports.js';
import { openTrialPhoto, TRIAL_NAMES, trialDetector } from '../runtime/rate.js';
import type { DetectorDraft } from './detector-draft.js';
import type { DraftParts } from './draft.js';

/** Average precision of boxes at IoU 0.5 as if those of a reference were the truth, 0..1; undefined where it has none. */
export type Agreement = (
  found: readonly (readonly Detection[])[],
  reference: readonly (readonly Detection[])[],
) => number | undefined;

export interface TrialParts extends DraftParts {
  readonly agreement: Agreement;
}

/** The detector that every installation has. */
const EMBEDDED = 'centernet';

/** Best detections of a photo that are shown. */
const SHOWN = 6;

/** Below this the embedded detector sees other things elsewhere, which speaks of wrong labels or pixels. */
const POOR_AGREEMENT = 0.35;

/** Below this labels that were guessed are doubted: those of people alone may fit by chance. */
const DOUBTFUL_AGREEMENT = 0.6;

/** By as much must another card agree better to be taken: less is chance over a handful of photos. */
const CLEAR_GAIN = 0.15;

/** A card and what it finds. */
interface Attempt {
  readonly card: DetectorCard;
  /** For each photo. */
  readonly found: readonly (readonly Detection[])[];
  /** Average precision held against the embedded detector, 0..1; undefined where the two cannot be compared. */
  readonly agreed: number | undefined;
  /** Where the outputs are not what the card says. */
  readonly error?: VgrError;
}

/** Another way to read a graph, in words of the command line. */
type Variant = readonly [says: string, card: DetectorCard];

/**
 * Runs a draft over photos and shows what it finds. Where it does not agree with the embedded detector, what was guessed is
 * tried otherwise, and what agrees clearly better is taken.
 * @returns the card that was taken
 * @throws VgrError INPUT_INVALID where the graph finds classes that the labels do not reach
 */
export async function tryDetector(
  { card, guessed, tokenizer }: DetectorDraft,
  parts: TrialParts,
): Promise<DetectorCard> {
  const { pool, photos } = parts;
  // COCO's ids are common ground with the embedded detector; other label sets cannot be compared.
  const isCoco = card.labels === 'coco-80' || card.labels === 'coco-91';
  const compare = photos.length > 0 && isCoco ? await comparison(parts) : undefined;
  const attempt = async (of: DetectorCard): Promise<Attempt> => {
    try {
      const found = await detectAll(pool, { card: of, tokenizer }, photos);
      return { card: of, found, agreed: compare?.(found) };
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
      hint: '`--labels FILE` gives the labels that it was trained with, one name a line; `--family` another family',
      cause: best.error,
    });
  }
  await showDetector(best, parts);
  return best.card;
}

/** Runs a detector whose graph stands in the pool over photos, one after the other. */
async function detectAll(
  pool: SessionPool,
  standing: StandingModel,
  photos: readonly PhotoRef[],
): Promise<(readonly Detection[])[]> {
  const detector = trialDetector(pool, standing);
  const found: (readonly Detection[])[] = [];
  for (const ref of photos) {
    found.push((await detector.detect(await openTrialPhoto(ref, detector.spec))).detections);
  }
  return found;
}

/** What holds detections against those of the embedded detector; undefined where that is not here. */
async function comparison({
  pool,
  photos,
  agreement,
}: TrialParts): Promise<((found: Attempt['found']) => number | undefined) | undefined> {
  try {
    const { card } = await loadDetector(EMBEDDED, pool);
    const reference = await detectAll(pool, { card }, photos);
    return (found) => agreement(found, reference);
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
  for (const [says, card] of variants) {
    const other = await attempt(card);
    const fitsAtLast = best.error !== undefined && other.error === undefined;
    if (!fitsAtLast && (other.agreed ?? 0) <= (best.agreed ?? 0)) continue;
    best = other;
    reason = says;
  }
  if (best === usual) return usual;
  if (!usual.error && (best.agreed ?? 0) < (usual.agreed ?? 0) + CLEAR_GAIN) return usual;
  printer.note(
    usual.error
      ? `note: taken with ${reason}, as the numbers of its classes go beyond the usual ones`
      : `note: taken with ${reason}, as it then agrees far better with the embedded detector`,
  );
  return best;
}

/** The ways in which graphs that list finished boxes number COCO's labels. */
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
    'warning: it hardly agrees with the embedded detector: the labels (--labels), the pixels (--pixels, --channels) or the size (--size) may be others',
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
  const matching = cropMatching(opened, { 'max-pixels': DEFAULT_MAX_PIXELS });
  for (const ref of photos) {
    const thumbnail = { width: 16, height: 16, fit: 'stretch', fill: 0 } as const;
    const { width, height } = (await openTrialPhoto(ref, thumbnail)).size;
    const whole = { x1: 0, y1: 0, x2: width, y2: height };
    const rows = await matching.of(ref).match([whole], TRIAL_NAMES);
    const best = TRIAL_NAMES.map((word, index) => ({ word, cosine: rows[index]![0]! }))
      .sort((a, b) => b.cosine - a.cosine)
      .slice(0, 3)
      .map(({ word, cosine }) => `${word} ${cosine.toFixed(3)}`);
    await printer.data(`  ${printable(ref.image)}: ${best.join(', ')}\n`);
  }
  if (match.bias !== null) {
    printer.note(
      'note: the graphs do not tell scale and bias; the card has those of SigLIP B/16. Correct `match` for other weights',
    );
  }
  return card;
}
