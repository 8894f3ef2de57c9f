import { z } from 'zod';
import { KERNELS } from '../core/raster.js';
import { type CardIssue, cardIssues } from './card-issue.js';
import {
  about,
  CARD_NAME,
  checkPins,
  external,
  fraction,
  furtherFile,
  type Need,
  positiveInteger,
  rasterShape,
  rasterValues,
  sha256,
  source,
  text,
  weightsFile,
} from './card-parts.js';
import { type Category, COCO_BY_ID, COCO_CATEGORIES } from './coco.js';
import { encoderCard } from './encoder-card.js';
import { refinerCard } from './refiner-card.js';

/**
 * Families whose input packing and output decoding are known. `roles`: sets of outputs, of which a card names one whole set;
 * `grid`: whether boxes belong to cells of `decoding.strides`; `activation`: whether the card must state how logits become
 * scores.
 */
export const FAMILY_OUTPUTS = {
  centernet: { roles: [['scores', 'sides']], grid: true, activation: false },
  'nanodet-plus': { roles: [['predictions']], grid: true, activation: false },
  picodet: { roles: [['scores', 'distances'], ['rows']], grid: true, activation: false },
  yolox: { roles: [['predictions']], grid: true, activation: false },
  yolo: { roles: [['predictions'], ['boxes', 'scores']], grid: true, activation: false },
  detr: { roles: [['logits', 'boxes']], grid: false, activation: true },
  deim: { roles: [['labels', 'boxes', 'scores']], grid: false, activation: false },
  ssd: {
    roles: [['boxes', 'scores', 'classes'], ['boxes', 'classes'], ['rows']],
    grid: false,
    activation: false,
  },
  'grounding-dino': { roles: [['logits', 'boxes']], grid: false, activation: false },
  owlv2: { roles: [['logits', 'boxes']], grid: false, activation: false },
  owlvit: { roles: [['logits', 'boxes']], grid: false, activation: false },
  'florence-2': { roles: [['features']], grid: false, activation: false },
} as const;

export type DetectorFamilyName = keyof typeof FAMILY_OUTPUTS;

/** Families that take prompts and tell boxes by the outputs of one graph. */
export const PROMPTED_FAMILY_NAMES = [
  'grounding-dino',
  'owlv2',
  'owlvit',
] as const satisfies DetectorFamilyName[];

export type PromptedFamilyName = (typeof PROMPTED_FAMILY_NAMES)[number];

/**
 * Families that take prompts and write their answer token by token. `graphs`: the parts of the model beside the photo's encoder, which
 * the card's `graphs` names; `tasks`: how they can be asked, the first unless the card says otherwise.
 */
export const WRITING_FAMILIES = {
  'florence-2': {
    graphs: ['embeddings', 'encoder', 'decoder'],
    tasks: ['phrase-grounding', 'open-vocabulary'],
  },
} as const satisfies Partial<Record<DetectorFamilyName, unknown>>;

export type WritingFamilyName = keyof typeof WRITING_FAMILIES;

/** Families whose models are one graph. */
export type GraphFamilyName = Exclude<DetectorFamilyName, WritingFamilyName>;

/** How a model is asked that has several ways. */
export const TASK_NAMES = [
  ...new Set(Object.values(WRITING_FAMILIES).flatMap(({ tasks }) => tasks)),
];

export type TaskName = (typeof TASK_NAMES)[number];

/** Families with labels of their own. */
export type ClosedFamilyName = Exclude<GraphFamilyName, PromptedFamilyName>;

export function isPromptedFamily(family: DetectorFamilyName): family is PromptedFamilyName {
  return (PROMPTED_FAMILY_NAMES as readonly DetectorFamilyName[]).includes(family);
}

export function isWritingFamily(family: DetectorFamilyName): family is WritingFamilyName {
  return family in WRITING_FAMILIES;
}

const FAMILY_NAMES = Object.keys(FAMILY_OUTPUTS) as DetectorFamilyName[];

export const GRAPH_FAMILY_NAMES = FAMILY_NAMES.filter(
  (family): family is GraphFamilyName => !isWritingFamily(family),
);

/** A further input of a graph, the same for every photo. */
const extraInput = z.strictObject({
  name: text,
  type: z.enum(['float32', 'int32', 'int64']),
  /** The raster's width and height, its height and width, ones throughout, or ones for the raster's rows and columns. */
  holds: z.enum(['width-height', 'height-width', 'ones', 'pixel-mask']),
  /** Dimensions after the batch; [2] for sizes, [] where the raster decides. */
  dims: z.array(positiveInteger),
});

