import type { ImageSize } from '../core/box.js';
import { asVgrError, quoted, VgrError } from '../core/error.js';
import { counted } from '../core/text.js';
import { PROMPTED_FAMILIES } from '../detect/families.js';
import { packRasters, pixelEncoding } from '../detect/packing.js';
import type { PromptTokenizer } from '../detect/prompt-tokenizer.js';
import {
  type DetectorCard,
  FAMILY_OUTPUTS,
  type GraphFamilyName,
  isPromptedFamily,
  type PromptedFamilyName,
  type ScoringCard,
} from '../formats/model-card.js';
import { makeTokenizer } from '../runtime/detector.js';
import { openTrialPhoto, TRIAL_NAMES } from '../runtime/rate.js';
import {
  cardOf,
  type DraftParts,
  observe,
  padOf,
  parseSize,
  portsText,
  type TokenizerBeside,
  tokenizerBeside,
} from './draft.js';
import type { GraphInputs } from './graph-inputs.js';
import { DETECTOR_HABITS, GROUNDING_SIDES, NANODET_PIXELS, OWN_SHAPE } from './habits.js';
import { classNames, labelsField } from './label-list.js';
import {
  FAMILY_SHAPES,
  type Recognition,
  recogniseDetector,
  recognisePrompted,
} from './recognition.js';

export interface DetectorParts extends DraftParts {
  readonly inputs: GraphInputs;
}

/** A card, and which parts of it were guessed. */
export interface DetectorDraft {
  readonly card: DetectorCard;
  readonly guessed?: { readonly labels: boolean; readonly pixels: boolean };
  /** Of a prompted detector. */
  readonly tokenizer?: PromptTokenizer;
}

/** What feeding a graph depends on. */
type Recognised = Pick<Recognition, 'family' | 'classes' | 'outputs'>;

/**
 * The card of a graph with labels of its own: runs it and recognises its family by the outputs.
 * @throws VgrError MODEL_INVALID with what was expected and what was found; USAGE, INPUT_INVALID
 */
export async function draftDetector(parts: DetectorParts): Promise<DetectorDraft> {
  const { facts, claims } = parts;
  const claimed = claims.family as GraphFamilyName | undefined;
  const look = async (side: number) => {
    const size = rasterSize(parts, side);
    return { size, seen: await recognise(parts, size, claimed) };
  };
  const first = await look(DETECTOR_HABITS[claimed ?? 'yolo'].size);
  // A size that nothing fixes is the family's usual one, and the family is known only now.
  const usual = DETECTOR_HABITS[first.seen.family].size;
  const isSame = rasterSize(parts, usual).width === first.size.width;
  const { size, seen } = isSame ? first : await look(usual);
  const { labels, firstClass } = labelsOf(parts, seen);
  const ownShape = (await takesOwnShape(parts, size, seen)) ? OWN_SHAPE : {};
  return {
    card: cardOf<DetectorCard>(parts, {
      kind: 'detector',
      family: seen.family,
      input: { ...draftInput(parts, size, seen), ...ownShape },
      outputs: seen.outputs,
      decoding: { ...draftDecoding(seen), firstClass },
      labels,
    }),
    guessed: {
      labels: facts.names === undefined && seen.classes === undefined,
      pixels: !claims.pixels && !claims.channels && !facts.hub,
    },
  };
}

/**
 * Whether photos may keep their own shape: the graph leaves its sides open, its boxes belong to cells of the raster, and on a
 * raster about twice as wide as high its heads fit that raster. Exports with free sides may still hold the cells of one size.
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

/** The raster's size: that of the graph, of `--size`, of the files beside it, or `side`. */
function rasterSize({ claims, facts, inputs }: DetectorParts, side: number): ImageSize {
  const { width, height } = inputs.image;
  const asked = claims.size === undefined ? undefined : parseSize(claims.size);
  const { size: written, hub } = facts;
  return {
    width: width ?? asked?.width ?? written?.width ?? hub?.width ?? side,
    height: height ?? asked?.height ?? written?.height ?? hub?.height ?? side,
  };
}

/** Runs the graph once and recognises its family. @throws VgrError MODEL_INVALID */
async function recognise(
  parts: DetectorParts,
  size: ImageSize,
  family: GraphFamilyName | undefined,
): Promise<Recognition> {
  const { name, facts, inputs } = parts;
  const unknown = { family: 'detr', classes: undefined, outputs: {} } as const;
  const input = draftInput({ ...parts, claims: {} }, size, unknown);
  const { raster } = await openTrialPhoto(parts.photos[0], input);
  const feeds = packRasters([raster], { name, input });
  const outputs = await observe(parts, feeds, `a photo of ${size.width} x ${size.height}`);
  const found = recogniseDetector({
    outputs,
    input: size,
    takesSize: inputs.extra.some(({ holds, dims }) => holds !== 'ones' || dims?.length === 1),
    operators: facts.outline.operators,
    labels: facts.names?.names.length,
  });
  const match = family === undefined ? found[0] : found.find((one) => one.family === family);
  const rival = family === undefined ? found.find((one) => isRival(match, one)) : undefined;
  if (match && rival) throw severalFamilies(parts, [match, rival], outputs);
  if (match) return match;
  const other = found[0]?.family;
  const seen = `Found for a photo of ${size.width} x ${size.height}: ${portsText(outputs)}`;
  const likely = other ? ` (these are the outputs of ${other})` : '';
  throw unlikeFamily(parts, family, `${seen}${likely}`, other);
}

