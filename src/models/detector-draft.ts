import type { ImageSize } from '../core/box.js';
import { asVgrError, quoted, VgrError } from '../core/error.js';
import { counted } from '../core/text.js';
import { promptedFamily } from '../detect/families.js';
import { packRasters, pixelEncoding } from '../detect/packing.js';
import type { PromptTokenizer } from '../detect/prompt-tokenizer.js';
import { portText } from '../detect/signature.js';
import {
  type DetectorCard,
  type DetectorFamilyName,
  FAMILY_OUTPUTS,
  isPromptedFamily,
  type PromptedCard,
  type PromptedFamilyName,
} from '../formats/model-card.js';
import { makeTokenizer } from '../runtime/detector.js';
import { openTrialPhoto, TRIAL_NAMES } from '../runtime/rate.js';
import {
  cardOf,
  type DraftParts,
  observe,
  outputsText,
  padOf,
  parseSize,
  type TokenizerBeside,
  tokenizerBeside,
} from './draft.js';
import type { GraphInputs } from './graph-inputs.js';
import { DETECTOR_HABITS, GROUNDING_SIDES, NANODET_PIXELS, OWN_SHAPE } from './habits.js';
import { labelsField, numberedNames } from './label-list.js';
import {
  FAMILY_SHAPES,
  type ObservedOutput,
  type Recognition,
  recogniseDetector,
  recognisePrompted,
} from './recognition.js';

export interface DetectorParts extends DraftParts {
  readonly inputs: GraphInputs;
}

/** A card, and what of it nothing told. */
export interface DetectorDraft {
  readonly card: DetectorCard;
  readonly guessed?: { readonly labels: boolean; readonly pixels: boolean };
  /** Of a detector that is asked in words. */
  readonly tokenizer?: PromptTokenizer;
}

/** What is known of a graph's family before its outputs are: enough to feed it. */
type Recognised = Pick<Recognition, 'family' | 'classes' | 'outputs'>;

/**
 * The card of a graph whose labels are its own: runs it once and tells its family by what comes out.
 * @throws VgrError MODEL_INVALID with what was expected and what was found; USAGE, INPUT_INVALID
 */
export async function draftDetector(parts: DetectorParts): Promise<DetectorDraft> {
  const { facts, claims } = parts;
  const claimed = claims.family as DetectorFamilyName | undefined;
  const look = async (side: number) => {
    const size = rasterSize(parts, side);
    return { size, seen: await recognise(parts, size, claimed) };
  };
  const first = await look(DETECTOR_HABITS[claimed ?? 'yolo'].size);
  // Where nothing tells the size, it is the family's usual one, which is known by now.
  const usual = DETECTOR_HABITS[first.seen.family].size;
  const isTold = rasterSize(parts, usual).width === first.size.width;
  const { size, seen } = isTold ? first : await look(usual);
  const labels = labelsOf(parts, seen);
  // TensorFlow counts labels from 1, since 0 is the background; COCO's ids are counted so by themselves.
  const fromOne = seen.boxes === 'yxyx-unit' && labels !== 'coco-91';
  const ownShape = (await takesOwnShape(parts, size, seen)) ? OWN_SHAPE : {};
  return {
    card: cardOf<DetectorCard>(parts, {
      kind: 'detector',
      family: seen.family,
      input: { ...draftInput(parts, size, seen), ...ownShape },
      outputs: seen.outputs,
      decoding: draftDecoding(fromOne ? { ...seen, firstClass: 1 } : seen),
      labels,
    }),
    guessed: {
      labels: facts.names === undefined && seen.classes === undefined,
      pixels: !claims.pixels && !claims.channels && !facts.hub,
    },
  };
}

/**
 * Whether photos may go in in their own shape: the graph leaves its sides open, its boxes are told by cells of the raster, and on a raster
 * about twice as wide as high its heads are those of that raster. Exports with free sides may hold the cells of one size all the same.
 */
