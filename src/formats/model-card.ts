import { z } from 'zod';
import { expectation, valueText } from '../core/schema-error.js';
import { isSafeAddress } from '../core/text.js';
import { type Category, COCO_BY_ID, COCO_CATEGORIES } from './coco.js';

/** What cards of more than one kind hold. */

const text = z.string().min(1);
const positiveInteger = z.int().positive();
const fraction = z.number().min(0).max(1);
const triple = z.tuple([z.number(), z.number(), z.number()]);
/** Longest side of a raster: a graph that leaves its size open takes 800 MB for the pixels of such a square. */
const LONGEST_SIDE = 8192;
const side = positiveInteger.max(LONGEST_SIDE);
/** Size of the raster that a graph takes; `any`: the batch dimension is free; 1: one picture a run. */
const rasterShape = {
  width: side,
  height: side,
  batch: z.union([z.literal('any'), z.literal(1)]),
};
/** How pixels go in: the grey level of borders, the order of the channels, and `(pixel * scale - mean[c]) / std[c]`. */
const rasterValues = {
  fill: z.int().min(0).max(255),
  channels: z.enum(['rgb', 'bgr']),
  scale: z.number().positive(),
  mean: triple,
  std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
};
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** A file in the card's folder. */
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);

/** A model's name: a folder's, and what `--detector` takes. */
export const CARD_NAME = /^[a-z0-9][a-z0-9._-]*$/;

const relativePath = z.string().regex(/^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/);

/**
 * Where the weights come from: a file of an npm package, from which the build makes them; an address; a file of a repository
 * of the Hugging Face hub at a commit; or a file of the user's own.
 */
const source = z.union([
  z.strictObject({ package: text, version: text, path: text }),
  z.strictObject({ url: z.string().refine(isSafeAddress, 'an https address'), revision: text }),
  z.strictObject({
    hub: z.string().regex(/^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/),
    revision: z.string().regex(/^[\w][\w.-]*$/),
    path: relativePath,
  }),
  z.strictObject({ added: text }),
]);

/** Whether the file is to be had from a network. */
function isRemote(place: z.output<typeof source>): boolean {
  return 'url' in place || 'hub' in place;
}

/** Files beside a graph to which it moved its weights. */
const external = z.array(z.strictObject({ file: fileName, sha256, bytes: positiveInteger }));

/** A file beside the weights, such as a tokeniser. `sha256` and `bytes` may be absent like those of the weights. */
export const furtherFile = z.strictObject({
  file: fileName,
  sha256: sha256.optional(),
  bytes: positiveInteger.optional(),
  /** Where the source keeps it: in the hub's repository, or relative to the address of the weights; `file` where absent. */
  path: relativePath.optional(),
});

export type FurtherFile = Readonly<z.output<typeof furtherFile>>;

/** One thing that is wrong with a card. */
export interface CardIssue {
  /** Where, such as `input.mean[2]`; empty for the card as a whole. */
  readonly path: string;
  readonly expected: string;
  /** The value there, as JSON of at most 60 characters, or `nothing`. */
  readonly got: string;
}

type Path = readonly PropertyKey[];

/**
 * What a failed check of a card found, told by place, expectation and value.
 * @param json the card as it was read
 */
function cardIssues(error: z.core.$ZodError, json: unknown): CardIssue[] {
  return error.issues.flatMap((issue) => errorsOf(issue, json, []));
}

/** A union that no member fits is told by the member that got furthest; where none accepts the type, by all of them. */
function errorsOf(issue: z.core.$ZodIssue, json: unknown, above: Path): CardIssue[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const inside = issue.errors.filter((member) => member.every(({ path }) => path.length > 0));
    const nearest = inside.toSorted((a, b) => a.length - b.length)[0];
    if (nearest) return nearest.flatMap((inner) => errorsOf(inner, json, path));
    const expected = issue.errors.flat().filter((inner) => inner.path.length === 0);
    return [
      error(path, [...new Set(expected.map((inner) => expectation(inner)))].join(' or '), json),
    ];
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => error([...path, key], 'no such field', json));
  }
  return [error(path, expectation(issue), json)];
}

