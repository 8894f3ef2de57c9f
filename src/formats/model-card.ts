import { z } from 'zod';
import { type CardFault, cardFaults } from './card-fault.js';
import {
  CARD_NAME,
  external,
  type FurtherFile,
  fileName,
  fraction,
  furtherFile,
  isRemote,
  positiveInteger,
  rasterShape,
  rasterValues,
  sha256,
  source,
  text,
} from './card-parts.js';

export type { CardFault } from './card-fault.js';
export { CARD_NAME, isSafeAddress } from './card-parts.js';
export type { DetectorFamilyName, PromptedFamilyName } from './detector-outputs.js';

import {
  type DetectorFamilyName,
  FAMILY_NAMES,
  FAMILY_OUTPUTS,
  isPromptedFamily,
  type PromptedFamilyName,
  rolesText,
} from './detector-outputs.js';
import { encoderCard } from './encoder-card.js';
import { type PromptInput, promptInput } from './prompt-input.js';
import { refinerCard } from './refiner-card.js';

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
  | { readonly ok: false; readonly faults: readonly CardFault[] };

/** Reads a card from its parsed JSON. Never throws. */
export function parseModelCard(json: unknown): CardResult {
  const parsed = modelCard.safeParse(json, { reportInput: true });
  if (parsed.success) return { ok: true, card: parsed.data };
  return { ok: false, faults: cardFaults(parsed.error, json) };
}

/** Whether a file with this checksum holds the card's weights. */
export function holdsWeightsOf(card: ModelCard, checksum: string): boolean {
  return (
    card.sha256 === checksum || (card.alternates ?? []).some(({ sha256 }) => sha256 === checksum)
  );
}