/** What a graph with prompts takes beside the photo: token ids [prompts, tokens] and what belongs to them. */
const promptInput = z.strictObject({
  /** Names of the graph's inputs. */
  ids: text,
  mask: text,
  /** Segments of the text, all of them 0. */
  types: text.optional(),
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
  tokenizer: text,
  config: text.optional(),
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
  /** By which whole photos are scaled; where absent, the way that costs least. */
  kernel: z.enum(KERNELS).optional(),
  /** What the sides of a raster are multiples of, with `longer-side`: the largest stride of the graph; 1 where absent. */
  multiple: positiveInteger.optional(),
  ...rasterValues,
  extra: z.array(extraInput).optional(),
  /** Only of models with prompts. */
  text: promptInput.optional(),
});

/** How far the runtime rewrites a graph before it runs it. */
export const OPTIMISATIONS = ['all', 'extended', 'basic', 'disabled'] as const;
export type Optimisation = (typeof OPTIMISATIONS)[number];

const decoding = z.strictObject({
  /** Lowest score that counts unless the user says otherwise. */
  minScore: fraction,
  maxDetections: positiveInteger,
  /** IoU from which the weaker of two boxes of one label is dropped; null where the family needs no suppression. */
  nmsIou: fraction.nullable(),
  /** Input pixels per cell of each head, in the order of the outputs; empty where the family has no cells. */
  strides: z.array(positiveInteger),
  /** Layout of the boxes in the outputs, where the family has more than one: see docs/models. */
  boxes: z
    .enum(['cxcywh-pixels', 'cxcywh-unit', 'xyxy-pixels', 'xyxy-unit', 'yxyx-unit'])
    .optional(),
  /** How logits become scores; `softmax` has one more class, the last, for no object. */
  activation: z.enum(['sigmoid', 'softmax']).optional(),
  /** Number of the first label where the graph names classes by number; 0 where absent. */
  firstClass: z.int().min(0).optional(),
  /** Minimum score of a prompt token that is part of a box's label. */
  textScore: fraction.optional(),
  /** How the model is asked, where it has several ways; {@link WRITING_FAMILIES} lists them. */
  task: z.enum(TASK_NAMES).optional(),
  /**
   * Turns a score into the log-odds that the box shows an object of its label: `intercept + score * logit(score) + area *
   * ln(share of the photo)`. Fitted on annotated photos; absent where this was not done.
   */
  calibration: z
    .strictObject({ intercept: z.number(), score: z.number().positive(), area: z.number() })
    .optional(),
});

const labels = z.union([
  z.literal('coco-80'),
  z.literal('coco-91'),
  /** It finds what the prompts name. */
  z.literal('prompts'),
  z.array(z.strictObject({ id: z.int().min(0), name: text })).min(1),
]);

const detectorFields = z.strictObject({
  schema: z.literal(1),
  kind: z.literal('detector'),
  name: z.string().regex(CARD_NAME),
  family: z.enum(FAMILY_NAMES),
  title: text,
  ...about,
  ...weightsFile,
  /** Other exports of the same weights with the same inputs and outputs, which are accepted as well. */
  alternates: z.array(z.strictObject({ sha256, publisher: text })).optional(),
  external: external.optional(),
  /** Further files of the model. */
  files: z.array(furtherFile).optional(),
  /** Of a model in several graphs: which of `files` holds which part. `file` is the one that takes the photo. */
  graphs: z.record(z.string(), text).optional(),
  /** How far the runtime may rewrite the graphs; `all` where absent. */
  optimisation: z.enum(OPTIMISATIONS).optional(),
  /**
   * Side of the photo, pixels, whose number of tokens the exporter left in the graph as constants, where it should be that of
   * the raster. They are put right when the graph is loaded.
   */
  frozenAt: positiveInteger.optional(),
  licence: text,
  citation: text,
  source,
  input,
  /** Names of the graph's outputs by role; {@link FAMILY_OUTPUTS} lists the roles of each family. */
  outputs: z.record(z.string(), z.array(text).min(1)),
  decoding,
  labels,
});

type DetectorFields = z.output<typeof detectorFields>;

const detectorCard = detectorFields.superRefine((card, context) => {
  const need: Need = (path, message) => context.addIssue({ code: 'custom', path, message });
  checkOutputs(card, need);
  checkPins(card, need);
  if (Array.isArray(card.labels)) {
    const ids = card.labels.map(({ id }) => id);
    const twice = ids.findIndex((id, index) => ids.indexOf(id) < index);
    if (twice >= 0) need(['labels', twice, 'id'], 'an id that no other label has');
  }
  for (const side of ['width', 'height'] as const) {
    const { multiple = 1, [side]: pixels } = card.input;
    if (pixels % multiple !== 0) need(['input', side], `a multiple of ${multiple}`);
  }
  checkPrompts(card, need);
  checkGraphs(card, need);
});

