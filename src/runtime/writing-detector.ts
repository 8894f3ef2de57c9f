import { printable, quoted, VgrError } from '../core/error.js';
import type { Detection, NamedTensors } from '../detect/family.js';
import type { PlaceTokens, TextTokens, WritingFamily, WritingPrompt } from '../detect/writing.js';
import { WRITING } from '../detect/writing-families.js';
import { graphNames, type WritingCard } from '../formats/model-card.js';
import type { DecodedPhoto } from '../photos/decode.js';
import { jsonObject, readFurther, readGraph, type StoredModel } from './model-store.js';
import type { SessionPool } from './pool.js';
import type { Detector, DetectorOptions } from './ports.js';

/** What a model that writes has beside its card, its graphs being in the pool. */
export interface WritingParts {
  readonly family: WritingFamily;
  readonly tokens: TextTokens;
  readonly places: PlaceTokens;
  readonly mixesRows: boolean;
}

/** An operator that quantises what goes into a product by the range of all rows of a run. */
const MIXING = 'DynamicQuantizeLinear';

/**
 * Loads the graphs of a model that writes, beside the one that takes the photo, and its tokeniser.
 * @param check called with what card and graphs differ in
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT, DEVICE_UNAVAILABLE, and of `check`
 */
export async function loadWriting(
  model: StoredModel,
  card: WritingCard,
  pool: SessionPool,
  photo: Awaited<ReturnType<SessionPool['load']>>,
  check: (found: ReturnType<WritingFamily['disagreements']>) => void,
): Promise<WritingParts> {
  const family = await WRITING[card.family]();
  const { tokens, places } = await openTokens(model, card, family);
  const signatures = { photo };
  const names = graphNames(card);
  let mixesRows = false;
  for (const [role, file] of Object.entries(card.graphs)) {
    const { bytes, operators } = await readGraph(model, file);
    mixesRows ||= operators?.has(MIXING) === true;
    const { optimisation } = card;
    const signature = await pool.load({ name: names.get(role)!, bytes, optimisation });
    Object.assign(signatures, { [role]: signature });
  }
  check(family.disagreements(card, signatures));
  return { family, tokens, places, mixesRows };
}

/** @throws VgrError MODEL_MISSING, MODEL_CORRUPT */
async function openTokens(model: StoredModel, card: WritingCard, family: WritingFamily) {
  const { tokenizer, config } = card.input.text;
  const read = await readFurther(model, tokenizer);
  const json = jsonObject(read);
  const further = config === undefined ? {} : jsonObject(await readFurther(model, config));
  const { openTextTokens } = await import('../detect/prompt-tokenizer.js');
  try {
    const tokens = openTextTokens(json, further);
    return { tokens, places: family.places(tokens) };
  } catch (cause) {
    const reason = printable((cause as Error).message).slice(0, 200);
    throw new VgrError(
      'MODEL_CORRUPT',
      `${quoted(read.path)}: expected a tokeniser with location tokens, got one of which ${reason}`,
      { hint: 'use the `tokenizer.json` from the repository of the model', cause },
    );
  }
}

/** A detector whose graphs are in the pool and write the answer. The photo is encoded once for all that it is asked. */
export function writingDetector(
  pool: SessionPool,
  card: WritingCard,
  { family, tokens, places, mixesRows }: WritingParts,
  { classes, onCut, batchSize: _, ...options }: DetectorOptions,
): Detector {
  const encoded = new WeakMap<DecodedPhoto['raster'], Promise<NamedTensors>>();
  const { name, input, decoding } = card;
  let encodeMs = 0;

  async function featuresOf({ raster }: DecodedPhoto): Promise<NamedTensors> {
    const known = encoded.get(raster);
    if (known) return known;
    const features = pool.encode({ card, raster }).then(({ result, ms }) => {
      encodeMs += ms;
      return result;
    });
    encoded.set(raster, features);
    // What ended with its thread is asked for again.
    features.catch(() => encoded.delete(raster));
    return features;
  }

  async function ask(photo: DecodedPhoto, expressions: readonly string[]) {
    const prompts = expressions.map((text) => family.prompt(text, tokens, card));
    const said = prompts.filter((prompt) => prompt !== undefined);
    const cut = said.filter((prompt) => prompt.cut).length;
    if (cut > 0) onCut?.(cut);
    if (said.length === 0) return { answers: expressions.map(() => []), ms: 0 };
    const features = await featuresOf(photo);
    const own = encodeMs;
    encodeMs = 0;
    const job = { features, image: photo.size, prompts: said, places, card, options };
    const { result, ms } = await pool.write({ job, mixesRows });
    const found = new Map<WritingPrompt, readonly Detection[]>(
      said.map((prompt, at) => [prompt, result[at]!]),
    );
    const answers = prompts.map((prompt) => (prompt ? found.get(prompt)! : []));
    return { answers, ms: ms + own };
  }

  const common = { name, spec: input, calibration: decoding.calibration };
  if (!classes) {
    return {
      ...common,
      categories: [],
      detect: () => Promise.reject(new VgrError('INTERNAL', `${name} needs prompts`)),
      prompted: { promptsARun: family.promptsARun, ask },
    };
  }
  const categories = classes.map((label, index) => ({ id: index + 1, name: label }));
  return {
    ...common,
    categories,
    detect: async (photo) => {
      const { answers, ms } = await ask(photo, classes);
      const found = answers.flatMap((boxes, at) =>
        boxes.map((box) => ({ ...box, categoryId: categories[at]!.id })),
      );
      found.sort((a, b) => b.score - a.score || a.categoryId - b.categoryId);
      return { detections: found.slice(0, options.maxDetections), raster: photo.raster, ms };
    },
  };
}