async function takesOwnShape(
  parts: DetectorParts,
  { width, height }: ImageSize,
  { family, boxes }: Recognition,
): Promise<boolean> {
  const { image, extra } = parts.inputs;
  const { multiple } = OWN_SHAPE;
  const isOpen = image.width === undefined && image.height === undefined && extra.length === 0;
  const isGrid = FAMILY_OUTPUTS[family].grid && boxes !== 'cxcywh-unit';
  if (!isOpen || !isGrid || width !== height || width % multiple !== 0) return false;
  const half = { width, height: multiple * Math.ceil(height / 2 / multiple) };
  try {
    return (await recognise(parts, half, family)).classes !== undefined;
  } catch (thrown) {
    const error = asVgrError(thrown);
    if (error.code !== 'MODEL_INVALID') throw error;
    return false;
  }
}

/** The raster's size: as the graph fixes it, as asked for, as the files say, or `side`. */
function rasterSize({ claims, facts, inputs }: DetectorParts, side: number): ImageSize {
  const { width, height } = inputs.image;
  const asked = claims.size === undefined ? undefined : parseSize(claims.size);
  const { size: written, hub } = facts;
  return {
    width: width ?? asked?.width ?? written?.width ?? hub?.width ?? side,
    height: height ?? asked?.height ?? written?.height ?? hub?.height ?? side,
  };
}

/** Runs the graph once and tells its family. @throws VgrError MODEL_INVALID */
async function recognise(
  parts: DetectorParts,
  size: ImageSize,
  family: DetectorFamilyName | undefined,
): Promise<Recognition> {
  const { name, facts, inputs } = parts;
  const unknown = { family: 'detr', classes: undefined, outputs: {} } as const;
  const input = draftInput({ ...parts, claims: {} }, size, unknown);
  const feeds = packRasters([(await openTrialPhoto(parts.photos[0], input)).raster], {
    name,
    input,
  });
  const outputs = await observe(parts, feeds, `a photo of ${size.width} x ${size.height}`);
  const found = recogniseDetector({
    outputs,
    input: size,
    takesSize: inputs.extra.some(({ holds, dims }) => holds !== 'ones' || dims?.length === 1),
    operators: facts.outline.operators,
    labels: facts.names?.length,
  });
  const match = family === undefined ? found[0] : found.find((one) => one.family === family);
  if (match) return match;
  const wanted =
    family === undefined ? Object.entries(FAMILY_SHAPES) : [[family, FAMILY_SHAPES[family]]];
  const shapes = wanted.map(([one, shape]) => `${one}: ${shape}`).join('; ');
  const other = found[0] && ` (these are the outputs of ${found[0].family})`;
  throw new VgrError(
    'MODEL_INVALID',
    `${quoted(facts.path)}: expected outputs of a family that is known: ${shapes}. Found for a photo of ${size.width} x ${size.height}: ${outputsText(outputs)}${other ?? ''}`,
    {
      hint: other
        ? `\`--family ${found[0]?.family}\`, or leave it out`
        : 'docs/models tells how each family is exported',
    },
  );
}

/** The card's labels; a graph that names none is taken for one of COCO's where the number fits. */
function labelsOf(
  { facts: { names }, printer }: DraftParts,
  { classes, family, outputs }: Recognition,
): DetectorCard['labels'] {
  if (names !== undefined) {
    if (classes === undefined || classes === names.length) return labelsField(names);
    throw new VgrError(
      'INPUT_INVALID',
      `expected ${counted(classes, 'label')}, as the outputs ${Object.values(outputs).flat().join(', ')} have, got ${names.length}`,
      { hint: 'give the right ones with `--labels FILE`, one name a line' },
    );
  }
  const count = classes ?? (family === 'ssd' ? 91 : 80);
  if (count !== 80 && count !== 91) {
    printer.note(
      `note: nothing names the ${count} labels; they are numbered. --labels FILE names them`,
    );
    return labelsField(numberedNames(count));
  }
  printer.note(
    `note: nothing names the labels; they are taken for COCO's ${count}. --labels FILE names others`,
  );
  return count === 80 ? 'coco-80' : 'coco-91';
}