/** A card names every output that its family reads. */
function checkOutputs({ family, outputs, decoding }: DetectorFields, need: Need): void {
  const reads = FAMILY_OUTPUTS[family];
  if (!reads.roles.some((set) => set.every((role) => role in outputs))) {
    const missing = reads.roles[0].find((role) => !(role in outputs)) ?? '';
    const roles = reads.roles.map((set) => set.join(' and ')).join(', or ');
    need(['outputs', missing], `names of outputs, as family ${family} reads ${roles}`);
  }
  if (reads.grid && decoding.strides.length === 0) {
    need(['decoding', 'strides'], 'strides of the heads');
  }
  if (reads.activation && decoding.activation === undefined) {
    need(['decoding', 'activation'], '"sigmoid" or "softmax"');
  }
}

/** What holds for models with prompts, and only for them. */
function checkPrompts({ family, labels, files = [], input }: DetectorFields, need: Need): void {
  const { text: prompt, fit } = input;
  if (isPromptedFamily(family) || isWritingFamily(family)) {
    const reason = `as family ${family} takes prompts`;
    if (!prompt) need(['input', 'text'], `the inputs for a prompt, ${reason}`);
    if (labels !== 'prompts') need(['labels'], `"prompts", ${reason}`);
  } else {
    if (prompt) need(['input', 'text'], `nothing, as family ${family} takes no prompts`);
    if (labels === 'prompts') need(['labels'], `the labels that family ${family} knows`);
    if (fit === 'shorter-side') {
      need(['input', 'fit'], `a raster of one size, as family ${family} takes`);
    }
  }
  for (const role of ['tokenizer', 'config'] as const) {
    const named = prompt?.[role];
    if (named !== undefined && !files.some(({ file }) => file === named)) {
      need(['input', 'text', role], 'the name of one of `files`');
    }
  }
}

/** A card names every graph of its family, and asks in a way that the family has. */
function checkGraphs({ family, graphs, files = [], decoding }: DetectorFields, need: Need): void {
  const writing = isWritingFamily(family) ? WRITING_FAMILIES[family] : undefined;
  for (const role of writing?.graphs ?? []) {
    if (!files.some(({ file }) => file === graphs?.[role])) {
      need(
        ['graphs', role],
        `the name of one of \`files\`, as family ${family} has several graphs`,
      );
    }
  }
  if (!writing && graphs) need(['graphs'], `nothing, as family ${family} has one graph`);
  const tasks: readonly string[] = writing?.tasks ?? [];
  if (decoding.task !== undefined && !tasks.includes(decoding.task)) {
    need(['decoding', 'task'], tasks.join(' or ') || `nothing, as family ${family} has one way`);
  }
}

const modelCard = z.discriminatedUnion('kind', [detectorCard, encoderCard, refinerCard]);

/** A detector's `card.json`. */
export type DetectorCard = Readonly<z.output<typeof detectorCard>>;
export type ModelCard = Readonly<z.output<typeof modelCard>>;
export type ExtraInput = z.output<typeof extraInput>;
export type PromptInput = Readonly<z.output<typeof promptInput>>;
/** See `decoding.calibration` of a card. */
export type ScoreCalibration = NonNullable<DetectorCard['decoding']['calibration']>;

/** The card of a detector that takes prompts. */
export type PromptedCard = DetectorCard & {
  readonly family: PromptedFamilyName | WritingFamilyName;
  readonly input: { readonly text: PromptInput };
};

/** Of those the ones that tell boxes by the outputs of one graph. */
export type ScoringCard = PromptedCard & { readonly family: PromptedFamilyName };

/** The card of a detector that writes its answer token by token. */
export type WritingCard = PromptedCard & {
  readonly family: WritingFamilyName;
  readonly graphs: Readonly<Record<string, string>>;
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

/** Everything that a detector can find; empty where it takes prompts. */
export function categoriesOf(card: DetectorCard): readonly Category[] {
  if (card.labels === 'prompts') return [];
  return typeof card.labels === 'string' ? COCO_CATEGORIES : card.labels;
}

/** Whether a detector takes prompts. */
export function isPrompted(card: DetectorCard): card is PromptedCard {
  return card.input.text !== undefined;
}

/** Whether a detector writes its answer token by token. */
export function isWriting(card: DetectorCard): card is WritingCard {
  return isWritingFamily(card.family) && card.graphs !== undefined;
}

/** Whether a detector takes prompts and tells boxes by the outputs of one graph. */
export function isScoring(card: DetectorCard): card is ScoringCard {
  return isPrompted(card) && isPromptedFamily(card.family);
}

/** The names under which the graphs of a model are known to a session pool, by role; `photo` is the one that takes the photo. */
export function graphNames({ name, graphs }: WritingCard): ReadonlyMap<string, string> {
  const others = Object.keys(graphs).map((role): [string, string] => [role, `${name}/${role}`]);
  return new Map([['photo', name], ...others]);
}

/** The names of all graphs of a detector in a session pool. */
export function graphsIn(card: DetectorCard): readonly string[] {
  return isWriting(card) ? [...graphNames(card).values()] : [card.name];
}