/** Whether two readings of one output stand against each other. */
function isRival(match: Recognition | undefined, other: Recognition): boolean {
  const names = ({ outputs }: Recognition) => Object.values(outputs).flat().join();
  return match !== undefined && other !== match && names(other) === names(match);
}

/** A graph that two families fit, by shape and by values. */
function severalFamilies(
  { facts: { path } }: DetectorParts,
  found: readonly Recognition[],
  outputs: Parameters<typeof portsText>[0],
): VgrError {
  const readings = found.map(
    ({ family, classes }) => `${family} of ${counted(classes ?? 0, 'label')}`,
  );
  return new VgrError(
    'MODEL_INVALID',
    `${quoted(path)}: the outputs ${portsText(outputs)} may be those of ${readings.join(' or ')}`,
    {
      hint: `say which with ${found.map(({ family }) => `\`--family ${family}\``).join(' or ')}, or name its labels with \`--labels FILE\``,
    },
  );
}

/**
 * A graph that is not of the family, or of none.
 * @param found what the graph has, as a sentence
 * @param likely family that would fit
 */
function unlikeFamily(
  { facts: { path } }: DetectorParts,
  family: GraphFamilyName | undefined,
  found: string,
  likely?: GraphFamilyName,
): VgrError {
  const shapes = Object.entries(FAMILY_SHAPES)
    .filter(([name]) => name === (family ?? name))
    .map(([name, shape]) => `${name}: ${shape}`);
  return new VgrError(
    'MODEL_INVALID',
    `${quoted(path)}: expected a graph of ${family ? 'family' : 'a known family:'} ${shapes.join('; ')}. ${found}`,
    {
      hint: likely
        ? `\`--family ${likely}\`, or leave it out`
        : 'docs/models explains how each family is exported',
    },
  );
}

/** The card's labels, and the number of the first; COCO's for a graph that names none and has as many. */
function labelsOf(
  { facts: { names: file }, printer }: DraftParts,
  seen: Recognition,
): { readonly labels: DetectorCard['labels']; readonly firstClass?: 1 } {
  const { classes, family, outputs, countsFrom } = seen;
  if (file !== undefined) {
    const hasSpareLogits = family === 'detr' && seen.activation === 'sigmoid';
    const found = classNames(file, { classes, countsFrom, hasSpareLogits });
    const got = file.names.length;
    if (found === 'ambiguous') {
      throw new VgrError(
        'INPUT_INVALID',
        `${counted(got, 'label')} for ${classes} logits: the first label may be that of logit 0 or 1`,
        {
          hint: 'number the lines of the file: `0 NAME` and on if the model was trained on a YOLO data set, `1 NAME` and on if on COCO ids from 1',
        },
      );
    }
    if (found) {
      // COCO's own 91 have their ids as numbers.
      const labels = labelsField(found.names);
      return { labels, firstClass: labels === 'coco-91' ? undefined : found.firstClass };
    }
    throw new VgrError(
      'INPUT_INVALID',
      `expected ${counted(classes!, 'label')}, as the outputs ${Object.values(outputs).flat().join(', ')} have, got ${got}${file.numbers ? ` with numbers up to ${file.numbers.at(-1)}` : ''}`,
      { hint: 'give the right ones with `--labels FILE`, one name per line' },
    );
  }
  const count = classes ?? (family === 'ssd' && countsFrom !== 0 ? 91 : 80);
  const isCoco = count === 80 || count === 91;
  const taken = isCoco ? `COCO's ${count} are assumed` : `all ${count} are numbered`;
  printer.note(`note: the files name no labels; ${taken}. --labels FILE names them`);
  if (!isCoco) return { labels: labelsField(Array.from({ length: count }, () => undefined)) };
  return { labels: count === 80 ? 'coco-80' : 'coco-91' };
}

/** The `input` of a card. */
function draftInput(
  { claims: { pixels, channels }, facts: { hub }, inputs: { image, extra } }: DetectorParts,
  { width, height }: ImageSize,
  recognised: Recognised,
): DetectorCard['input'] {
  const habit = DETECTOR_HABITS[recognised.family];
  const order = channels ?? habit.channels;
  const beside = hub && { channels: order, scale: hub.scale, mean: hub.mean, std: hub.std };
  // Torchvision's graphs take 0..1 and normalise by themselves.
  const usual = pixelEncoding(image.layout === 'chw' ? 'unit' : habit.pixels, order);
  const given = pixels && pixelEncoding(pixels, order);
  const encoding =
    image.type === 'uint8'
      ? pixelEncoding('byte', 'rgb')
      : (given ?? beside ?? ownPixels(recognised) ?? usual);
  const sized = extra.map(({ dims = [height, width], ...one }) => ({ ...one, dims }));
  return {
    ...image,
    width,
    height,
    fit: habit.fit,
    fill: habit.fill,
    ...encoding,
    extra: sized.length > 0 ? sized : undefined,
  };
}