/** The `input` of a card. */
function draftInput(
  { claims: { pixels, channels }, facts: { hub }, inputs: { image, extra } }: DetectorParts,
  { width, height }: ImageSize,
  recognised: Recognised,
): DetectorCard['input'] {
  const habit = DETECTOR_HABITS[recognised.family];
  const { name, type, layout, batch } = image;
  const order = channels ?? habit.channels;
  const beside = hub && {
    channels: order,
    scale: hub.scale,
    mean: [...hub.mean] as [number, number, number],
    std: [...hub.std] as [number, number, number],
  };
  // Torchvision's graphs take 0..1 and normalise by themselves.
  const usual = pixelEncoding(layout === 'chw' ? 'unit' : habit.pixels, order);
  const given = pixels && pixelEncoding(pixels, order);
  const encoding =
    type === 'uint8'
      ? pixelEncoding('byte', 'rgb')
      : (given ?? beside ?? ownPixels(recognised) ?? usual);
  return {
    name,
    type,
    layout,
    width,
    height,
    batch,
    fit: habit.fit,
    fill: habit.fill,
    ...encoding,
    extra:
      extra.length > 0
        ? extra.map(({ dims = [height, width], ...one }) => ({ ...one, dims }))
        : undefined,
  };
}

/** Pixels of models that differ from their family's habit. */
function ownPixels({
  family,
  classes,
  outputs,
}: Recognised): ReturnType<typeof pixelEncoding> | undefined {
  if (family === 'nanodet-plus') return NANODET_PIXELS;
  // DETR and RF-DETR number their classes by COCO's ids; RF-DETR's own export calls its outputs so.
  const isImagenet = classes === 91 || outputs.boxes?.[0] === 'dets';
  return family === 'detr' && isImagenet ? pixelEncoding('imagenet', 'rgb') : undefined;
}

/** The `decoding` of a card. */
function draftDecoding(recognised: Recognition): DetectorCard['decoding'] {
  const { family, classes, strides, boxes, activation, firstClass } = recognised;
  const { minScore, nmsIou } = DETECTOR_HABITS[family];
  return {
    minScore,
    maxDetections: 100,
    // Where the shape does not tell the number of classes, boxes come finished, one class each.
    nmsIou: classes === undefined ? null : nmsIou,
    strides: [...strides],
    boxes,
    activation,
    firstClass,
  };
}

/**
 * The card of a graph that is asked in words: runs it once.
 * @throws VgrError MODEL_MISSING without its tokeniser; MODEL_INVALID with what was expected and what was found; MODEL_CORRUPT, USAGE
 */
export async function draftPrompted(parts: DetectorParts): Promise<DetectorDraft> {
  const { name, facts, claims, inputs } = parts;
  const beside = await promptTokenizerBeside(facts.path);
  const size = promptedSize(parts);
  const likely = likelyPromptedFamily(parts, size);
  const family = (claims.family as DetectorFamilyName | undefined) ?? likely;
  const takesTypes = inputs.text?.types !== undefined;
  if (!isPromptedFamily(family) || (family === 'grounding-dino') !== takesTypes) {
    throw new VgrError(
      'MODEL_INVALID',
      `${quoted(facts.path)}: expected a graph of family ${family}: ${FAMILY_SHAPES[family]}. Found inputs ${facts.outline.inputs.map(portText).join('; ')}`,
      { hint: `\`--family ${likely}\`, or leave it out` },
    );
  }
  const input = promptedInput(parts, family, size, beside);
  const tokenizer = await makeTokenizer(beside, { family, input }, 'tokenizer.json');
  const outputs = await promptedRoles(parts, { name, family, input } as PromptedCard, tokenizer);
  const card = cardOf<DetectorCard>(parts, {
    kind: 'detector',
    family,
    input,
    outputs,
    decoding: draftDecoding({ family, outputs, strides: [], classes: undefined }),
    labels: 'prompts',
    files: [...beside.files],
  });
  return { card, tokenizer };
}

