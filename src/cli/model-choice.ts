import { pixelEncodings } from '../detection/pixel-encoding.js';
import { asVgrError, VgrError } from '../formats/fault.js';
import type { DetectorCard } from '../formats/model-card.js';
import type { SessionPool } from '../inference/pool.js';
import type { OpenPhoto, PhotoRef } from '../pipeline/ports.js';
import type { DraftedCard } from './model-draft.js';
import { agreementWithEmbedded, type TrialPhoto, tryDetector } from './model-trial.js';
import type { Printer } from './printer.js';

/** A card and what it finds. */
export interface Trial {
  readonly card: DetectorCard;
  readonly shown: readonly TrialPhoto[];
  /** Average precision held against the embedded detector, 0..1; undefined where the two cannot be compared. */
  readonly agreed: number | undefined;
}

/** A trial whose outputs may not be what the card says. */
interface Attempt extends Trial {
  readonly fault?: VgrError;
}

/** Below this the embedded detector sees other things in other places, which speaks of wrong labels or pixels. */
export const POOR_AGREEMENT = 0.35;

/** Below this labels that were guessed are doubted: those of people alone may fit by chance. */
const DOUBTFUL_AGREEMENT = 0.6;

/** By as much must another card agree better to be taken: less is chance over a handful of photos. */
const CLEAR_GAIN = 0.15;

/** Another way to read a graph, in words of the command line. */
type Variant = readonly [says: string, card: DetectorCard];

/**
 * Runs a draft over photos. Where it does not agree with the embedded detector, what was guessed is tried otherwise, and what
 * agrees clearly better is taken.
 * @throws VgrError INPUT_INVALID where the graph finds classes that the labels do not reach
 */
export async function bestTrial(
  { card, guessed, tokenizer }: DraftedCard,
  photos: readonly PhotoRef[],
  open: OpenPhoto,
  pool: SessionPool,
  printer: Printer,
): Promise<Trial> {
  // COCO's ids are common ground with the embedded detector; other label sets cannot be compared.
  const isCoco = card.labels === 'coco-80' || card.labels === 'coco-91';
  const comparable = photos.length > 0 && isCoco;
  const compare = comparable ? await agreementWithEmbedded(pool, photos, open) : undefined;
  const trialOf = async (of: DetectorCard): Promise<Attempt> => {
    const standing = { card: of, ...(tokenizer && { tokenizer }) };
    try {
      const shown = await tryDetector(pool, standing, photos, open);
      return { card: of, shown, agreed: compare?.(shown) };
    } catch (thrown) {
      const fault = asVgrError(thrown);
      if (fault.code !== 'CARD_INVALID') throw fault;
      return { card: of, shown: [], agreed: 0, fault };
    }
  };
  let best = await trialOf(card);
  if (guessed.labels && (best.agreed ?? 1) < DOUBTFUL_AGREEMENT) {
    best = await better(best, labelVariants(best.card), trialOf, printer);
  }
  if (guessed.pixels && (best.agreed ?? 1) < POOR_AGREEMENT) {
    best = await better(best, pixelVariants(best.card), trialOf, printer);
  }
  if (best.fault) throw unfit(best.fault);
  return best;
}

/** The outputs are not what the draft says of them, however it was turned. */
function unfit(fault: VgrError): VgrError {
  return new VgrError('INPUT_INVALID', fault.message, {
    hint: '`--labels FILE` gives the labels that it was trained with, one name a line; `--family` another family',
    cause: fault,
  });
}

async function better(
  usual: Attempt,
  variants: readonly Variant[],
  trialOf: (card: DetectorCard) => Promise<Attempt>,
  printer: Printer,
): Promise<Attempt> {
  let best = usual;
  let reason = '';
  for (const [says, card] of variants) {
    const other = await trialOf(card);
    const fitsAtLast = best.fault !== undefined && other.fault === undefined;
    if (!fitsAtLast && (other.agreed ?? 0) <= (best.agreed ?? 0)) continue;
    best = other;
    reason = says;
  }
  if (best === usual) return usual;
  if (!usual.fault && (best.agreed ?? 0) < (usual.agreed ?? 0) + CLEAR_GAIN) return usual;
  printer.note(
    usual.fault
      ? `note: taken with ${reason}, as the numbers of its classes go beyond the usual ones`
      : `note: taken with ${reason}, as it then agrees far better with the embedded detector`,
  );
  return best;
}

/** The ways in which graphs that list finished boxes number COCO's labels. */
function labelVariants(card: DetectorCard): Variant[] {
  const { firstClass: _, ...decoding } = card.decoding;
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
