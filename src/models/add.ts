import { asVgrError, printable, quoted, VgrError } from '../core/error.js';
import { readTextIfThere } from '../core/files.js';
import type { Printer } from '../core/terminal.js';
import { counted } from '../core/text.js';
import { pixelEncodings } from '../detect/packing.js';
import type { EncoderFamilyName } from '../formats/encoder-card.js';
import {
  categoriesOf,
  type DetectorCard,
  type DetectorFamilyName,
  holdsWeightsOf,
  isPrompted,
} from '../formats/model-card.js';
import { listModels, modelsFolder, type StoredModel } from '../runtime/model-store.js';
import { openPool } from '../runtime/open-pool.js';
import type { SessionPool } from '../runtime/pool.js';
import type { PhotoRef } from '../runtime/ports.js';
import { openTrialPhoto, TRIAL_NAMES, trialPhotos } from '../runtime/rate.js';
import { type DraftedCard, draftCard, type ModelClaims } from './detector-draft.js';
import { addEncoder, encoderAt, nameOfEncoder, type Tower } from './encoder-draft.js';
import { type ModelFacts, nameOfFile, readModelFacts } from './facts.js';
import { installModel } from './install.js';
import { type LabelNames, parseLabelFile } from './label-list.js';
import { draftPrompted, tokenizerOfKnown } from './prompted-draft.js';
import { type Agreement, agreementWithEmbedded, type TrialPhoto, tryDetector } from './trial.js';

/** The flags of `vgr models add`, as the parser gives them. */
export interface AddFlags extends Omit<ModelClaims, 'family'> {
  readonly family?: DetectorFamilyName | EncoderFamilyName | undefined;
  readonly name?: string | undefined;
  readonly labels?: string | undefined;
  readonly photo?: readonly string[] | undefined;
  readonly device: string;
  readonly 'dry-run': boolean;
}

export interface AddParts {
  readonly printer: Printer;
  /** How well detections of photos agree with those of a reference. */
  readonly agreement: Agreement;
}

/** Best detections of a photo that are shown. */
const SHOWN = 6;

/** `vgr models add FILE`: looks into a graph, writes its card, runs it once and shows the result. @returns the exit code */
export async function addModel(
  path: string,
  flags: AddFlags,
  { printer, agreement }: AddParts,
): Promise<number> {
  const { models } = await listModels();
  const encoder = await encoderAt(path, flags);
  if (encoder) return addFoundEncoder(encoder, flags, models, printer);
  const { family } = flags;
  const facts = await readModelFacts(path);
  const known = flags.name === undefined ? knownModel(facts, models) : undefined;
  const name = known?.card.name ?? flags.name ?? nameOfFile(path);
  if (known?.weights !== undefined) {
    await printer.data(`${name} is this file already: ${known.weights}\n`);
    return 0;
  }
  if (!known) refuseTaken(name, models);
  if (facts.inputs.text && flags.labels !== undefined) {
    throw new VgrError('USAGE', `--labels: ${quoted(path)} is asked in words and has no labels`, {
      hint: 'name what to look for when you look: `vgr detect --classes "cat,remote control"`',
    });
  }
  const names = flags.labels === undefined ? facts.names : await readLabels(flags.labels);
  const photos = await trialPhotos(flags.photo);
  const { pool } = openPool({ device: flags.device, detector: name, sessions: 1 }, printer);
  try {
    await pool.load({ name, bytes: facts.ready });
    if (known) printer.note(`note: the card of ${name} describes this file`);
    const first = photos[0] && { ref: photos[0], open: openTrialPhoto };
    const parts = {
      name,
      facts,
      claims: { ...flags, family: family as DetectorFamilyName },
      names,
      pool,
      photo: first,
      printer,
    };
    const draft = known
      ? await draftOfKnown(known.card, path)
      : await (facts.inputs.text ? draftPrompted(parts) : draftCard(parts));
    const trial = await bestTrial(draft, photos, pool, { printer, agreement });
    await show(trial, printer);
    const { card } = trial;
    if (flags['dry-run']) {
      await printer.data(`${JSON.stringify(card, null, 2)}\n`);
      return 0;
    }
    await printer.data(`${await installModel(card, path, modelsFolder())}\n`);
    return 0;
  } finally {
    await pool.close();
  }
}

async function addFoundEncoder(
  encoder: Tower,
  flags: AddFlags,
  models: readonly StoredModel[],
  printer: Printer,
): Promise<number> {
  const known = models.find(
    ({ card, weights }) => card.kind === 'encoder' && weights && card.sha256 === encoder.sha256,
  );
  if (known && flags.name === undefined) {
    await printer.data(`${known.card.name} is this file already: ${known.weights}\n`);
    return 0;
  }
  const name = flags.name ?? nameOfEncoder(encoder);
  refuseTaken(name, models);
  return addEncoder(encoder, name, flags, printer);
}