/**
 * A known card with the tokeniser from beside its model file, where it is asked in words.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function draftOfKnown(card: DetectorCard, path: string): Promise<DetectorDraft> {
  if (!isPromptedFamily(card.family)) return { card };
  const prompted = card as PromptedCard;
  const beside = await promptTokenizerBeside(path);
  for (const { file, sha256 } of beside.files) {
    const pinned = card.files?.find((one) => one.file === file)?.sha256;
    if (pinned === undefined || pinned === sha256) continue;
    throw new VgrError(
      'MODEL_CORRUPT',
      `\`${file}\` beside ${quoted(path)}: expected sha256 ${pinned}, got ${sha256}`,
      { hint: `\`vgr models pull ${card.name}\` brings the right one` },
    );
  }
  return { card, tokenizer: await makeTokenizer(beside, prompted, 'tokenizer.json') };
}

async function promptTokenizerBeside(path: string): Promise<TokenizerBeside> {
  const beside = await tokenizerBeside(path);
  if (beside) return beside;
  throw new VgrError(
    'MODEL_MISSING',
    `${quoted(path)} takes words; expected its \`tokenizer.json\` beside it or a folder above, got none`,
    { hint: 'copy tokenizer.json and tokenizer_config.json from where the model comes from' },
  );
}

/** As the graph fixes it, as asked for, or as the files say; undefined where nothing tells it. */
function promptedSize({ claims, facts: { hub }, inputs }: DetectorParts): ImageSize | undefined {
  const { width, height } = inputs.image;
  if (width !== undefined && height !== undefined) return { width, height };
  if (claims.size !== undefined) return parseSize(claims.size);
  if (hub?.sides || hub?.width === undefined || hub.height === undefined) return undefined;
  return { width: hub.width, height: hub.height };
}

/** The family by what the graph takes: segments of text are Grounding DINO's; the OWL models are told apart by name or size. */
function likelyPromptedFamily(
  { facts: { modelType }, inputs }: DetectorParts,
  size: ImageSize | undefined,
): PromptedFamilyName {
  if (inputs.text?.types !== undefined) return 'grounding-dino';
  if (modelType === 'owlvit' || modelType === 'owlv2') return modelType;
  return size?.width === DETECTOR_HABITS.owlvit.size ? 'owlvit' : 'owlv2';
}

function promptedInput(
  parts: DetectorParts,
  family: PromptedFamilyName,
  size: ImageSize | undefined,
  { tokenizer, files: [named, config] }: TokenizerBeside,
): PromptedCard['input'] {
  const habit = DETECTOR_HABITS[family];
  const isGrounding = family === 'grounding-dino';
  // Where the graph leaves the size open, Grounding DINO keeps the photo's own proportions.
  const isOpen = isGrounding && size === undefined;
  const { shorter, longer } = parts.facts.hub?.sides ?? GROUNDING_SIDES;
  const usual = isOpen
    ? { width: longer, height: shorter }
    : { width: habit.size, height: habit.size };
  const recognised = { family, classes: undefined, outputs: {} };
  const { extra, ...input } = draftInput(parts, size ?? usual, recognised);
  const { prompts = 'any', length, ...names } = parts.inputs.text!;
  return {
    ...input,
    fit: isOpen ? 'shorter-side' : input.fit,
    extra: extra?.map((one) =>
      isOpen && one.holds === 'ones' ? { ...one, holds: 'pixel-mask', dims: [] } : one,
    ),
    text: {
      ...names,
      length: length ?? habit.tokens!,
      padded: length !== undefined || !isGrounding,
      pad: padOf(tokenizer),
      prompts: isGrounding ? 'any' : prompts,
      tokenizer: named.file,
      config: config?.file,
    },
  };
}

/** Runs the graph once and tells which outputs hold what. @throws VgrError MODEL_INVALID */
async function promptedRoles(
  parts: DetectorParts,
  card: PromptedCard,
  tokenizer: PromptTokenizer,
): Promise<DetectorCard['outputs']> {
  const { family, input } = card;
  const { raster } = await openTrialPhoto(parts.photos[0], input);
  const prompt = tokenizer.expression(TRIAL_NAMES[0]!)!;
  const count =
    family === 'grounding-dino' || input.text.prompts === 'any' ? 1 : input.text.prompts;
  const feeds = promptedFamily(family).pack(raster, new Array(count).fill(prompt), card);
  const outputs: ObservedOutput[] = await observe(
    parts,
    feeds,
    `a photo of ${raster.width} x ${raster.height} and a prompt of ${prompt.ids.length} tokens`,
  );
  const roles = recognisePrompted(family, outputs, count);
  if (roles) return roles;
  throw new VgrError(
    'MODEL_INVALID',
    `${quoted(parts.facts.path)}: expected outputs of family ${family}: ${FAMILY_SHAPES[family]}. Found for ${count} prompts: ${outputsText(outputs)}`,
    { hint: 'docs/models tells how each family is exported' },
  );
}