/** Pixels of models that differ from their family's habit. */
function ownPixels({ family, classes, outputs }: Recognised) {
  if (family === 'nanodet-plus') return NANODET_PIXELS;
  // DETR and RF-DETR number their classes by COCO's ids; RF-DETR's own export calls its outputs so.
  const isImagenet = classes === 91 || outputs.boxes?.[0] === 'dets';
  return family === 'detr' && isImagenet ? pixelEncoding('imagenet', 'rgb') : undefined;
}

/** The `decoding` of a card. */
function draftDecoding(recognised: Recognition): DetectorCard['decoding'] {
  const { family, classes, strides, boxes, activation } = recognised;
  const { minScore, nmsIou } = DETECTOR_HABITS[family];
  return {
    minScore,
    maxDetections: 100,
    // Where the shape does not give the number of classes, the graph lists finished boxes, one class each.
    nmsIou: classes === undefined ? null : nmsIou,
    strides: [...strides],
    boxes,
    activation,
  };
}

/**
 * The card of a prompted graph: runs it once.
 * @throws VgrError MODEL_MISSING without its tokeniser; MODEL_INVALID with what was expected and what was found; MODEL_CORRUPT, USAGE
 */
export async function draftPrompted(parts: DetectorParts): Promise<DetectorDraft> {
  const { name, facts, claims, inputs } = parts;
  const beside = await tokenizerBeside(facts.path);
  const size = promptedSize(parts);
  const likely = likelyPromptedFamily(parts, size);
  const family = (claims.family as GraphFamilyName | undefined) ?? likely;
  const takesTypes = inputs.text?.types !== undefined;
  if (!isPromptedFamily(family) || (family === 'grounding-dino') !== takesTypes) {
    throw unlikeFamily(parts, family, `Found inputs ${portsText(facts.outline.inputs)}`, likely);
  }
  const input = promptedInput(parts, family, size, beside);
  const tokenizer = await makeTokenizer(beside, { family, input }, 'tokenizer.json');
  const outputs = await promptedRoles(parts, { name, family, input } as ScoringCard, tokenizer);
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
 * A known card, for a prompted detector with the tokeniser beside its model file.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function draftOfKnown(card: DetectorCard, path: string): Promise<DetectorDraft> {
  if (!isPromptedFamily(card.family)) return { card };
  const prompted = card as ScoringCard;
  const beside = await tokenizerBeside(path);
  for (const { file, sha256 } of beside.files) {
    const pinned = card.files?.find((one) => one.file === file)?.sha256;
    if (pinned === undefined || pinned === sha256) continue;
    throw new VgrError(
      'MODEL_CORRUPT',
      `\`${file}\` beside ${quoted(path)}: expected sha256 ${pinned}, got ${sha256}`,
      { hint: `\`vgr models pull ${card.name}\` downloads the right one` },
    );
  }
  return { card, tokenizer: await makeTokenizer(beside, prompted, 'tokenizer.json') };
}

/** The size of the graph, of `--size` or of the files beside it; undefined where none of them has one. */
function promptedSize({ claims, facts: { hub }, inputs }: DetectorParts): ImageSize | undefined {
  const { width, height } = inputs.image;
  if (width !== undefined && height !== undefined) return { width, height };
  if (claims.size !== undefined) return parseSize(claims.size);
  if (hub?.sides || hub?.width === undefined || hub.height === undefined) return undefined;
  return { width: hub.width, height: hub.height };
}

/** The family by the inputs: token types mean Grounding DINO; OWL-ViT and OWLv2 differ in name or size. */
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
): ScoringCard['input'] {
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

/** Runs the graph once and recognises its outputs. @throws VgrError MODEL_INVALID */
async function promptedRoles(
  parts: DetectorParts,
  card: ScoringCard,
  tokenizer: PromptTokenizer,
): Promise<DetectorCard['outputs']> {
  const { family, input } = card;
  const { raster } = await openTrialPhoto(parts.photos[0], input);
  const prompt = tokenizer.expression(TRIAL_NAMES[0]!)!;
  const count =
    family === 'grounding-dino' || input.text.prompts === 'any' ? 1 : input.text.prompts;
  const feeds = PROMPTED_FAMILIES[family].pack(raster, new Array(count).fill(prompt), card);
  const given = `a photo of ${raster.width} x ${raster.height} and a prompt of ${prompt.ids.length} tokens`;
  const outputs = await observe(parts, feeds, given);
  const roles = recognisePrompted(family, outputs, count);
  if (roles) return roles;
  throw unlikeFamily(parts, family, `Found for ${count} prompts: ${portsText(outputs)}`);
}