/** The model whose card describes the file. Other exports of its weights are for `VGR_MODELS_DIR`, under its file name. */
function knownModel(
  { sha256 }: ModelFacts,
  models: readonly StoredModel[],
): (StoredModel & { readonly card: DetectorCard }) | undefined {
  return models.find(
    (model): model is StoredModel & { readonly card: DetectorCard } =>
      model.card.kind === 'detector' && holdsWeightsOf(model.card, sha256),
  );
}

async function draftOfKnown(card: DetectorCard, path: string): Promise<DraftedCard> {
  return {
    card,
    guessed: { labels: false, pixels: false },
    ...(isPrompted(card) && { tokenizer: await tokenizerOfKnown(card, path) }),
  };
}

function refuseTaken(name: string, models: readonly StoredModel[]): void {
  if (!models.some(({ card }) => card.name === name)) return;
  throw new VgrError('USAGE', `there is a model ${quoted(name)} already`, {
    hint: 'give another name with `--name`',
  });
}

async function readLabels(path: string): Promise<LabelNames> {
  const text = await readTextIfThere(path);
  if (text === undefined) throw new VgrError('INPUT_MISSING', `--labels: no file ${quoted(path)}`);
  const names = parseLabelFile(text);
  if (names) return names;
  throw new VgrError('INPUT_INVALID', `${quoted(path)}: expected names of labels, got none`, {
    hint: 'one name a line, or JSON: a list of names, or {"id2label": {"0": "cat"}}',
  });
}

async function show({ card, shown, agreed }: Trial, printer: Printer): Promise<void> {
  const { input, family, name } = card;
  const labels = isPrompted(card)
    ? `asked for ${TRIAL_NAMES.join(', ')}`
    : counted(categoriesOf(card).length, 'label');
  await printer.data(
    `${name}: ${family}, ${input.fit === 'longer-side' ? 'up to ' : ''}${input.width} x ${input.height}, ${input.channels}, ${labels}\n`,
  );
  for (const { image, detections } of shown) {
    const best = detections
      .slice(0, SHOWN)
      .map(({ label, score }) => `${printable(label)} ${score.toFixed(2)}`);
    await printer.data(`  ${printable(image)}: ${best.join(', ') || 'nothing'}\n`);
  }
  if (agreed === undefined) return;
  await printer.data(
    `agrees with the embedded detector: AP50 ${agreed.toFixed(2)} over ${counted(shown.length, 'photo')}\n`,
  );
  if (agreed >= POOR_AGREEMENT) return;
  printer.note(
    'warning: it hardly agrees with the embedded detector: the labels (--labels), the pixels (--pixels, --channels) or the size (--size) may be others',
  );
}

/** A card and what it finds. */
export interface Trial {
  readonly card: DetectorCard;
  readonly shown: readonly TrialPhoto[];
  /** Average precision held against the embedded detector, 0..1; undefined where the two cannot be compared. */
  readonly agreed: number | undefined;
}

/** A trial whose outputs may not be what the card says. */
interface Attempt extends Trial {
  readonly error?: VgrError;
}

/** Below this the embedded detector sees other things in other places, which speaks of wrong labels or pixels. */
const POOR_AGREEMENT = 0.35;

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
async function bestTrial(
  { card, guessed, tokenizer }: DraftedCard,
  photos: readonly PhotoRef[],
  pool: SessionPool,
  { printer, agreement }: AddParts,
): Promise<Trial> {
  // COCO's ids are common ground with the embedded detector; other label sets cannot be compared.
  const isCoco = card.labels === 'coco-80' || card.labels === 'coco-91';
  const comparable = photos.length > 0 && isCoco;
  const compare = comparable ? await agreementWithEmbedded(pool, photos, agreement) : undefined;
  const trialOf = async (of: DetectorCard): Promise<Attempt> => {
    const standing = { card: of, ...(tokenizer && { tokenizer }) };
    try {
      const shown = await tryDetector(pool, standing, photos);
      return { card: of, shown, agreed: compare?.(shown) };
    } catch (thrown) {
      const error = asVgrError(thrown);
      if (error.code !== 'CARD_INVALID') throw error;
      return { card: of, shown: [], agreed: 0, error };
    }
  };
  let best = await trialOf(card);
  if (guessed.labels && (best.agreed ?? 1) < DOUBTFUL_AGREEMENT) {
    best = await better(best, labelVariants(best.card), trialOf, printer);
  }
  if (guessed.pixels && (best.agreed ?? 1) < POOR_AGREEMENT) {
    best = await better(best, pixelVariants(best.card), trialOf, printer);
  }
  if (best.error) throw unfit(best.error);
  return best;
}

/** The outputs are not what the draft says of them, however it was turned. */
function unfit(error: VgrError): VgrError {
  return new VgrError('INPUT_INVALID', error.message, {
    hint: '`--labels FILE` gives the labels that it was trained with, one name a line; `--family` another family',
    cause: error,
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
