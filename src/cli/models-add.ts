import { categoriesOf, isPrompted } from '../formats/detector-labels.js';
import type { DetectorFamilyName } from '../formats/detector-outputs.js';
import type { EncoderFamilyName } from '../formats/encoder-card.js';
import { printable, quoted, VgrError } from '../formats/fault.js';
import { type LabelNames, parseLabelFile } from '../formats/label-list.js';
import { type DetectorCard, holdsWeightsOf } from '../formats/model-card.js';
import { installModel } from '../io/model-install.js';
import { modelsFolder } from '../io/model-place.js';
import { listModels, type StoredModel } from '../io/model-store.js';
import { readTextIfThere } from '../io/text-file.js';
import { counted } from './counted.js';
import { addEncoder, nameOfEncoder } from './encoder-add.js';
import { encoderAt, type Tower } from './encoder-towers.js';
import { photoOpener } from './engine.js';
import { bestTrial, POOR_AGREEMENT, type Trial } from './model-choice.js';
import { type DraftedCard, draftCard, type ModelClaims } from './model-draft.js';
import { type ModelFacts, nameOfFile, readModelFacts } from './model-facts.js';
import { TRIAL_NAMES, trialPhotos } from './model-trial.js';
import { openPool } from './open-pool.js';
import type { Printer } from './printer.js';
import { draftPrompted, tokenizerOfKnown } from './prompted-draft.js';

/** The flags of `vgr models add`, as the parser gives them. */
export interface AddFlags extends Omit<ModelClaims, 'family'> {
  readonly family?: DetectorFamilyName | EncoderFamilyName | undefined;
  readonly name?: string | undefined;
  readonly labels?: string | undefined;
  readonly photo?: readonly string[] | undefined;
  readonly device: string;
  readonly 'dry-run': boolean;
}

/** Best detections of a photo that are shown. */
const SHOWN = 6;

const PHOTO_LIMIT = { 'max-pixels': 100_000_000 };

/** `vgr models add FILE`: looks into a graph, writes its card, runs it once and shows the result. @returns the exit code */
export async function addModelCommand(
  path: string,
  flags: AddFlags,
  printer: Printer,
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
    const open = photoOpener(PHOTO_LIMIT);
    const first = photos[0] && { ref: photos[0], open };
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
    const trial = await bestTrial(draft, photos, open, pool, printer);
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
