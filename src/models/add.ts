import { quoted, VgrError } from '../core/error.js';
import { readTextIfThere } from '../core/files.js';
import { ENCODER_FAMILIES } from '../formats/encoder-card.js';
import { type DetectorCard, holdsWeightsOf, type ModelCard } from '../formats/model-card.js';
import { listModels, modelsFolder, type StoredModel } from '../runtime/model-store.js';
import { trialPhotos } from '../runtime/rate.js';
import { startThreads } from '../runtime/threads.js';
import { draftDetector, draftOfKnown, draftPrompted } from './detector-draft.js';
import type { ModelClaims } from './draft.js';
import { draftEncoder, looksLikeEncoder } from './encoder-draft.js';
import { type ModelFacts, modelFileAt, nameOfFile, readModelFacts } from './facts.js';
import { detectorInputs, type GraphInputs } from './graph-inputs.js';
import { installModel } from './install.js';
import { type LabelFile, parseLabelFile } from './label-list.js';
import { type TrialParts, tryDetector, tryEncoder } from './trial.js';

/** The flags of `vgr models add`, as the parser gives them. */
export interface AddFlags extends ModelClaims {
  readonly name?: string;
  readonly labels?: string;
  readonly photo?: readonly string[];
  readonly device: string;
  readonly 'session-timeout': number;
  readonly 'dry-run': boolean;
}

/**
 * `vgr models add FILE`: inspects a graph, drafts its card, tries it on photos, shows what it finds and installs it.
 * @param path an ONNX file, or the folder of an encoder
 * @returns the exit code
 */
export async function addModel(
  path: string,
  flags: AddFlags,
  { printer, agreement }: Pick<TrialParts, 'printer' | 'agreement'>,
): Promise<number> {
  const file = await modelFileAt(path);
  const graph = await readModelFacts(file);
  const isFolder = file !== path;
  const isClaimed = ENCODER_FAMILIES.some((each) => each === flags.family);
  const isEncoder = isFolder || isClaimed || looksLikeEncoder(graph);
  const inputs = isEncoder ? undefined : detectorInputs(graph);

  const { models } = await listModels();
  const known = flags.name === undefined ? knownModel(graph, isEncoder, models) : undefined;
  const name = known?.card.name ?? flags.name ?? nameOfFile(file);
  if (known?.weights !== undefined) {
    await printer.data(`${name} is this file already: ${known.weights}\n`);
    return 0;
  }
  if (!known && models.some(({ card }) => card.name === name)) {
    throw new VgrError('USAGE', `there is a model ${quoted(name)} already`, {
      hint: 'give another name with `--name`',
    });
  }

  const facts = inputs ? { ...graph, names: await labelsOf(graph, inputs, flags) } : graph;
  const photos = await trialPhotos(flags.photo);
  await using threads = startThreads({ ...flags, sessions: 1 }, printer);
  const { pool } = threads;
  const parts = { name, facts, claims: flags, pool, photos, printer, agreement };
  const card = inputs
    ? await drafted({ ...parts, inputs }, known?.card as DetectorCard | undefined)
    : await tryEncoder(await draftEncoder(parts), parts);
  const shown = flags['dry-run']
    ? JSON.stringify(card, null, 2)
    : await installModel(card, file, modelsFolder());
  await printer.data(`${shown}\n`);
  return 0;
}

/** The card of a detector that the trial confirms or corrects. */
async function drafted(
  parts: TrialParts & { readonly inputs: GraphInputs },
  known: DetectorCard | undefined,
): Promise<DetectorCard> {
  const { name, facts, inputs, pool, printer } = parts;
  const { path, external } = facts;
  const moved = new Map(external.map((one) => [one.location, one.content]));
  await pool.load({ name, bytes: facts.embed(moved) });
  if (known) {
    printer.note(`note: the card of ${name} describes this file`);
    return tryDetector(await draftOfKnown(known, path), parts);
  }
  return tryDetector(await (inputs.text ? draftPrompted(parts) : draftDetector(parts)), parts);
}

/**
 * The model whose card describes the file, or the same weights in another export, which belongs into `VGR_MODELS_DIR` under its
 * file name. An encoder is known only where its weights are here.
 */
function knownModel(
  { sha256 }: ModelFacts,
  isEncoder: boolean,
  models: readonly StoredModel[],
): StoredModel | undefined {
  const kind: ModelCard['kind'] = isEncoder ? 'encoder' : 'detector';
  return models.find(
    ({ card, weights }) =>
      card.kind === kind && holdsWeightsOf(card, sha256) && (weights !== undefined || !isEncoder),
  );
}

/** The names of a detector's labels: those of `--labels`, else what the files say. @throws VgrError USAGE, INPUT_MISSING, INPUT_INVALID */
async function labelsOf(
  { path, names }: ModelFacts,
  { text }: GraphInputs,
  { labels }: AddFlags,
): Promise<LabelFile | undefined> {
  if (labels === undefined) return names;
  if (text) {
    throw new VgrError('USAGE', `--labels: ${quoted(path)} takes prompts and has no labels`, {
      hint: 'name the objects when you detect: `vgr detect --classes "cat,remote control"`',
    });
  }
  const content = await readTextIfThere(labels);
  if (content === undefined) {
    throw new VgrError('INPUT_MISSING', `--labels: no file ${quoted(labels)}`);
  }
  const given = parseLabelFile(content);
  if (given) return given;
  throw new VgrError('INPUT_INVALID', `${quoted(labels)}: expected names of labels, got none`, {
    hint: 'one name or `7 name` per line; JSON: a list of names, {"id2label": {"0": "cat"}} or a COCO file; data.yaml; pbtxt',
  });
}
