import { z } from 'zod';
import { type CardFault, cardFaults } from './card-fault.js';

export type { CardFault } from './card-fault.js';
export type { DetectorFamilyName } from './detector-outputs.js';

import { FAMILY_NAMES, FAMILY_OUTPUTS, rolesText } from './detector-outputs.js';
import { refinerCard } from './refiner-card.js';

const text = z.string().min(1);
const positiveInteger = z.int().positive();
const fraction = z.number().min(0).max(1);
const triple = z.tuple([z.number(), z.number(), z.number()]);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** A file in the card's folder. */
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);

/** A model's name: a folder's, and what `--detector` takes. */
export const CARD_NAME = /^[a-z0-9][a-z0-9._-]*$/;

/** Hosts of this machine: what goes to them does not cross a network, so it needs no encryption. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether weights may be loaded from there: over https, or from this very machine. */
export function isSafeAddress(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname));
}

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
    path: z.string().regex(/^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/),
  }),
  z.strictObject({ added: text }),
]);

/** A further input of a graph, the same for every photo. */
const extraInput = z.strictObject({
  name: text,
  type: z.enum(['float32', 'int32', 'int64']),
  /** The raster's width and height, its height and width, or ones throughout. */
  holds: z.enum(['width-height', 'height-width', 'ones']),
  /** Dimensions after the batch; [2] for sizes. */
  dims: z.array(positiveInteger),
});

/**
 * What the graph takes. A value that goes in is `(pixel * scale - mean[c]) / std[c]`, with channel c in the order of
 * `channels`; a graph of type `uint8` takes pixels as they are.
 */
const input = z.strictObject({
  name: text,
  type: z.enum(['uint8', 'float32']),
  layout: z.enum(['nhwc', 'nchw']),
  width: positiveInteger,
  height: positiveInteger,
  /** `any`: the batch dimension is free; 1: one photo a run. */
  batch: z.union([z.literal('any'), z.literal(1)]),
  fit: z.enum(['stretch', 'letterbox', 'letterbox-centre']),
  fill: z.int().min(0).max(255),
  channels: z.enum(['rgb', 'bgr']),
  scale: z.number().positive(),
  mean: triple,
  std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
  extra: z.array(extraInput).optional(),
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
});

const labels = z.union([
  z.literal('coco-80'),
  z.literal('coco-91'),
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
    external: z
      .array(z.strictObject({ file: fileName, sha256, bytes: positiveInteger }))
      .optional(),
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
  });

function isRemote(place: z.output<typeof source>): boolean {
  return 'url' in place || 'hub' in place;
}

const modelCard = z.discriminatedUnion('kind', [detectorCard, refinerCard]);

/** A detector's `card.json`. */
export type DetectorCard = Readonly<z.output<typeof detectorCard>>;
export type ModelCard = Readonly<z.output<typeof modelCard>>;
export type ModelSource = DetectorCard['source'];
export type ExtraInput = z.output<typeof extraInput>;

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