function error(path: Path, expected: string, json: unknown): CardIssue {
  return { path: pathText(path), expected, got: shortened(valueText(valueAt(json, path))) };
}

function pathText(path: Path): string {
  return path.reduce<string>((whole, part) => {
    if (typeof part === 'number') return `${whole}[${part}]`;
    return whole === '' ? String(part) : `${whole}.${String(part)}`;
  }, '');
}

function valueAt(json: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, part) => (value as Record<PropertyKey, unknown> | null | undefined)?.[part],
    json,
  );
}

function shortened(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

const name = z.string().min(1);

/** What a graph takes beside the photo where it is asked in words: token ids [prompts, tokens] and what belongs to them. */
export const promptInput = z.strictObject({
  /** Names of the graph's inputs. */
  ids: name,
  mask: name,
  /** Segments of the text, all of them 0. */
  types: name.optional(),
  type: z.enum(['int64', 'int32']),
  /** Most tokens of a prompt, the special ones among them. */
  length: positiveInteger,
  /** Whether every prompt is filled up to `length`; otherwise to the longest of its run. */
  padded: z.boolean(),
  /** The token that fills. */
  pad: z.int().min(0),
  /** Prompts that the graph takes for one photo: `any`, or the number that it fixes. */
  prompts: z.union([z.literal('any'), positiveInteger]),
  /** Which of the card's `files` hold the tokeniser and its configuration. */
  tokenizer: name,
  config: name.optional(),
});

export type PromptInput = Readonly<z.output<typeof promptInput>>;

/** What a family reads from its graph. */
interface FamilyOutputs {
  /** Sets of roles; a card names outputs for all roles of one set. */
  readonly roles: readonly (readonly string[])[];
  /** Whether boxes are told by cells of `decoding.strides`. */
  readonly grid: boolean;
  /** Whether the card must say what makes scores of logits. */
  readonly activation: boolean;
}

/** Families whose input packing and output decoding are known. */
export const FAMILY_OUTPUTS = {
  centernet: { roles: [['scores', 'sides']], grid: true, activation: false },
  'nanodet-plus': { roles: [['predictions']], grid: true, activation: false },
  picodet: { roles: [['scores', 'distances'], ['rows']], grid: true, activation: false },
  yolox: { roles: [['predictions']], grid: true, activation: false },
  yolo: { roles: [['predictions']], grid: true, activation: false },
  detr: { roles: [['logits', 'boxes']], grid: false, activation: true },
  deim: { roles: [['labels', 'boxes', 'scores']], grid: false, activation: false },
  ssd: { roles: [['boxes', 'scores', 'classes']], grid: false, activation: false },
  'grounding-dino': { roles: [['logits', 'boxes']], grid: false, activation: false },
  owlv2: { roles: [['logits', 'boxes']], grid: false, activation: false },
  owlvit: { roles: [['logits', 'boxes']], grid: false, activation: false },
} as const satisfies Record<string, FamilyOutputs>;

export type DetectorFamilyName = keyof typeof FAMILY_OUTPUTS;

/** Families that are asked in words. */
export const PROMPTED_FAMILY_NAMES = [
  'grounding-dino',
  'owlv2',
  'owlvit',
] as const satisfies DetectorFamilyName[];

export type PromptedFamilyName = (typeof PROMPTED_FAMILY_NAMES)[number];

/** Families with labels of their own. */
export type ClosedFamilyName = Exclude<DetectorFamilyName, PromptedFamilyName>;

/** Whether detectors of the family are asked in words. */
export function isPromptedFamily(family: DetectorFamilyName): family is PromptedFamilyName {
  return (PROMPTED_FAMILY_NAMES as readonly DetectorFamilyName[]).includes(family);
}

export const FAMILY_NAMES = Object.keys(FAMILY_OUTPUTS) as DetectorFamilyName[];

/** The roles of a family in words: `scores and distances, or rows`. */
function rolesText(family: DetectorFamilyName): string {
  return FAMILY_OUTPUTS[family].roles.map((set) => set.join(' and ')).join(', or ');
}

/** Families of image-text encoders, and what is usual for each. */
export const ENCODER_FAMILIES = ['clip', 'siglip'] as const;
export type EncoderFamilyName = (typeof ENCODER_FAMILIES)[number];

/** What the image tower takes; a value that goes in is `(pixel * scale - mean[c]) / std[c]`. */
const image = z.strictObject({
  name: text,
  type: z.literal('float32'),
  layout: z.enum(['nhwc', 'nchw']),
  /** A batch of 1 is what quantised graphs need, whose numbers depend on the whole batch. */
  ...rasterShape,
  /** As for detectors; `cover`: scaled until both sides are filled, what sticks out is cut off. */
  fit: z.enum(['stretch', 'letterbox', 'letterbox-centre', 'cover']),
  ...rasterValues,
  /** Output with the embedding, [batch, d]. */
  output: text,
});

const textTower = z.strictObject({
  /** The graph: one of the card's `files`, or `file` itself where one graph has both towers. */
  model: fileName,
  /** `tokenizer.json` of the Hugging Face tokenizers, one of `files`. */
  tokenizer: fileName,
  /** Input for the tokens, [batch, sequence]; `attention_mask` is fed where the graph has it. */
  input: text,
  /** Output with the embedding, [batch, d]. */
  output: text,
  /** Most tokens, the special ones among them. */
  length: positiveInteger,
  /** Whether every text is filled up to `length`; otherwise it has as many tokens as there are. */
  padded: z.boolean(),
  /** The token that fills. */
  pad: z.int().min(0),
  /** What stands around the words, which take the place of `{}`. */
  template: z.string().regex(/^[^{}]*\{\}[^{}]*$/),
});

/** An image-text encoder's `card.json`. `file`, `sha256` and `bytes` are those of the image tower. */
export const encoderCard = z
  .strictObject({
    schema: z.literal(1),
    kind: z.literal('encoder'),
    name: z.string().regex(CARD_NAME),
    family: z.enum(ENCODER_FAMILIES),
    title: text,
    file: fileName,
    /** Absent until the first download pins it; so is `bytes`, and both of the other files. */
    sha256: sha256.optional(),
    bytes: positiveInteger.optional(),
    /** Nothing else is taken for a model of this kind; present so that all cards have it. */
    alternates: z.undefined().optional(),
    external: external.optional(),
    licence: text,
    citation: text,
    source,
    image,
    /** The text tower and the tokeniser. */
    files: z.array(furtherFile).min(1),
    text: textTower,
    /** `scale * cosine + bias` is the log-odds of a match; without a bias scores are only compared with each other. */
    match: z.strictObject({ scale: z.number().positive(), bias: z.number().nullable() }),
  })
  .superRefine((card, context) => {
    const need = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const unpinned = (sum: string | undefined): boolean =>
      sum === undefined && !isRemote(card.source);
    if (unpinned(card.sha256)) need(['sha256'], 'the sha256 of the weights, hexadecimal');
    for (const [index, { sha256: sum }] of card.files.entries()) {
      if (unpinned(sum)) need(['files', index, 'sha256'], 'the sha256 of the file, hexadecimal');
    }
    const names = card.files.map(({ file }) => file);
    if (!names.includes(card.text.tokenizer)) {
      need(['text', 'tokenizer'], 'the name of one of `files`');
    }
    if (![card.file, ...names].includes(card.text.model)) {
      need(['text', 'model'], 'the name of one of `files`, or `file`');
    }
    if (card.family === 'siglip' && card.match.bias === null) {
      need(['match', 'bias'], 'a number, as SigLIP is trained with one');
    }
  });

export type EncoderCard = Readonly<z.output<typeof encoderCard>>;

const count = z.int().min(0);
const share = z.number().min(0).max(1);
const rate = share.nullable();

/** What one policy reaches on lines that it was not fitted to. Rates over nothing are null. */
const reached = z.strictObject({
  accuracy: rate,
  mean_iou: rate,
  /** Of the queries that the tool has wrong, the share that is answered right. */
  ccr: rate,
  /** Of the queries that the tool has right, the share that is answered wrong. */
  lost: rate,
});

/** A refiner's `card.json`: where its numbers come from, and what they were fitted on. */
export const refinerCard = z.strictObject({
  schema: z.literal(1),
  kind: z.literal('refiner'),
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
  title: text,
  /** See {@link refinerNumbers}. */
  file: z.literal('refiner.json'),
  sha256,
  bytes: z.int().positive(),
  licence: text,
  citation: text,
  source: z.strictObject({ added: text }),
  /** Nothing else is read from a model of this kind; present so that all cards have it. */
  alternates: z.undefined().optional(),
  external: z.undefined().optional(),
  /** The image-text encoder whose matches it reads; absent where it reads none. */
  encoder: z
    .strictObject({
      family: z.enum(ENCODER_FAMILIES),
      name: text,
      image_sha256: sha256,
      text_sha256: sha256,
      tokenizer_sha256: sha256,
      /** Of all else in the encoder's card that decides an embedding. */
      rules_sha256: sha256,
    })
    .optional(),
  training: z.strictObject({
    command: text,
    /** Of all numbers that were learned from. */
    data_sha256: sha256,
    /** Lines that were fitted to: with a photo, without one, and such that nothing fits or several things do. */
    photos: count,
    tools: count,
    absent: count,
    sets: count,
    settings: z.record(z.string(), z.json()),
  }),
  /** Null where nothing was held out. */
  validation: z
    .strictObject({ queries: count, tool: reached, start: reached, fitted: reached })
    .nullable(),
});

const weights = z.record(z.string(), z.number());

/** `refiner.json`: every number of a refiner, by the names of `src/refinement/columns.ts` and `score.ts`. */
export const refinerNumbers = z.strictObject({
  schema: z.literal(1),
  /** Version of the columns that the names belong to. */
  columns: text,
  tools: z.array(text),
  boxes: weights,
  none: weights,
  threshold: z.number().min(0.5).max(1),
  score: weights,
  members: weights,
});

/** The encoder as a refiner's card tells it. */
export type EncoderTrace = NonNullable<RefinerCard['encoder']>;
export type RefinerCard = Readonly<z.output<typeof refinerCard>>;
export type RefinerReached = Readonly<z.output<typeof reached>>;

/** A further input of a graph, the same for every photo. */
const extraInput = z.strictObject({
  name: text,
  type: z.enum(['float32', 'int32', 'int64']),
  /** The raster's width and height, its height and width, ones throughout, or ones for the raster's rows and columns. */
  holds: z.enum(['width-height', 'height-width', 'ones', 'pixel-mask']),
  /** Dimensions after the batch; [2] for sizes, [] where the raster decides. */
  dims: z.array(positiveInteger),
});

/**
 * What the graph takes. A value that goes in is `(pixel * scale - mean[c]) / std[c]`, with channel c in the order of
 * `channels`; a graph of type `uint8` takes pixels as they are.
 */
const input = z.strictObject({
  name: text,
  type: z.enum(['uint8', 'float32', 'float16']),
  /** `chw`: one photo without a dimension for the batch, as torchvision exports it. */
  layout: z.enum(['nhwc', 'nchw', 'chw']),
  ...rasterShape,
  fit: z.enum(['stretch', 'letterbox', 'letterbox-centre', 'shorter-side', 'longer-side']),
  /** What the sides of a raster are multiples of, with `longer-side`: the largest stride of the graph; 1 where absent. */
  multiple: positiveInteger.optional(),
  ...rasterValues,
  extra: z.array(extraInput).optional(),
  /** Of models that are asked in words. */
  text: promptInput.optional(),
});

const decoding = z.strictObject({
  /** Lowest score that counts unless the user says otherwise. */
  minScore: fraction,
  maxDetections: positiveInteger,
  /** IoU from which the weaker of two boxes of one label is dropped; null where the family needs no suppression. */
  nmsIou: fraction.nullable(),
  /** Input pixels per cell of each head, in the order of the outputs; empty where the family has no cells. */
  strides: z.array(positiveInteger),
  /** How boxes lie in the outputs, where the family knows more than one way: see docs/models. */
  boxes: z
    .enum(['cxcywh-pixels', 'cxcywh-unit', 'xyxy-pixels', 'xyxy-unit', 'yxyx-unit'])
    .optional(),
  /** What makes scores of logits; `softmax` has one more class, the last, for no object. */
  activation: z.enum(['sigmoid', 'softmax']).optional(),
  /** Number of the first label where the graph names classes by number; 0 where absent. */
  firstClass: z.int().min(0).optional(),
  /** Score from which on a token of the prompt is part of a box's label. */
  textScore: fraction.optional(),
  /**
   * What a score is worth: the log-odds that a box is a thing of its label are `intercept + score * logit(score) + area *
   * ln(share of the photo)`. Fitted on annotated photos; absent where nobody did.
   */
  calibration: z
    .strictObject({ intercept: z.number(), score: z.number().positive(), area: z.number() })
    .optional(),
});

const labels = z.union([
  z.literal('coco-80'),
  z.literal('coco-91'),
  /** It finds what it is asked for. */
  z.literal('prompts'),
  z.array(z.strictObject({ id: z.int().min(0), name: text })).min(1),
]);

const detectorCard = z
  .strictObject({
    schema: z.literal(1),
    kind: z.literal('detector'),
    name: z.string().regex(CARD_NAME),
    family: z.enum(FAMILY_NAMES),
    title: text,
    /** File name of the weights, inside the card's folder. */
    file: fileName,
    /** Absent until the first download pins it; so is `bytes`. */
    sha256: sha256.optional(),
    bytes: positiveInteger.optional(),
    /** Other exports of the same weights with the same inputs and outputs, which are taken as well. */
    alternates: z.array(z.strictObject({ sha256, publisher: text })).optional(),
    /** Files beside `file` to which the graph moved its weights. */
    external: external.optional(),
    /** Further files of the model. */
    files: z.array(furtherFile).optional(),
    licence: text,
    citation: text,
    source,
    input,
    /** Names of the graph's outputs by what they hold; which roles there are is the family's matter. */
    outputs: z.record(z.string(), z.array(text).min(1)),
    decoding,
    labels,
  })
  .superRefine((card, context) => {
    const need = (path: string[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const { roles, grid, activation } = FAMILY_OUTPUTS[card.family];
    if (!roles.some((set) => set.every((role) => role in card.outputs))) {
      const missing = roles[0]?.find((role) => !(role in card.outputs)) ?? '';
      need(
        ['outputs', missing],
        `names of outputs, as family ${card.family} reads ${rolesText(card.family)}`,
      );
    }
    if (grid && card.decoding.strides.length === 0)
      need(['decoding', 'strides'], 'strides of the heads');
    if (activation && card.decoding.activation === undefined) {
      need(['decoding', 'activation'], '"sigmoid" or "softmax"');
    }
    if (card.sha256 === undefined && !isRemote(card.source)) {
      need(['sha256'], 'the sha256 of the weights, hexadecimal');
    }
    for (const [index, { sha256: sum }] of (card.files ?? []).entries()) {
      if (sum === undefined && !isRemote(card.source)) {
        context.addIssue({
          code: 'custom',
          path: ['files', index, 'sha256'],
          message: 'the sha256 of the file, hexadecimal',
        });
      }
    }
    if (Array.isArray(card.labels)) {
      const ids = card.labels.map(({ id }) => id);
      const twice = ids.findIndex((id, place) => ids.indexOf(id) < place);
      if (twice >= 0) {
        context.addIssue({
          code: 'custom',
          path: ['labels', twice, 'id'],
          message: 'an id that no other label has',
        });
      }
    }
    for (const side of ['width', 'height'] as const) {
      const { multiple = 1, [side]: pixels } = card.input;
      if (pixels % multiple !== 0) need(['input', side], `a multiple of ${multiple}`);
    }
    checkPrompts(card, need);
  });

/** What holds of models that are asked in words, and only of them. */
function checkPrompts(
  card: {
    readonly family: DetectorFamilyName;
    readonly labels: z.output<typeof labels>;
    readonly files?: readonly FurtherFile[] | undefined;
    readonly input: z.output<typeof input>;
  },
  need: (path: string[], message: string) => void,
): void {
  const { family, files = [] } = card;
  const { text: prompt, fit } = card.input;
  if (isPromptedFamily(family)) {
    if (!prompt)
      need(
        ['input', 'text'],
        `what the graph takes of a prompt, as family ${family} is asked in words`,
      );
    if (card.labels !== 'prompts')
      need(['labels'], `"prompts", as family ${family} is asked in words`);
  } else {
    if (prompt) need(['input', 'text'], `nothing, as family ${family} is not asked in words`);
    if (card.labels === 'prompts') need(['labels'], `the labels that family ${family} knows`);
    if (fit === 'shorter-side')
      need(['input', 'fit'], `a raster of one size, as family ${family} takes`);
  }
  for (const role of ['tokenizer', 'config'] as const) {
    const named = prompt?.[role];
    if (named !== undefined && !files.some(({ file }) => file === named)) {
      need(['input', 'text', role], 'the name of one of `files`');
    }
  }
}

const modelCard = z.discriminatedUnion('kind', [detectorCard, encoderCard, refinerCard]);

/** A detector's `card.json`. */
export type DetectorCard = Readonly<z.output<typeof detectorCard>>;
export type ModelCard = Readonly<z.output<typeof modelCard>>;
export type ModelSource = DetectorCard['source'];
export type ExtraInput = z.output<typeof extraInput>;

/** The card of a detector that is asked in words. */
export type PromptedCard = DetectorCard & {
  readonly family: PromptedFamilyName;
  readonly input: { readonly text: PromptInput };
};

export type CardResult =
  | { readonly ok: true; readonly card: ModelCard }
  | { readonly ok: false; readonly errors: readonly CardIssue[] };

/** Reads a card from its parsed JSON. Never throws. */
export function parseModelCard(json: unknown): CardResult {
  const parsed = modelCard.safeParse(json, { reportInput: true });
  if (parsed.success) return { ok: true, card: parsed.data };
  return { ok: false, errors: cardIssues(parsed.error, json) };
}

/** Whether a file with this checksum holds the card's weights. */
export function holdsWeightsOf(card: ModelCard, checksum: string): boolean {
  return (
    card.sha256 === checksum || (card.alternates ?? []).some(({ sha256 }) => sha256 === checksum)
  );
}

/**
 * The category of class index 0, 1, ...; undefined for an index that stands for nothing. `coco-91` numbers classes by COCO's
 * own ids, which have gaps.
 */
export function classesOf(card: DetectorCard): readonly (Category | undefined)[] {
  if (card.labels === 'coco-80') return COCO_CATEGORIES;
  if (card.labels === 'prompts') return [];
  return card.labels === 'coco-91' ? COCO_BY_ID : card.labels;
}

/** Everything that a detector can find; nothing by itself where it is asked in words. */
export function categoriesOf(card: DetectorCard): readonly Category[] {
  if (card.labels === 'prompts') return [];
  if (typeof card.labels === 'string') return COCO_CATEGORIES;
  return card.labels;
}

/** Whether a detector is asked in words. */
export function isPrompted(card: DetectorCard): card is PromptedCard {
  return isPromptedFamily(card.family) && card.input.text !== undefined;
}

/** What a detector's score is worth; see `decoding.calibration` of a card. */
export type ScoreCalibration = NonNullable<DetectorCard['decoding']['calibration']>;
