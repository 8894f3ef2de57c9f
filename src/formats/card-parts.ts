import { z } from 'zod';
import { isSafeAddress } from '../core/text.js';

/** What cards of more than one kind hold. */

export const text = z.string().min(1);
export const positiveInteger = z.int().positive();
/** A share or a score. */
export const fraction = z.number().min(0).max(1);
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** A file in the card's folder. */
export const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);

/** A model's name: a folder's, and what `--detector` takes. */
export const CARD_NAME = /^[a-z0-9][a-z0-9._-]*$/;

/** Longest side of a raster: a graph that leaves its size open takes 800 MB for the pixels of such a square. */
const MAX_SIDE = 8192;
const side = positiveInteger.max(MAX_SIDE);

/** Size of the raster that a graph takes; `any`: the batch dimension is free; 1: one picture a run. */
export const rasterShape = {
  width: side,
  height: side,
  batch: z.union([z.literal('any'), z.literal(1)]),
};

const positive = z.number().positive();

/** How pixels go in: the grey level of borders, the order of the channels, and `(pixel * scale - mean[c]) / std[c]`. */
export const rasterValues = {
  fill: z.int().min(0).max(255),
  channels: z.enum(['rgb', 'bgr']),
  scale: positive,
  mean: z.tuple([z.number(), z.number(), z.number()]),
  std: z.tuple([positive, positive, positive]),
};

const relativePath = z.string().regex(/^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/);

/**
 * Where the weights come from: a file of an npm package, from which the build makes them; an address; a file of a repository
 * of the Hugging Face hub at a commit; or a file of the user's own.
 */
export const source = z.union([
  z.strictObject({ package: text, version: text, path: text }),
  z.strictObject({ url: z.string().refine(isSafeAddress, 'an https address'), revision: text }),
  z.strictObject({
    hub: z.string().regex(/^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/),
    revision: z.string().regex(/^[\w][\w.-]*$/),
    path: relativePath,
  }),
  z.strictObject({ added: text }),
]);

export type ModelSource = z.output<typeof source>;

/** The weights. Checksum and size are absent until the first download pins them. */
export const weightsFile = {
  file: fileName,
  sha256: sha256.optional(),
  bytes: positiveInteger.optional(),
  /** Checksum and size are those of the first download: nobody else named them. */
  first_download: z.literal(true).optional(),
};

/** Files beside a graph to which it moved its weights. */
export const external = z.array(z.strictObject({ file: fileName, sha256, bytes: positiveInteger }));

/** Longest `use` that a table of models has room for. */
const USE_LENGTH = 17;

/** For people who choose a model. */
export const about = {
  /** What it is taken for. */
  use: text.max(USE_LENGTH).optional(),
  /** Which of several exports of one model this is, such as `int8`: `vgr models pull NAME:VARIANT` picks it. */
  variant: text.optional(),
  /** A share of right answers on `on`, or COCO's average precision; as published, or as measured with this program. */
  accuracy: z
    .strictObject({ value: fraction, on: text.max(8), by: z.enum(['published', 'vgr']) })
    .optional(),
};

export type Accuracy = z.output<(typeof about)['accuracy']>;

/** A file beside the weights, such as a tokeniser. */
export const furtherFile = z.strictObject({
  ...weightsFile,
  /** Where the source keeps it: in the hub's repository, or relative to the address of the weights; `file` where absent. */
  path: relativePath.optional(),
});

export type FurtherFile = Readonly<z.output<typeof furtherFile>>;

/** Reports what the shapes alone cannot tell. */
export type Need = (path: (string | number)[], expected: string) => void;

/** Files that nobody can download must be pinned. */
export function checkPins(
  card: {
    readonly source: ModelSource;
    readonly sha256?: string;
    readonly files?: readonly FurtherFile[];
  },
  need: Need,
): void {
  if ('url' in card.source || 'hub' in card.source) return;
  if (card.sha256 === undefined) need(['sha256'], 'the sha256 of the weights, hexadecimal');
  for (const [index, file] of (card.files ?? []).entries()) {
    if (file.sha256 !== undefined) continue;
    need(['files', index, 'sha256'], 'the sha256 of the file, hexadecimal');
  }
}
