import { basename } from 'node:path';
import type { ImageSize } from '../core/box.js';
import { asVgrError, printable, quoted, VgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import { counted } from '../core/text.js';
import { type PixelEncodingName, packRasters, pixelEncoding } from '../detect/packing.js';
import type { PromptTokenizer } from '../detect/prompt-tokenizer.js';
import { portText } from '../detect/signature.js';
import {
  type DetectorCard,
  type DetectorFamilyName,
  FAMILY_OUTPUTS,
  parseModelCard,
} from '../formats/model-card.js';
import type { SessionPool } from '../runtime/pool.js';
import type { OpenPhoto, PhotoRef } from '../runtime/ports.js';
import type { GraphInputs, HubInput, ModelFacts } from './facts.js';
import { type LabelNames, labelsField, numberedNames } from './label-list.js';
import {
  FAMILY_SHAPES,
  type ObservedOutput,
  type Recognition,
  recogniseDetector,
} from './recognition.js';

/** What a user says of a model file. */
export interface ModelClaims {
  readonly family?: DetectorFamilyName | undefined;
  readonly size?: string | undefined;
  readonly pixels?: PixelEncodingName | undefined;
  readonly channels?: 'rgb' | 'bgr' | undefined;
  readonly licence?: string | undefined;
  readonly citation?: string | undefined;
}

/** A card, and what of it nothing told. */
export interface DraftedCard {
  readonly card: DetectorCard;
  readonly guessed: { readonly labels: boolean; readonly pixels: boolean };
  /** Of a detector that is asked in words. */
  readonly tokenizer?: PromptTokenizer;
}

/** What a card is drafted from. */
export interface DraftParts {
  /** Under this name the graph stands in the pool. */
  readonly name: string;
  readonly facts: ModelFacts;
  readonly claims: ModelClaims;
  readonly names: LabelNames | undefined;
  readonly pool: SessionPool;
  /** What the graph is run on; a grey photo where there is none. */
  readonly photo: { readonly ref: PhotoRef; readonly open: OpenPhoto } | undefined;
  readonly printer: Printer;
}

/**
 * The card of a graph: runs it once and tells its family by what comes out.
 * @throws VgrError MODEL_INVALID with what was expected and what was found; USAGE, INPUT_INVALID
 */
export async function draftCard(parts: DraftParts): Promise<DraftedCard> {
  const { name, facts, claims, names, printer } = parts;
  const look = async (side: number): Promise<{ size: ImageSize; recognised: Recognition }> => {
    const size = rasterSize(claims, facts, side);
    const outputs = await observe(parts, size);
    return { size, recognised: recognise(facts, outputs, size, claims, names?.length) };
  };
  const first = await look(habitualSize(claims.family ?? 'yolo'));
  // Where nothing tells the size, it is the family's usual one, which is known by now.
  const usual = habitualSize(first.recognised.family);
  const isTold = rasterSize(claims, facts, usual).width === first.size.width;
  const { size, recognised } = isTold ? first : await look(usual);
  const labels = labelsOf(names, recognised, printer);
  // TensorFlow counts labels from 1, since 0 is the background; COCO's ids are counted so by themselves.
  const fromOne = recognised.boxes === 'yxyx-unit' && labels !== 'coco-91';
  const counted = fromOne ? { ...recognised, firstClass: 1 } : recognised;
  const { hub, inputs } = facts;
  const { pixels, channels } = claims;
  const input = draftInput({ inputs, size, hub, pixels, channels }, counted);
  const ownShape = await takesOwnShape(parts, size, recognised);
  return {
    card: cardOf({
      name,
      facts,
      claims,
      family: recognised.family,
      input: ownShape ? { ...input, ...OWN_SHAPE } : input,
      outputs: recognised.outputs,
      decoding: draftDecoding(counted),
      labels,
    }),
    guessed: {
      labels: names === undefined && recognised.classes === undefined,
      pixels: !claims.pixels && !claims.channels && !facts.hub,
    },
  };
}

/**
 * Whether photos may go in in their own shape: the graph leaves its sides open, its boxes lie in cells of the raster, and on a raster
 * about twice as wide as high its heads are those of that raster. Exports with free sides may hold the cells of one size all the same.
 */
async function takesOwnShape(
  parts: DraftParts,
  { width, height }: ImageSize,
  { family, boxes }: Recognition,
): Promise<boolean> {
  const { facts, claims, names } = parts;
  const { image, extra } = facts.inputs;
  const { multiple } = OWN_SHAPE;
  const isOpen = image.width === undefined && image.height === undefined && extra.length === 0;
  const isGrid = FAMILY_OUTPUTS[family].grid && boxes !== 'cxcywh-unit';
  if (!isOpen || !isGrid || width !== height || width % multiple !== 0) return false;
  const half = { width, height: multiple * Math.ceil(height / 2 / multiple) };
  try {
    const outputs = await observe(parts, half);
    const seen = recognise(facts, outputs, half, { ...claims, family }, names?.length);
    return seen.classes !== undefined;
  } catch (thrown) {
    const error = asVgrError(thrown);
    if (error.code !== 'MODEL_INVALID') throw error;
    return false;
  }
}

/** The raster's size: as asked for, as the graph fixes it, as the files say, or `side`. */
function rasterSize(
  { size }: ModelClaims,
  { inputs, hub, size: written }: ModelFacts,
  side: number,
): ImageSize {
  const { width, height } = inputs.image;
  const asked = size === undefined ? undefined : parseSize(size);
  return {
    width: width ?? asked?.width ?? written?.width ?? hub?.width ?? side,
    height: height ?? asked?.height ?? written?.height ?? hub?.height ?? side,
  };
}

/** `--size`. @throws VgrError USAGE */
export function parseSize(text: string): ImageSize {
  const match = /^(\d{2,4})(?:x(\d{2,4}))?$/.exec(text);
  if (match) return { width: Number(match[1]), height: Number(match[2] ?? match[1]) };
  throw new VgrError(
    'USAGE',
    `--size: expected a side or WIDTHxHEIGHT in pixels, got ${quoted(text)}`,
  );
}

/** Runs the graph once: shapes say more than the file does. */
async function observe(
  { pool, name, facts: { inputs, hub }, photo }: DraftParts,
  size: ImageSize,
): Promise<ObservedOutput[]> {
  const input = draftInput(
    { inputs, size, hub },
    { family: 'detr', classes: undefined, outputs: {} },
  );
  const grey = { ...size, data: new Uint8Array(size.width * size.height * 3).fill(114) };
  const raster = photo ? (await photo.open(photo.ref, input)).raster : grey;
  const feeds = packRasters([raster], { name, input });
  try {
    return Object.entries(await pool.run(name, feeds)).map(([output, tensor]) => ({
      name: output,
      tensor,
    }));
  } catch (cause) {
    throw new VgrError(
      'MODEL_INVALID',
      `the graph does not run on a photo of ${size.width} x ${size.height}: ${printable((cause as Error).message)}`,
      { hint: 'give the size that it was exported for with `--size`', cause },
    );
  }
}

function recognise(
  { outline, inputs, path }: ModelFacts,
  outputs: readonly ObservedOutput[],
  input: ImageSize,
  { family }: ModelClaims,
  labels: number | undefined,
): Recognition {
  const found = recogniseDetector({
    outputs,
    input,
    takesSize: inputs.extra.some(({ holds, dims }) => holds !== 'ones' || dims?.length === 1),
    operators: outline.operators,
    ...(labels !== undefined && { labels }),
  });
  const match = family === undefined ? found[0] : found.find((one) => one.family === family);
  if (match) return match;
  const got = outputs
    .map(({ name, tensor: { type, dims } }) => portText({ name, type, dims }))
    .join('; ');
  const wanted =
    family === undefined ? Object.entries(FAMILY_SHAPES) : [[family, FAMILY_SHAPES[family]]];
  const shapes = wanted.map(([name, shape]) => `${name}: ${shape}`).join('; ');
  const other = found[0] && ` (these are the outputs of ${found[0].family})`;
  throw new VgrError(
    'MODEL_INVALID',
    `${quoted(path)}: expected outputs of a family that is known: ${shapes}. Found for a photo of ${input.width} x ${input.height}: ${got}${other ?? ''}`,
    {
      hint: other
        ? `\`--family ${found[0]?.family}\`, or leave it out`
        : 'docs/models tells how each family is exported',
    },
  );
}

/** The card's labels; a graph that names none is taken for one of COCO's where the number fits. */
function labelsOf(
  names: LabelNames | undefined,
  { classes, family, outputs }: Recognition,
  printer: Printer,
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

/** What of a card is the graph's own; the rest is of its file. */
interface CardParts
  extends Pick<DetectorCard, 'family' | 'input' | 'outputs' | 'decoding' | 'labels' | 'files'> {
  readonly name: string;
  readonly facts: ModelFacts;
  readonly claims: ModelClaims;
}

/** A card of a file of the user's own. @throws VgrError USAGE where what the user says does not make one */
export function cardOf({ name, facts, claims, ...own }: CardParts): DetectorCard {
  const { sha256, bytes, external } = facts;
  const file = basename(facts.path);
  const { family, files, ...rest } = own;
  const draft = {
    schema: 1,
    kind: 'detector',
    name,
    family,
    title: facts.description ?? file,
    file: /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(file) ? file : 'model.onnx',
    sha256,
    bytes,
    ...(external.length > 0 && { external }),
    ...(files && { files }),
    licence: claims.licence ?? facts.licence ?? 'not stated',
    citation: claims.citation ?? facts.description ?? 'not stated',
    source: { added: file },
    ...rest,
  };
  const parsed = parseModelCard(draft);
  if (parsed.ok && parsed.card.kind === 'detector') return parsed.card;
  const { path, expected, got } = parsed.ok
    ? { path: 'kind', expected: '', got: '' }
    : parsed.errors[0]!;
  throw new VgrError('USAGE', `${quoted(path)}: expected ${expected}, got ${got}`, {
    hint:
      path === 'name'
        ? 'give a name of small letters, digits, dots and dashes with `--name`'
        : '`vgr models add --help` lists the flags',
  });
}

/** How a family takes photos, as its own training configuration does it, and what becomes of its boxes. */
interface FamilyHabit {
  readonly size: number;
  readonly fit: DetectorCard['input']['fit'];
  readonly fill: number;
  readonly pixels: PixelEncodingName;
  readonly channels: 'rgb' | 'bgr';
  /** Below 0.05 where average precision on COCO still gains by it. */
  readonly minScore: number;
  readonly nmsIou: number | null;
}

const HABITS: Readonly<Record<DetectorFamilyName, FamilyHabit>> = {
  centernet: habit(512, 'stretch', 0, 'byte', 'rgb', 0.05, 0.7),
  'nanodet-plus': habit(416, 'stretch', 0, 'imagenet', 'bgr', 0.1, 0.6),
  picodet: habit(416, 'stretch', 0, 'imagenet', 'rgb', 0.1, 0.6),
  yolox: habit(640, 'letterbox', 114, 'byte', 'bgr', 0.02, 0.6),
  yolo: habit(640, 'letterbox-centre', 114, 'unit', 'rgb', 0.02, 0.7),
  detr: habit(640, 'stretch', 0, 'unit', 'rgb', 0.05, null),
  deim: habit(640, 'stretch', 0, 'unit', 'rgb', 0.05, null),
  ssd: habit(300, 'stretch', 0, 'byte', 'rgb', 0.05, null),
  'grounding-dino': habit(800, 'stretch', 0, 'imagenet', 'rgb', 0.1, null),
  owlv2: habit(960, 'letterbox', 128, 'clip', 'rgb', 0.05, null),
  owlvit: habit(768, 'stretch', 0, 'clip', 'rgb', 0.05, null),
};

/** NanoDet's own mean and deviation, of pixels in 0..255, blue first. */
const NANODET_PIXELS = {
  channels: 'bgr',
  scale: 1,
  mean: [103.53, 116.28, 123.675],
  std: [57.375, 57.12, 58.395],
} satisfies Partial<DetectorCard['input']>;

function habit(
  size: number,
  fit: FamilyHabit['fit'],
  fill: number,
  pixels: PixelEncodingName,
  channels: 'rgb' | 'bgr',
  minScore: number,
  nmsIou: number | null,
): FamilyHabit {
  return { size, fit, fill, pixels, channels, minScore, nmsIou };
}

/** What a draft is made from. */
export interface DraftFacts {
  readonly inputs: GraphInputs;
  readonly size: ImageSize;
  readonly hub?: HubInput | undefined;
  readonly pixels?: PixelEncodingName | undefined;
  readonly channels?: 'rgb' | 'bgr' | undefined;
}

/**
 * How photos go into a graph whose heads follow its sides, whatever its family does in training: more is found in them undistorted
 * (docs/models/centernet.md). Sides are multiples of 32; families with a stride of 64 round that map up.
 */
const OWN_SHAPE = { fit: 'longer-side', fill: 114, multiple: 32 } as const;

/** The side of the raster where nothing tells it. */
export function habitualSize(family: DetectorFamilyName): number {
  return HABITS[family].size;
}

/** The `input` of a card. */
export function draftInput(
  { inputs: { image, extra }, size, hub, pixels, channels }: DraftFacts,
  recognised: Pick<Recognition, 'family' | 'classes' | 'outputs'>,
): DetectorCard['input'] {
  const { fit, fill, ...habits } = HABITS[recognised.family];
  const { name, type, layout, batch } = image;
  const order = channels ?? habits.channels;
  // Torchvision's graphs take 0..1 and normalise by themselves.
  const usual = layout === 'chw' ? 'unit' : habits.pixels;
  const own = ownPixels(recognised) ?? pixelEncoding(usual, order);
  const given = pixels && pixelEncoding(pixels, order);
  const beside = hub && {
    channels: order,
    scale: hub.scale,
    mean: [...hub.mean] as [number, number, number],
    std: [...hub.std] as [number, number, number],
  };
  const encoding = type === 'uint8' ? pixelEncoding('byte', 'rgb') : (given ?? beside ?? own);
  return {
    name,
    type,
    layout,
    width: size.width,
    height: size.height,
    batch,
    fit,
    fill,
    ...encoding,
    ...(extra.length > 0 && {
      extra: extra.map(({ dims, ...one }) => ({ ...one, dims: dims ?? [size.height, size.width] })),
    }),
  };
}

/** Pixels of models that differ from their family's habit. */
function ownPixels({
  family,
  classes,
  outputs,
}: Pick<Recognition, 'family' | 'classes' | 'outputs'>):
  | Pick<DetectorCard['input'], 'channels' | 'scale' | 'mean' | 'std'>
  | undefined {
  if (family === 'nanodet-plus') return NANODET_PIXELS as Required<typeof NANODET_PIXELS>;
  // DETR and RF-DETR number their classes by COCO's ids; RF-DETR's own export calls its outputs so.
  const isImagenet = classes === 91 || outputs.boxes?.[0] === 'dets';
  return family === 'detr' && isImagenet ? pixelEncoding('imagenet', 'rgb') : undefined;
}

/** The `decoding` of a card. */
export function draftDecoding(recognised: Recognition): DetectorCard['decoding'] {
  const { minScore, nmsIou } = HABITS[recognised.family];
  const { strides, boxes, activation, firstClass } = recognised;
  // Where the shape does not tell the number of classes, boxes come finished, one class each.
  const finished = recognised.classes === undefined;
  return {
    minScore,
    maxDetections: 100,
    nmsIou: finished ? null : nmsIou,
    strides: [...strides],
    ...(boxes && { boxes }),
    ...(activation && { activation }),
    ...(firstClass !== undefined && { firstClass }),
  };
}
